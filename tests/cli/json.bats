#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# The contract of --json: every line of every command is one that
# schema/v1.json describes, whatever happens; the last is the summary, and says
# the status.

load helpers

setup() {
	common_setup
	requires python3
}

# lines STATUS ARG... - run it with --json: that status, and valid lines. They
# are left in $output.
lines() {
	local want=$1

	shift
	run --separate-stderr blobctl --json "$@"
	status_is "$want"
	json_ok
}

# kinds - the types of the lines, each once.
kinds() {
	grep -o '"type":"[a-z]*"' <<<"$output" | sort -u | cut -d'"' -f4 | tr '\n' ' '
}

repo_of_two() {
	new_repo
	mkdir -p src/sub
	echo one >src/a
	ln -s a src/link
	printf x >"src/$(printf 'n\377\n"\\\t')"
	echo two >src/sub/b
	blobctl -q put src --tag 'with=a blank' --tag k=v
	sleep 0.05
	echo more >>src/a
	rm src/link
	blobctl -q put src
}

@test "each command that works" {
	repo_of_two
	lines 0 init --no-remember other
	lines 0 init --no-remember --if-missing other
	lines 0 put src
	lines 0 put -vv src
	[[ $(kinds) = *file*snapshot* ]]
	lines 0 put -n -v src
	lines 0 put --if-changed src
	has '"made":false'
	lines 0 get latest out
	lines 0 get -v 'src~1' out2
	lines 0 get -n -v latest out3
	lines 0 get latest out
	lines 0 ls
	lines 0 ls -l --tag k=v
	lines 0 ls latest
	lines 0 ls -r latest
	has '_b64":"'
	lines 0 ls --sort=size
	lines 0 find '**'
	lines 0 diff 'src~1' src
	lines 0 diff --stat 'src~1' src
	lines 5 diff --exit-code 'src~3' src
	lines 0 tag latest a=b --remove=none
	[[ $(kinds) = *warning* ]]
	lines 0 stats
	lines 0 check
	lines 0 check --read-data
	lines 0 doctor
	lines 0 version
	lines 0 help
	lines 0 help put
	lines 0 put --help
	lines 0 bench hash
	lines 0 rm -n -y 'src~1'
	lines 0 rm -y 'src~1'
}

@test "put and ls say the same of a snapshot" {
	local one

	new_repo
	echo x >f
	lines 0 put f --tag 'a=b c' --tag d=e
	one=$(grep '"type":"snapshot"' <<<"$output")
	lines 0 ls
	[ "$(grep '"type":"snapshot"' <<<"$output")" = "$one" ]
	has '"tags":["a=b c","d=e"]'
}

@test "arguments that are wrong" {
	lines 2
	lines 2 nonsense
	lines 2 put
	lines 2 put --no-such-option x
	lines 2 --threads=many ls
	lines 2 ls --json=maybe
	lines 2 get a b c
	lines 2 ls --sort
}

@test "what is not there" {
	repo_of_two
	lines 10 -R none ls
	lines 10 -R none put src
	lines 4 ls none
	lines 4 get none out
	lines 4 get latest:none out
	lines 4 put none
	lines 4 diff latest none
	lines 4 tag none a=b
	lines 4 rm -y none
	lines 0 ls --tag=k=other
}

@test "what is refused, partial, newer or in the way" {
	repo_of_two
	lines 2 cat latest:src/a
	lines 7 rm --no-input src
	lines 1 init --no-remember repo
	mkdir -p out/src
	echo other >out/src/a
	lines 3 get latest out
	[[ $(kinds) = *error* ]]
}

@test "damage: of a pack, of what it hurts, and of the log" {
	new_repo --compression=none
	random_bytes 3000000 1 >big
	blobctl -q put big
	flip "$(ls -S repo/packs/* | head -1)" 1000000
	lines 13 check --read-data
	[[ $(kinds) = *affected*damage* ]]
	lines 13 get latest out
	lines 0 doctor
	rm repo/packs/*
	lines 13 check
	lines 13 get latest out2
}

@test "a full disk" {
	mounts_or_skip
	random_bytes 9000000 1 >big
	run on_tmpfs 8m '
		export BLOBCTL_REPO=$T/mnt/repo
		"$BLOBCTL" -q init --no-remember "$T/mnt/repo" --reserve=64K
		s=0
		"$BLOBCTL" --json put "$T/big" >"$T/lines" || s=$?
		[ $s -eq 14 ] || exit 90'
	status_is 0
	status=14 output=$(cat lines) json_ok
}

@test "a signal, and the end of the time" {
	local pid s=0

	new_repo
	mkfifo pipe
	"$BLOBCTL" --json put - <pipe >lines 2>err &
	pid=$!
	exec 9>pipe
	until [ -n "$(ls repo/leases)" ]; do
		kill -0 $pid
	done
	kill -TERM $pid
	wait $pid || s=$?
	exec 9>&-
	[ $s -eq 143 ]
	status=143 output=$(cat lines) json_ok
	s=0
	sleep 30 | blobctl --json --max-duration=1s put - >lines || s=$?
	[ $s -eq 8 ]
	status=8 output=$(cat lines) json_ok
}

@test "--status-fd has the same lines, beside the result" {
	local s=0

	repo_of_two
	blobctl --status-fd=3 cat latest:src/a 3>lines >out || s=$?
	[ $s -eq 0 ]
	printf 'one\nmore\n' | cmp - out
	status=0 output=$(cat lines) json_ok
	grep -q '"written_bytes":9' lines
}

@test "no environment at all" {
	local s=0

	env -i "$BLOBCTL" --json ls >lines || s=$?
	[ $s -eq 10 ]
	status=10 output=$(cat lines) json_ok
}
