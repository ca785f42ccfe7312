#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files that change while put reads them, keeping their size, files of a
# restore whose last error comes with close(), and bad sectors of
# packs and of the catalog.
#
# usage: files.sh
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

case $(nm -D "$BLOBCTL" 2>/dev/null) in
*__asan_init* | *__tsan_init*) skip "a sanitizer does not go below a preloaded library" ;;
esac
${CC:-cc} -O1 -shared -fPIC -o "$T/fail.so" tests/testing/fail_file.c \
	2>"$T/said" || skip "no compiler"

# as_it_is: promise what the source is now; it will change again.
as_it_is() {
	moments=$((moments + 1))
	cp -a "$T/src" "$T/src.$moments"
	promised data "$T/src.$moments"
}
moments=0

# A small file, which is read at once, and one that is read in windows.
for size in 5000 3000000; do
	before=$failed
	mkdir -p "$T/src" "$T/got"
	head -c "$size" /dev/zero | tr '\0' x >"$T/src/victim"
	echo other >"$T/src/other"
	new_repo --reserve=64KiB
	# Once: it is read again, and then holds still.
	LD_PRELOAD=$T/fail.so CHANGE_READ=$T/src/victim CHANGE_TIMES=1 \
		b put -q --print-id "$T/src/" || fail "$size bytes, changed once: status $?"
	as_it_is
	verify "$size bytes, changed once"
	# Always: said, and 3.
	LD_PRELOAD=$T/fail.so CHANGE_READ=$T/src/victim b put --no-cache "$T/src/"
	status=$?
	[ $status = 3 ] || fail "$size bytes, changed each time: status $status, not 3"
	grep -q "victim: changed each time" "$T/said" || fail "$size bytes: not said"
	# And not taken for known by the next one.
	if b put -q --print-id "$T/src/"; then
		as_it_is
		verify "$size bytes, at rest again"
	else
		fail "$size bytes, at rest again: status $?"
	fi
	[ "$failed" != "$before" ] || ok "a file of $size bytes that changes while it is read"
	rm -rf "$T/src" "$T/got"
done

before=$failed
mkdir "$T/src"
echo small >"$T/src/victim"
echo other >"$T/src/other"
for linked in 0 1; do
	# Of two names the first in order is made, the other is a link to it.
	[ $linked = 0 ] || ln "$T/src/victim" "$T/src/zwilling"
	new_repo --reserve=64KiB
	b put -q "$T/src/" || fail "put"
	LD_PRELOAD=$T/fail.so FAIL_CLOSE=.blobctl-part- b get -j1 latest "$T/got"
	status=$?
	[ $status = 14 ] || fail "close() fails, linked $linked: status $status"
	grep -q 'other\|victim' "$T/said" || fail "close() fails, linked $linked: not named"
	for file in "$T/got"/* "$T/got"/.blobctl-part-*; do
		[ ! -e "$file" ] || cmp "$file" "$T/src/${file##*/}" ||
			fail "close() fails, linked $linked: $file stays"
	done
	b get -q latest "$T/got" || fail "close() fails, linked $linked: again, status $?"
	diff -r "$T/src" "$T/got" || fail "close() fails, linked $linked: not finished"
	rm -rf "$T/got"
done
[ "$failed" != "$before" ] || ok "a close() that fails is told, and the file is gone"

before=$failed
rm -rf "$T/src" "$T/got"
mkdir "$T/src"
dd if=/dev/zero of="$T/src/zeros" bs=64K count=64 status=none
new_repo --reserve=64KiB
b put -q "$T/src/" || fail "put"
LD_PRELOAD=$T/fail.so STOP_AT=3 b get -j1 latest "$T/got"
status=$?
[ $status = 143 ] || fail "stopped while it writes zeros: status $status, not 143"
[ ! -e "$T/got/zeros" ] || cmp -s "$T/src/zeros" "$T/got/zeros" ||
	fail "stopped while it writes zeros: half a file is left"
b get -q latest "$T/got"
cmp "$T/src/zeros" "$T/got/zeros" || fail "the same command does not finish it"
[ "$failed" != "$before" ] || ok "a get that is stopped while it writes zeros"

# The header of the catalog, a view, and the footer of a pack: nothing is lost.
before=$failed
rm -rf "$T/src" "$T/got"
mkdir "$T/src"
head -c 3000000 /dev/urandom >"$T/src/data"
new_repo --reserve=64KiB --compression=none
b put -q "$T/src/" || fail "put"
pack=$(find "$R/packs" -name '*.pack' | head -n 1)
size=$(stat -c %s "$pack")
for bad in catalog.db:0 "${pack##*/}:$((size - 1))"; do
	export BAD_SECTOR=$bad BAD_ERRNO=5
	for views in there gone; do
		[ $views = there ] || rm -rf "$R"/index "$R"/catalog.db*
		for command in "get -q latest $T/got" "put -q $T/src/" \
			"get -q latest $T/got" "find data"; do
			rm -rf "$T/got"
			# shellcheck disable=SC2086
			LD_PRELOAD=$T/fail.so b $command ||
				fail "$bad cannot be read, views $views: $command: status $?"
			[ ! -d "$T/got" ] || cmp "$T/src/data" "$T/got/data" ||
				fail "$bad cannot be read, views $views: get"
		done
	done
done
unset BAD_SECTOR BAD_ERRNO
[ "$failed" != "$before" ] || ok "a sector that cannot be read"

# A disk says ENODATA (61) of a bad sector, few say EIO (5). In the data of a
# pack, and in its footer.
rm -rf "$T/src" "$T/got"
mkdir "$T/src"
head -c 3000000 /dev/urandom >"$T/src/data"
echo other >"$T/src/other"
for errno in 61 5; do
	for where in 1500000 end; do
		# A footer is looked at only when chunks are looked up.
		cache=
		[ $where != end ] || cache=--no-cache
		before=$failed
		new_repo --reserve=64KiB
		b put -q --print-id "$T/src/" || fail "put"
		promised data "$T/src"
		pack=$(find "$R/packs" -size +1000k)
		[ $where != end ] || where=$(($(stat -c %s "$pack") - 1))
		export LD_PRELOAD=$T/fail.so BLOBCTL_IO=psync
		export BAD_SECTOR=${pack##*/}:$where BAD_ERRNO=$errno
		b get latest "$T/got"
		status=$?
		rm -rf "$T/got"
		b ls || fail "errno $errno at $where: ls: status $?"
		for _ in 1 2; do
			b put -q --print-id $cache "$T/src/" || fail "errno $errno at $where: put: status $?"
			promised data "$T/src"
		done
		b get -q latest "$T/got" || fail "errno $errno at $where: get: status $?"
		diff -r "$T/src" "$T/got" >"$T/said" || fail "errno $errno at $where: get"
		rm -rf "$T/got"
		unset LD_PRELOAD BLOBCTL_IO BAD_SECTOR BAD_ERRNO
		verify "errno $errno at $where"
		[ "$failed" != "$before" ] || ok "a bad sector at $where, errno $errno, first status $status"
	done
done
plan
