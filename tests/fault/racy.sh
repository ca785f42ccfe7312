#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A file that changes within the same unit of time in which it was stored, and
# keeps its size, is stored anew: its time stamps tell nothing. The file system
# is one that knows whole seconds only, where that is the rule.
#
# usage: racy.sh       root only
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"
PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || skip "a file system with coarse time stamps needs root"
in_namespace "$0"

S=$T/mnt/source

campaign() {
	local before=$failed i text now last='' same=0

	if ! mount_new ext4 32 -I 128 -m0; then
		skip "an ext4 with small inodes cannot be mounted: $(tail -n 1 "$T/said")"
	fi
	new_repo --reserve=0
	mkdir -p "$S/dir"
	for ((i = 0; i < $(long 10 200); i++)); do
		text=$((10000 + i))
		echo $text >"$S/file"
		echo $text >"$S/dir/file"
		now=$(stat -c '%y %z %s %i' "$S/file" "$S/dir/file")
		[ "$now" != "$last" ] || same=$((same + 1))
		last=$now
		: >"$M"
		b put -q --print-id "$S/" && promised full "$S"
		verify "put $i, in the same second as the one before" || break
	done
	[ $same -gt 0 ] || fail "no two puts met in one second"
	[ "$failed" != "$before" ] ||
		ok "on $BLOBCTL_IO: $same of $i changes do not show in a time stamp"
}

for engine in $(engines); do
	export BLOBCTL_IO=$engine
	campaign
done
plan
