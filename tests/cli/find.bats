#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# find: patterns over all snapshots; lines that paste back into get.

load helpers

setup() {
	common_setup
	new_repo
	small_tree src
	put_quietly src --time=2026-01-01
	one=${id:0:16}
	echo new >src/sub/deep/new.c
	put_quietly src --time=2026-02-01
	two=${id:0:16}
}

@test "the last component, in all snapshots, newest first" {
	[ "$(blobctl find '*.c')" = "$two:src/b.c
$two:src/sub/deep/file.c
$two:src/sub/deep/new.c
$one:src/b.c
$one:src/sub/deep/file.c" ]
	[ "$(blobctl find 'b.?')" = "$two:src/b.c
$one:src/b.c" ]
	[ "$(blobctl find deep/ | wc -l)" -eq 2 ]
	[ -z "$(blobctl find b.c/)" ]
}

@test "whole paths" {
	[ "$(blobctl find 'src/*.c')" = "$two:src/b.c
$one:src/b.c" ]
	[ "$(blobctl find '**/deep/*.c' | wc -l)" -eq 3 ]
	[ "$(blobctl find 'src/**/*.[ch]' | wc -l)" -eq 5 ]
	[ -z "$(blobctl find 'deep/*.c')" ]
}

@test "--since and --newer" {
	[ "$(blobctl find b.c --since=2026-01-15)" = "$two:src/b.c" ]
	[ "$(blobctl find '*.c' --newer=2026-03-01)" = "$two:src/sub/deep/new.c" ]
	[ -z "$(blobctl find '*.c' --since=2027-01-01)" ]
}

@test "lines paste back into get and cat" {
	blobctl find 'new.c' | while read -r key; do
		blobctl -q get "$key" got
		cmp got src/sub/deep/new.c
	done
	odd="$(printf 'odd \n\xff name')"
	echo odd >"src/$odd"
	blobctl -q put src
	blobctl find 'odd*' -0 | {
		IFS= read -r -d '' key
		[ "$(blobctl cat "$key")" = odd ]
	}
	on_terminal "NO_COLOR=1 '$BLOBCTL' find 'blank*'"
	echo blank >'src/blank name'
	blobctl -q put src
	on_terminal "NO_COLOR=1 '$BLOBCTL' find 'blank*'"
	has ":src/blank name'"
}

@test "nothing found is status 4, with what to try" {
	while IFS='|' read -r hint args; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl find $args
		status_is 4
		[ -z "$output" ]
		err_has "nothing fits "
		err_has "$hint"
	done <<-'END'
		in 2 snapshots|nonesuch
		'*nonesuch*' finds it as a part|nonesuch
		blobctl ls -r SNAP|nonesuch*
		**/ stands for any folders|deep/nonesuch
		perhaps without --newer|*.c --newer=2100-01-01
		in 0 snapshots|*.c --since=2100-01-01
		blobctl ls   lists|*.c --since=2100-01-01
	END
	run --separate-stderr blobctl --json find nonesuch
	status_is 4
	json_ok
	has '"matches":0'
}

@test "json has matches" {
	run --separate-stderr blobctl --json find '*.c'
	status_is 0
	json_ok
	[ "$(grep -c '"type":"match"' <<<"$output")" -eq 5 ]
	has '"matches":5'
	run blobctl find ''
	status_is 2
}
