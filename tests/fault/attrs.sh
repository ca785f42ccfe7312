#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Extended attributes that cannot be read, or are more than a snapshot can hold:
# the file is stored without them, that is said, the status is 3, and the next
# put looks again. No file is the end of a put.
#
# usage: attrs.sh
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

case $(nm -D "$BLOBCTL" 2>/dev/null) in
*__asan_init* | *__tsan_init*) skip "a sanitizer does not go below a preloaded library" ;;
esac
${CC:-cc} -O1 -shared -fPIC -o "$T/fail.so" tests/testing/fail_xattr.c \
	2>"$T/said" || skip "no compiler"

tree "$T/src" 5 3000 source
find "$T/src" -exec touch -h -d 2026-01-02 {} +
sleep 0.05
new_repo --reserve=64KiB

# put MODE STATUS: under the shim.
put() {
	local status
	LD_PRELOAD=$T/fail.so FAIL_XATTR=$1 b put -v --print-id "$T/src/"
	status=$?
	[ $status = "$2" ] || {
		fail "$1: status $status, not $2"
		return 1
	}
	promised data "$T/src"
}

# said COUNT: so many items lack attributes, each is named.
said() {
	[ "$(grep -c 'without all of its extended attributes' "$T/said")" = "$1" ] ||
		fail "not $1 items named"
}

items=$(find "$T/src" -mindepth 1 ! -type l | wc -l)
for mode in list value big; do
	before=$failed
	put $mode 3 && said "$items"
	# Nothing of it is taken for known, whatever its times say.
	put $mode 3 && said "$items"
	verify "$mode" && sound "$mode"
	[ "$failed" != "$before" ] || ok "$mode: stored, said, and looked at again"
done
before=$failed
for mode in many twice; do
	put $mode 0 && said 0
	verify "$mode" && sound "$mode"
done
# Those who can read them get all of them.
put none 0 && said 0
[ "$failed" != "$before" ] || ok "as many as a list can hold, and one twice"
plan
