#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at random moments, and before and after each operation of a small
# command: the repository opens, all that was promised is there to the last
# byte, what was removed does not come back, the same command then succeeds,
# and the dead leave no leases behind.
#
# usage: kill.sh       short: tens of kills; LONG=1: thousands; ROUNDS=N
# shellcheck disable=SC2317 # the commands are called by name
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

tree "$T/one" 3 3000 one
tree "$T/two" 24 400000 two
tree "$T/three" 200 12000 three
mkdir "$T/big" "$T/stdin"
python3 -c 'import random; r = random.Random(5)
open("'"$T"'/big/file", "wb").write(r.randbytes(9 << 20))'
cp "$T/big/file" "$T/stdin/stdin"

small() { run put -q --print-id "$T/one/"; }
packs() { run put -q --print-id --no-cache "$T/two/"; }
many() { run put -q --print-id --no-cache "$T/three/"; }
big() { run put -q --print-id --no-cache "$T/big/"; }
stdin() { run put -q --print-id - <"$T/stdin/stdin"; }
remove() { run -y rm -q "$VICTIM"; }

# run ARGS...: the program, killed after $DELAY microseconds if that is set.
# Its own end is waited for by its id: nothing else is ever killed.
run() {
	local pid status

	"$TESTING" -R "$R" "$@" >"$T/out" 2>"$T/said" <&0 &
	pid=$!
	if [ -n "${DELAY-}" ]; then
		sleep "$(printf '%d.%06d' $((DELAY / 1000000)) $((DELAY % 1000000)))"
		kill -KILL "$pid" 2>/dev/null
	fi
	wait "$pid" 2>/dev/null
	status=$?
	return $status
}

# done_by COMMAND: what its success promises.
done_by() {
	case $1 in
	small) promised full "$T/one" ;;
	packs) promised full "$T/two" ;;
	many) promised full "$T/three" ;;
	big) promised full "$T/big" ;;
	stdin) promised data "$T/stdin" ;;
	remove) removed "$VICTIM" ;;
	esac
}

# Something to remove: made here, so that the kill meets the removal alone.
prepare() {
	[ "$1" = remove ] || return 0
	b put -q --print-id "$T/one/" || {
		fail "a put to be removed"
		return 1
	}
	VICTIM=$(cat "$T/out")
	promised full "$T/one"
}

# A killed rm may or may not have happened; what it is now stays.
settle() {
	[ "$1" = remove ] || return 0
	if ! "$TOOLS/verify_repo" "$R" <(grep "^+$VICTIM" "$M") >/dev/null 2>&1; then
		removed "$VICTIM"
	fi
}

# one_kill COMMAND WORDS: after the kill, everything that must hold.
one_kill() {
	local command=$1 status=$2 words=$3

	case $status in
	0) done_by "$command" || return 1 ;;
	137) settle "$command" ;;
	*)
		fail "$words: status $status"
		return 1
		;;
	esac
	verify "$words" || return 1
	if [ "$status" = 137 ] && grep -q "^+${VICTIM:-none}" "$M" || [ "$command" != remove ]; then
		unset DELAY
		if ! $command; then
			fail "$words: the same command fails afterwards"
			return 1
		fi
		done_by "$command"
	fi
	sound "$words"
}

# How long the command takes here and now, in microseconds: kills fall over
# all of its run and a little beyond.
duration_of() {
	local from=${EPOCHREALTIME/[.,]/}

	$1 || fail "$1 without a kill"
	done_by "$1"
	DURATION=$((${EPOCHREALTIME/[.,]/} - from))
}

at_random() {
	local command=$1 rounds=$2 i killed=0 before=$failed

	# The first one finds everything new, and takes longer.
	for i in 1 2; do
		prepare "$command" || return
		duration_of "$command"
	done
	for ((i = 0; i < rounds && failed == before; i++)); do
		prepare "$command" || return
		random $((DURATION + DURATION / 10 + 1000))
		DELAY=$REPLY
		$command
		status=$?
		unset DELAY
		[ $status = 137 ] && killed=$((killed + 1))
		one_kill "$command" $status "$command killed after $REPLY us"
		# A repository that only grows makes each round slower.
		if [ $((i % 4)) = 3 ]; then
			verify_rebuilt "$command, round $i"
			new_repo --reserve=1MiB --pack-size=4MiB
		fi
	done
	verify_rebuilt "$command, at the end"
	[ "$failed" != "$before" ] ||
		ok "$command on $BLOBCTL_IO: $killed of $rounds killed at random"
}

