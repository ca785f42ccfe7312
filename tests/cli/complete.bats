#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2034
#
# Completion: commands, every option, their words, snapshots and paths; what
# the three shells make of it.

load helpers

complete() { blobctl __complete -- "$@"; }

@test "commands and aliases, but nothing hidden" {
	[ "$(complete re | xargs)" = "restore remove" ]
	[ "$(complete help st | xargs)" = stats ]
	[ "$(complete '' | grep -c .)" -ge 19 ]
	[[ $(complete '') != *__complete* ]]
	[[ $(blobctl help) != *__complete* ]]
}

@test "every option of every command" {
	for c in $(blobctl help | sed -n 's/^[A-Z ][a-z ]\{7\}  \([a-z]\{2,\}\) .*/\1/p'); do
		for o in $(blobctl help "$c" | sed -n '/^Options:/,/^$/s/^  .*\(--[a-z0-9-]*\).*/\1/p') \
			$(blobctl help options | sed -n 's/^  .*\(--[a-z0-9-]*\)[= ].*  .*/\1/p'); do
			complete "$c" -- 2>/dev/null | grep -qx -e "$o=\?" || {
				complete "$c" "--" | head -3
				echo "$c: no $o"
				return 1
			}
		done
	done
}

@test "the words of an option" {
	[ "$(complete ls --sort=na)" = --sort=name ]
	[ "$(complete ls --sort na)" = name ]
	[ "$(complete --color=n)" = --color=never ]
	[ "$(complete --col)" = --color= ]
}

@test "snapshots, and paths in them" {
	new_repo
	small_tree src
	blobctl -q put src --name=pictures
	[ "$(complete get p)" = pictures ]
	[ "$(complete ls l)" = latest ]
	[ "$(complete get pictures:)" = pictures:src/ ]
	[ "$(complete get pictures:src/s)" = pictures:src/sub/ ]
	[ "$(complete get pictures:src/sub/d)" = pictures:src/sub/deep/ ]
	[ "$(complete get latest:src/a)" = latest:src/a.txt ]
	unset BLOBCTL_REPO
	[ "$(complete -R "$T/repo" get p)" = pictures ]
	[ "$(complete "--repo=$T/repo" get p)" = pictures ]
}

@test "silent without a repository, with a damaged one, and about nonsense" {
	run blobctl __complete -- get p
	status_is 0
	[ -z "$output" ]
	mkdir bad
	run blobctl __complete -- -R bad get p
	status_is 0
	[ -z "$output" ]
	run blobctl __complete -- frob x
	status_is 0
	[ -z "$output" ]
}

@test "bash" {
	new_repo
	small_tree src
	blobctl -q put src --name=pictures
	run bash -c '
		compopt() { :; }
		. "$1"
		ask() { # ask LINE WORD
			COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=("$2") COMP_CWORD=0
			_blobctl
			echo "${COMPREPLY[*]}"
		}
		PATH=$(dirname "$2"):$PATH
		ask "blobctl res" res
		ask "blobctl ls --sort=si" si
		ask "blobctl get pictures:src/s" src/s
		ask "blobctl get " ""' \
		_ "$BATS_TEST_DIRNAME/../../completions/blobctl.bash" "$BLOBCTL"
	[ "$output" = "restore
size
src/sub/
latest pictures" ]
}

@test "zsh and fish can read theirs" {
	local there=$BATS_TEST_DIRNAME/../../completions tried=0

	if command -v zsh >/dev/null; then
		zsh -n "$there/_blobctl"
		tried=1
	fi
	if command -v fish >/dev/null; then
		fish -n "$there/blobctl.fish"
		tried=1
	fi
	[ $tried = 1 ] || skip "neither is here"
}
