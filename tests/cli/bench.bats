#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# bench: every stage runs, leaves nothing behind, and its rows are numbers.
# How fast it is says nothing here.

load helpers

@test "hash: every kernel, and the one that is chosen" {
	run --separate-stderr blobctl bench hash
	status_is 0
	has "hash	portable	"
	has "hash	chosen here: "
}

@test "an unknown stage" {
	run --separate-stderr blobctl bench hsah
	status_is 2
	err_has "did you mean hash?"
}

@test "--json" {
	run --separate-stderr blobctl --json bench hash
	status_is 0
	json_ok
	has '"type":"bench","stage":"hash"'
	has '"per_second_bytes":'
}

@test "scratch folders are removed, also when it is stopped" {
	new_repo
	run blobctl --max-duration=1s bench lookup
	[ "$status" -eq 8 ] || [ "$status" -eq 0 ]
	[ -z "$(ls -A repo/cache)" ]
	export TMPDIR=$T/tmp
	mkdir "$TMPDIR"
	unset BLOBCTL_REPO
	run blobctl --max-duration=1s bench io
	[ "$status" -eq 8 ] || [ "$status" -eq 0 ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "no room for a measurement is status 14" {
	mounts_or_skip
	# shellcheck disable=SC2016
	run on_tmpfs 8m 'TMPDIR=$T/mnt "$BLOBCTL" bench io'
	status_is 14
	has "TMPDIR"
}