# Exact moments: before, after and in the middle of the n-th operation, until
# the command is through before it.
at_each() {
	local command=$1 how n status before=$failed count=0 step=$2

	for how in write:kill write:torn write:kill-after sync:kill \
		sync:kill-after name:kill name:kill-after; do
		random "$step"
		n=$((1 + REPLY))
		while [ "$failed" = "$before" ]; do
			prepare "$command" || return
			export BLOBCTL_FAULT=${how%%:*}:$n:${how#*:}
			$command
			status=$?
			unset BLOBCTL_FAULT
			if grep -q '^fault: 0 hits' "$T/said"; then
				[ $status = 0 ] && done_by "$command"
				break
			fi
			one_kill "$command" $status "$command, $how at $n"
			count=$((count + 1)) n=$((n + step))
		done
	done
	verify_rebuilt "$command, each operation"
	[ "$failed" != "$before" ] ||
		ok "$command on $BLOBCTL_IO: killed at $count operations"
}

# A put just before its log is full: sealing it and beginning the next one are
# among its operations. Prepared once.
rolling() {
	local i

	new_repo --reserve=0
	rm -rf "$T/base"
	mkdir -p "$T/roll"
	for ((i = 0; i < 80; i++)); do
		head -c 900000 /dev/urandom >"$T/roll/file"
		# The put that follows is the one that finds the log full.
		if [ "$(stat -c %s "$R"/log/*)" -gt $((64 * 1048576 - 910000)) ]; then
			mv "$R" "$T/base"
			return
		fi
		b put -q --print-id "$T/roll/" || fail "put $i of the first log"
	done
	fail "80 puts of 0.9 MB do not fill a log"
	return 1
}

roll() { run put -q --print-id "$T/roll/"; }

at_the_end_of_a_log() {
	local how n status before=$failed count=0 step

	step=$(every 5)
	rolling || return
	for how in write:kill write:torn write:kill-after sync:kill \
		sync:kill-after name:kill-after; do
		random "$step"
		n=$((1 + REPLY))
		while [ "$failed" = "$before" ]; do
			rm -rf "$R"
			cp -a --sparse=always "$T/base" "$R"
			: >"$M"
			export BLOBCTL_FAULT=${how%%:*}:$n:${how#*:}
			roll
			status=$?
			unset BLOBCTL_FAULT
			grep -q '^fault: 0 hits' "$T/said" && break
			if [ $status != 137 ]; then
				fail "roll, $how at $n: status $status"
				break
			fi
			verify "roll, $how at $n" || break
			roll || {
				fail "roll, $how at $n: the same put fails afterwards"
				break
			}
			promised full "$T/roll"
			verify_rebuilt "roll, $how at $n, put again"
			verify "roll, $how at $n, put again"
			count=$((count + 1)) n=$((n + step))
		done
	done
	[ "$failed" != "$before" ] ||
		ok "roll on $BLOBCTL_IO: killed at $count operations"
}

# init is killed too: the next one makes the repository.
killed_init() {
	local how n before=$failed count=0

	for how in write:kill write:kill-after sync:kill name:kill name:kill-after; do
		for ((n = 1; n < 100; n++)); do
			rm -rf "$R"
			export BLOBCTL_FAULT=${how%%:*}:$n:${how#*:}
			"$TESTING" init "$R" --no-remember -q --reserve=64KiB \
				>"$T/out" 2>"$T/said" &
			wait $! 2>/dev/null
			unset BLOBCTL_FAULT
			grep -q '^fault: 0 hits' "$T/said" && break
			if ! "$TESTING" init "$R" --no-remember --if-missing -q \
				--reserve=64KiB >"$T/out" 2>"$T/said"; then
				fail "init, $how at $n: the next init fails"
				break 2
			fi
			: >"$M"
			small || {
				fail "init, $how at $n: the first put fails"
				break 2
			}
			done_by small
			verify "init, $how at $n"
			sound "init, $how at $n"
			count=$((count + 1))
		done
	done
	[ "$failed" != "$before" ] || ok "init on $BLOBCTL_IO: killed at $count operations"
}

first=1
for engine in $(engines); do
	export BLOBCTL_IO=$engine
	new_repo --reserve=1MiB --pack-size=4MiB
	VICTIM=
	if wired -y rm --dry-run latest; then
		removal=remove
	else
		removal=
	fi
	# Neither init nor the log's own writes go through an engine's queue.
	if [ $first = 1 ] || [ -n "${LONG-}" ]; then
		killed_init
		at_the_end_of_a_log
	fi
	first=0
	for command in small packs many big stdin $removal; do
		new_repo --reserve=1MiB --pack-size=4MiB
		at_random "$command" "$(long 6 300)"
	done
	for command in small $removal; do
		new_repo --reserve=1MiB --pack-size=4MiB
		at_each "$command" 1
	done
	new_repo --reserve=1MiB --pack-size=4MiB
	at_each packs "$(every 6)"
done
plan
