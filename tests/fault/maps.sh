#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bad sector below a file that the program maps, an index or the cache of
# file stamps: both can be made again, so nothing else may come of it.
#
# usage: maps.sh
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

case $(nm -D "$BLOBCTL" 2>/dev/null) in
*__asan_init* | *__tsan_init*) skip "a sanitizer does not go below a preloaded library" ;;
esac
${CC:-cc} -O1 -shared -fPIC -o "$T/fail.so" tests/testing/fail_map.c \
	2>"$T/said" || skip "no compiler"

# bad ARGS...: the program on that disk.
bad() {
	LD_PRELOAD=$T/fail.so b "$@"
}

# Enough small files for a few pages of both.
mkdir "$T/src" "$T/more"
for ((i = 0; i < 5000; i++)); do
	echo "$i of $SEED" >"$T/src/$i"
done
new_repo --reserve=64KiB
b put -q --print-id "$T/src/" || fail "put"
promised data "$T/src"
read -r first <"$T/out"
rm -rf "$R/index" "$R"/catalog.db*
echo "$SEED" >"$T/more/0"
b put -q "$T/more/" || fail "put"
b get -q latest "$T/got" || fail "get"
rm -rf "$T/got"
n=0
for file in /index/run- /stat-; do
	before=$failed
	path=$(find "$T" -path "*$file*" -size +8k -print -quit)
	[ -n "$path" ] || fail "there is no file $file to read"
	pages=$((($(stat -c %s "$path") + 4095) / 4096))
	[ "$pages" -gt 3 ] || fail "$file has $pages pages, too few"
	for page in 0 1 $((pages / 2)) $((pages - 1)); do
		export FAIL_MAP=$file FAIL_PAGE=$page
		bad ls || fail "$file, page $page: ls: status $?"
		bad get -q "$first" "$T/got" || fail "$file, page $page: get: status $?"
		diff -r "$T/src" "$T/got" >"$T/said" || fail "$file, page $page: get"
		rm -rf "$T/got"
		bad put -q --print-id "$T/src/" || fail "$file, page $page: put: status $?"
		promised data "$T/src"
		n=$((n + 1))
		echo "$n, $SEED" >"$T/more/$n"
		bad put -q "$T/more/" || fail "$file, page $page: put of more: status $?"
		# What it says of the view is its own affair.
		bad check
		status=$?
		[ $status -le 13 ] || fail "$file, page $page: check: status $status"
	done
	unset FAIL_MAP FAIL_PAGE
	verify "$file, bad sectors"
	[ "$failed" != "$before" ] || ok "$file: bad sectors cost time alone"
done
sound "at rest" && ok "nothing is left behind"
plan
