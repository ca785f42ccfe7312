#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# rm: asks, removes, says what becomes reclaimable; never more than was named;
# a removed snapshot stays removed when every view is made anew.

load helpers

setup() {
	common_setup
	new_repo
	random_bytes 1000000 1 >f
	put_quietly f --name=one
	one=$id
	random_bytes 2000000 2 >f
	put_quietly f --name=two
	two=$id
}

names() { blobctl ls --sort=name --format='{name}' | xargs; }

@test "without a terminal it wants --yes" {
	run --separate-stderr blobctl rm one
	status_is 7
	err_has "--yes"
	[ "$(names)" = "one two" ]
	run --separate-stderr blobctl --no-input rm one
	status_is 7
}

@test "on a terminal it asks" {
	requires script
	printf 'n\n' | script -qec "'$BLOBCTL' rm one" /dev/null >/dev/null || true
	[ "$(names)" = "one two" ]
	printf 'y\n' | script -qec "'$BLOBCTL' rm one" /dev/null >/dev/null
	[ "$(names)" = two ]
}

@test "-y removes what was named and says what that makes reclaimable" {
	run --separate-stderr blobctl rm -y one
	status_is 0
	[ "$output" = "$one" ]
	err_has "freed now: 0 B"
	err_has "reclaimable in all: "
	err_has "does not free it yet"
	[ "$(names)" = two ]
	cmp f <(blobctl cat two:f)
	run blobctl ls one
	status_is 4
}

@test "--json: what was removed, and sums" {
	run --separate-stderr blobctl --json rm -y one two one
	status_is 0
	json_ok
	[ "$(grep -c '"type":"removed"' <<<"$output")" -eq 2 ]
	has '"removed_snapshots":2'
	bytes=$(sed -n 's/.*"reclaimable_bytes":\([0-9]*\).*/\1/p' <<<"$output")
	[ "$bytes" -ge 3000000 ]
	[ "$bytes" -le 3200000 ]
	[ -z "$(names)" ]
}

@test "what is shared with others is not reclaimable" {
	put_quietly f --name=twin
	run --separate-stderr blobctl --json rm -y twin
	bytes=$(sed -n 's/.*"reclaimable_bytes":\([0-9]*\).*/\1/p' <<<"$output")
	[ "$bytes" -lt 100000 ]
	cmp f <(blobctl cat two:f)
}

@test "-n removes nothing" {
	run --separate-stderr blobctl -n rm one
	status_is 0
	err_has "would free"
	[ "$(names)" = "one two" ]
}

@test "all or nothing: one wrong name and none is removed" {
	run --separate-stderr blobctl rm -y one nonesuch
	status_is 4
	[ "$(names)" = "one two" ]
	run blobctl rm -y one two:f
	status_is 2
	[ "$(names)" = "one two" ]
}

@test "a name that another snapshot's id begins with is ambiguous" {
	name=${one:0:8}
	put_quietly f --name="$name"
	run --separate-stderr blobctl rm -y "$name"
	status_is 2
	err_has "$name is a snapshot's name and the beginning of another one's id"
	err_has "${one:0:12} (one, "
	err_has "${id:0:12} ($name, "
	[ "$(names)" = "$name one two" ]
	run blobctl ls "$name"
	status_is 2
	blobctl -q rm -y "\\$name"
	[ "$(names)" = "one two" ]
	blobctl -q rm -y "$name"
	[ "$(names)" = two ]
}

@test "a removed snapshot stays removed, whatever happens to the views" {
	blobctl -q rm -y one
	rm -rf repo/catalog.db* repo/index repo/cache
	[ "$(names)" = two ]
	rm -rf repo/catalog.db* repo/index
	echo x >g
	blobctl -q put g
	[ "$(names)" = "g two" ]
	run blobctl ls "$one"
	status_is 4
	cmp f <(blobctl cat "$two:f")
}

@test "on a full disk" {
	mounts_or_skip
	# shellcheck disable=SC2016
	run on_tmpfs 24m '
		export BLOBCTL_REPO=$T/mnt/repo
		"$BLOBCTL" -q init --no-remember "$T/mnt/repo" || exit 91
		"$BLOBCTL" -q put "$T/f" || exit 92
		cat /dev/zero >"$T/mnt/filler" 2>/dev/null
		"$BLOBCTL" -q rm -y f || exit 93
		[ -z "$("$BLOBCTL" ls)" ]'
	status_is 0
}
