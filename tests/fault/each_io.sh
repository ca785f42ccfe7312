#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each write, sync and name operation of a command fails once: the command says
# so with the right status or does without; what was promised is still there,
# and the same command succeeds the next time.
#
# usage: each_io.sh     short: every operation of small commands, a sample of
#                       larger ones; LONG=1: every operation of all
# shellcheck disable=SC2317 # the commands are called by name
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

# In a log of 64 MiB every so many puts begin a new one: a repository just
# before that is made once and copied.
S=$T/small L=$T/large
mkdir "$S"
echo one >"$S/a"
echo two >"$S/b"
tree "$L" 60 400000 large

# Every command works on a copy of a prepared repository, $T/base with its
# manifest $T/base.manifest.
restore_base() {
	rm -rf "$R"
	cp -a --sparse=always "$T/base" "$R"
	cp "$T/base.manifest" "$M"
}

keep_base() {
	rm -rf "$T/base"
	mv "$R" "$T/base"
	cp "$M" "$T/base.manifest"
}

# The commands. Each ends with b's status.
small_put() { b put -q --print-id "$S/"; }
large_put() { b put -q --print-id "$L/"; }
stdin_put() {
	"$TESTING" -R "$R" put -q --print-id - <"$L/d00/f0000" >"$T/out" 2>"$T/said"
}
remove() { b -y rm -q "$VICTIM"; }
tagging() { b tag -q "$VICTIM" colour=blue; }

# after COMMAND: what its success promises.
after() {
	case $1 in
	small_put) promised full "$S" ;;
	large_put) promised full "$L" ;;
	stdin_put) promised data "$T/stdin" ;;
	remove) removed "$VICTIM" ;;
	esac
}
mkdir "$T/stdin"
cp "$L/d00/f0000" "$T/stdin/stdin"

# status_of ERRNO: what a failure by it is reported as.
status_of() {
	case $1 in
	ENOSPC | EDQUOT) echo 14 ;;
	*) echo 1 ;;
	esac
}

# A device that is dead from some moment on may have the group and fail to say
# so: a removal that failed may have happened, and then stays so.
settle() {
	[ "$1" = remove ] || return 0
	"$TOOLS/verify_repo" "$R" <(grep "^+$VICTIM" "$M") >/dev/null 2>&1 ||
		removed "$VICTIM"
}

# one_fault COMMAND RULE ERRNO: 0 if the rule acted, 1 if it was not reached.
one_fault() {
	local command=$1 rule=$2 errno=$3 status want

	restore_base
	export BLOBCTL_FAULT=$rule
	$command
	status=$?
	unset BLOBCTL_FAULT
	grep -q '^fault: 0 hits' "$T/said" && return 1
	want=$(status_of "$errno")
	case $status in
	0) after "$command" || return 0 ;;
	"$want") ;;
	*)
		fail "$command, $rule: status $status"
		return 0
		;;
	esac
	# A failure says what and why.
	if [ $status != 0 ] && ! grep -q '^blobctl: .' "$T/said"; then
		fail "$command, $rule: failed without a word"
	fi
	[[ $rule != *+* ]] || settle "$command"
	verify "$command, $rule, status $status: what was promised" || return 0
	[ "$REBUILD" = 0 ] || verify_rebuilt "$command, $rule, status $status" || return 0
	if [ "$command" != remove ] || grep -q "^+$VICTIM" "$M"; then
		if ! $command; then
			fail "$command, $rule: the same command fails afterwards"
			return 0
		fi
		after "$command" || return 0
	fi
	verify "$command, $rule: after the same command again" || return 0
	sound "$command, $rule"
	return 0
}

# sweep COMMAND STEP: each operation, or each STEP-th from a random one on.
sweep() {
	local command=$1 step=$2 class errno n done=0 before=$failed

	for class in write sync name; do
		for errno in EIO ENOSPC; do
			n=1
			if [ "$step" -gt 1 ]; then
				random "$step"
				n=$((1 + REPLY))
			fi
			while one_fault "$command" "$class:$n:$errno" "$errno"; do
				done=$((done + 1)) n=$((n + step))
			done
		done
	done
	# From some operation on everything fails, as on a dead device.
	for n in change:1 change:3 change:6 sync:1 write:3 write:4; do
		one_fault "$command" "$n+:EIO" EIO && done=$((done + 1))
	done
	# The append's sync fails, and no new log can be begun: the group stays
	# at the end, and nobody knows whether it is on the device.
	for n in write@/repo/log/:2 sync@/repo/log/:2; do
		one_fault "$command" "sync@/repo/log/:1:EIO;$n+:EIO" EIO && done=$((done + 1))
	done
	[ "$failed" != "$before" ] ||
		ok "$command on $BLOBCTL_IO: $done failures"
}

# Short transfers and interruptions are nobody's business.
invisible() {
	local command=$1 rule before=$failed

	for rule in 'read,write:1+:short' 'read,write:2+:short' \
		'all:1:EINTR;all:2:EINTR;all:7:EINTR;write:3:EINTR;sync:2:EINTR'; do
		restore_base
		export BLOBCTL_FAULT=$rule
		if ! $command; then
			fail "$command, $rule: it shows"
		elif grep -q '^blobctl: ' "$T/said"; then
			fail "$command, $rule: it is told"
		fi
		unset BLOBCTL_FAULT
		after "$command" && verify "$command, $rule"
	done
	[ "$failed" != "$before" ] ||
		ok "$command on $BLOBCTL_IO: short and interrupted transfers"
}

campaign() {
	REBUILD=$(long 0 1)

	new_repo --reserve=1MiB --pack-size=4MiB
	mkdir -p "$T/first"
	echo first >"$T/first/file"
	if ! b put -q --print-id "$T/first/"; then
		fail "the first put"
		return
	fi
	promised full "$T/first"
	VICTIM=$(cat "$T/out")
	keep_base
	sweep small_put 1
	sweep large_put "$(every 7)"
	sweep stdin_put "$(every 5)"
	invisible small_put
	invisible large_put
	if wired -y rm --dry-run "$VICTIM"; then
		sweep remove 1
	fi
	if wired tag --help && wired tag "$VICTIM" x=y; then
		sweep tagging 1
	fi
}

for engine in $(engines); do
	export BLOBCTL_IO=$engine
	campaign
done
plan
