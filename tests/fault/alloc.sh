#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each allocation of a command fails once, or from some moment on: the command
# says so with a status or does without, it never crashes, and what was
# promised is still there.
#
# usage: alloc.sh       short: a sample; LONG=1: every allocation
# shellcheck disable=SC2317 # the commands are called by name
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

case $(nm -D "$BLOBCTL" 2>/dev/null) in
*__asan_init* | *__tsan_init*) skip "a sanitizer brings its own malloc" ;;
esac
${CC:-cc} -O1 -shared -fPIC -o "$T/fail.so" tests/testing/fail_malloc.c \
	2>"$T/said" || skip "no compiler, or no glibc"

S=$T/src S2=$T/src2
tree "$S" 12 30000 source
ln "$S/d00/f0000" "$S/d00/again"
cp -a "$S" "$S2"
new_repo --reserve=64KiB
# A sync that fails begins a new log, and that one begins with a checkpoint.
FAILED_SYNC=sync@/repo/log/:1:EIO
b put -q "$S2/" || fail "the first put"
cp "$S/d00/f0000" "$S2/more"
BLOBCTL_FAULT=$FAILED_SYNC b put -q --print-id "$S/" && promised full "$S"
[ "$(find "$R/log" -type f | wc -l)" = 2 ] || fail "no new log was begun"
verify "before" && ok "before"
mv "$R" "$T/base"
cp "$M" "$T/base.manifest"

mkdir "$T/big"
head -c 9000000 /dev/urandom >"$T/big/file"

put() { b put -q --print-id --threads=1 "$S2/"; }
# Windows of one file, for threads that begin with them.
windows() { b put -q --print-id --threads=3 "$T/big/"; }
get() { b get -q --threads=1 latest "$T/got"; }
check() { b check --read-data; }
list() { b ls; }
remove() { b -y rm -q latest; }
# A catalog from the checkpoint; a new log, and another checkpoint.
rebuild() { b ls; }
roll() { BLOBCTL_FAULT=$FAILED_SYNC b put -q --print-id --threads=1 "$S2/"; }

# run COMMAND: under the shim, which the caller has set up.
run() {
	rm -rf "$R" "$T/got"
	cp -a --sparse=always "$T/base" "$R"
	cp "$T/base.manifest" "$M"
	[ "$1" != rebuild ] || rm -rf "$R"/{catalog.db*,index}
	LD_PRELOAD=$T/fail.so $1
}

# sane COMMAND STATUS WORDS...: 0, a failure that was said, part of the work;
# never damage, never a signal.
sane() {
	local command=$1 status=$2

	shift 2
	case $status in
	0) ;;
	1 | 3 | 14) [ -s "$T/said" ] || return 1 ;;
	# glibc itself aborts where it reads nsswitch.conf.
	134) grep -qE '^Unexpected error|nss_database' "$T/said" || return 1 ;;
	*) return 1 ;;
	esac
	# What was promised stays, and one new snapshot of success.
	case $command:$status in
	put:0 | roll:0) promised full "$S2" || return 1 ;;
	windows:0) promised full "$T/big" || return 1 ;;
	get:0) diff -r --no-dereference "$S" "$T/got" >>"$T/said" || return 1 ;;
	remove:*) return 0 ;;
	esac
	"$TOOLS/verify_repo" "$R" "$M" >>"$T/said" 2>&1
}

for command in put windows get check list remove rebuild roll; do
	export FAIL_MALLOC_TO=$T/count
	run $command
	unset FAIL_MALLOC_TO
	all=$(cat "$T/count")
	bad=0
	step=$((all / $(long 40 "$all") + 1))
	for mode in once on; do
		[ $mode = once ] || export FAIL_MALLOC_ON=1
		for ((n = 1; n <= all; n += step)); do
			export FAIL_MALLOC=$n
			run $command
			status=$?
			unset FAIL_MALLOC
			sane $command $status && continue
			bad=$((bad + 1))
			echo "status $status" >>"$T/said"
			fail "$command: allocation $n of $all, $mode"
			[ $bad -lt 5 ] || break 2
		done
		unset FAIL_MALLOC_ON
	done
	unset FAIL_MALLOC_ON
	[ $bad != 0 ] || ok "$command: $all allocations"
done
plan
