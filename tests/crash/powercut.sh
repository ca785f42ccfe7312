#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The power fails: an ext4 is shut down at a random moment of puts and removals
# without its journal being written out, mounted again, and read: every put
# that had reported success is there to the last byte.
#
# usage: powercut.sh       root only; LONG=1, ROUNDS=N: more of it
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"
PATH=$PATH:/usr/sbin:/sbin
[ -x "$TOOLS/shutdown_fs" ] || skip "shutdown_fs is not built"
[ "$(id -u)" = 0 ] || skip "shutting a file system down needs root"
in_namespace "$0"

tree "$T/one" 3 3000 one
tree "$T/two" 12 300000 two
R=$T/mnt/repo

# Commands one after the other, until one fails. What has returned success is
# in the manifest, which lies in another file system; what was under way when
# the power failed may be there or not.
writer() {
	local i

	for ((i = 0; i < 400; i++)); do
		random 6
		rm -f "$T/doubt"
		case $REPLY in
		0)
			b put -q --print-id "$T/two/" && promised full "$T/two" || return
			;;
		5)
			[ "$RM" = 1 ] || continue
			VICTIM=$(sed -n 's/^+\([0-9a-f]*\) data .*/\1/p' "$M" | head -n 1)
			[ -n "$VICTIM" ] || continue
			echo "$VICTIM" >"$T/doubt"
			b -y rm -q "$VICTIM" && removed "$VICTIM" || return
			;;
		*)
			# Bytes of their own, so that there is something to lose.
			mkdir -p "$T/src/$ROUND.$i"
			head -c $((3000 + REPLY * 150000)) /dev/urandom \
				>"$T/src/$ROUND.$i/file"
			b put -q --print-id "$T/src/$ROUND.$i/" || return
			if [ $((i % 2)) = 0 ]; then
				promised full "$T/src/$ROUND.$i"
			else
				promised data "$T/src/$ROUND.$i"
			fi
			;;
		esac
	done
}

again() {
	umount "$T/mnt" 2>>"$T/said"
	mount -o loop "$T/image" "$T/mnt" 2>>"$T/said"
}

campaign() {
	local before=$failed cuts=0 puts=0 ms

	if ! mount_new ext4 160 -m0 -J size=4; then
		skip "an ext4 in a loop device cannot be mounted: $(tail -n 1 "$T/said")"
	fi
	rm -rf "$T/src"
	mkdir "$T/src"
	new_repo --reserve=1MiB --pack-size=4MiB
	RM=0
	wired -y rm --dry-run latest && RM=1
	for ((ROUND = 0; ROUND < $(long 8 300); ROUND++)); do
		random 450
		ms=$((20 + REPLY))
		"$TOOLS/shutdown_fs" "$T/mnt" $ms 2>"$T/said.cut" &
		writer 2>/dev/null
		if ! wait $!; then
			cp "$T/said.cut" "$T/said"
			if [ "$ROUND" = 0 ]; then
				skip "this kernel's ext4 cannot be shut down: $(cat "$T/said")"
			fi
			fail "shutting down"
			break
		fi
		if ! again; then
			fail "round $ROUND: ext4 does not mount again"
			break
		fi
		if [ -e "$T/doubt" ] &&
			! "$TOOLS/verify_repo" "$R" <(grep "^+$(cat "$T/doubt")" "$M") >/dev/null; then
			removed "$(cat "$T/doubt")"
		fi
		verify "round $ROUND, the power failed after $ms ms" || break
		verify_rebuilt "round $ROUND, the power failed after $ms ms" || break
		if b put -q --print-id "$T/one/"; then
			promised full "$T/one"
		else
			fail "round $ROUND: no put after the power came back"
			break
		fi
		sound "round $ROUND"
		cuts=$((cuts + 1)) puts=$(grep -c . "$M")
		# Begin anew before the disk is full or the rounds grow long.
		if [ $((ROUND % 10)) = 9 ]; then
			rm -rf "${T:?}/src" "${T:?}"/mnt/*
			mkdir "$T/src"
			new_repo --reserve=1MiB --pack-size=4MiB
		fi
	done
	[ "$failed" != "$before" ] ||
		ok "on $BLOBCTL_IO: the power failed $cuts times, the last after $puts promises"
}

for engine in $(engines); do
	export BLOBCTL_IO=$engine
	campaign
done
plan
