#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The disk is full at many different moments of a put: it says so and ends with
# 14, what was stored before is all there, `rm` works on the full disk, and
# with space the same put succeeds.
#
# usage: full_disk.sh       on a small ext4 in a loop device (root) and a tmpfs;
#                           LONG=1, ROUNDS=N: more levels of fullness
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"
PATH=$PATH:/usr/sbin:/sbin
in_namespace "$0"

tree "$T/first" 10 60000 first
tree "$T/victim" 10 60000 victim
tree "$T/small" 3 2000 small
tree "$T/large" 30 400000 large
R=$T/mnt/repo

# leave BYTES: fill the file system until no more than these are free.
leave() {
	local free

	free=$(df --output=avail -B1 "$T/mnt" | tail -n 1)
	if [ "$free" -gt "$1" ]; then
		fallocate -l $((free - $1)) "$T/mnt/fill" 2>/dev/null ||
			head -c $((free - $1)) /dev/zero >"$T/mnt/fill" 2>/dev/null
	fi
	# The last blocks, which a file system keeps for its own tables.
	[ "$1" != 0 ] || cat /dev/zero >>"$T/mnt/rest" 2>/dev/null
}

# level BYTES SOURCE
level() {
	local words="$FS, $BLOBCTL_IO, $1 bytes left, put $2" status

	rm -rf "${T:?}"/mnt/*
	new_repo --reserve=1MiB --pack-size=4MiB
	b put -q --print-id "$T/first/" && promised full "$T/first"
	b put -q --print-id "$T/victim/" && promised full "$T/victim"
	VICTIM=$(cat "$T/out")
	leave "$1"
	b put -q --print-id "$T/$2/"
	status=$?
	case $status in
	0) promised full "$T/$2" ;;
	14)
		FULL=$((FULL + 1))
		grep -qi 'no space left' "$T/said" || fail "$words: not a clear message"
		;;
	*) fail "$words: status $status" ;;
	esac
	verify "$words, status $status" || return
	# What a put that failed had written must not keep the disk full.
	if [ $status = 14 ] && [ "$(find "$R/packs" -type f | wc -l)" != "$PACKS" ]; then
		find "$R/packs" -type f >"$T/said"
		fail "$words: its packs are left behind"
	fi
	if [ "$RM" = 1 ]; then
		rm -f "$T/mnt/rest.2"
		cat /dev/zero >"$T/mnt/rest.2" 2>/dev/null
		if b -y rm -q "$VICTIM"; then
			removed "$VICTIM"
		else
			fail "$words: rm fails on the full disk"
		fi
		verify "$words, after rm" || return
	fi
	rm -f "$T"/mnt/{fill,rest,rest.2}
	if b put -q --print-id "$T/$2/"; then
		promised full "$T/$2"
	else
		fail "$words: the same put fails with space"
	fi
	verify "$words, put again" || return
	verify_rebuilt "$words, put again"
	sound "$words"
}

# worn_out BYTES: small puts until there is no room for one more, and what cron
# does then, again and again: no log is begun for a group that has no place.
worn_out() {
	local words="$FS, $BLOBCTL_IO, $1 bytes left, small puts" i status=0 logs

	rm -rf "${T:?}"/mnt/*
	new_repo --reserve=1MiB --pack-size=4MiB
	b put -q --print-id "$T/first/" && promised full "$T/first"
	leave "$1"
	for ((i = 0; i < 100 && status == 0; i++)); do
		mkdir -p "$T/worn/$i"
		head -c 60000 /dev/urandom >"$T/worn/$i/file"
		b put -q --print-id "$T/worn/$i/"
		status=$?
		[ $status != 0 ] || promised data "$T/worn/$i"
	done
	[ $status = 14 ] || fail "$words: the last one ends with $status"
	logs=$(find "$R/log" -type f | wc -l)
	for i in 1 2 3 4 5; do
		head -c 60000 /dev/urandom >"$T/worn/0/more"
		b put -q "$T/worn/0/more"
		[ $? = 14 ] || fail "$words: status $? where there is no room"
	done
	[ "$(find "$R/log" -type f | wc -l)" = "$logs" ] ||
		fail "$words: they leave logs behind: $(ls -s "$R/log")"
	rm -f "$T/worn/0/more" "$T"/mnt/{fill,rest}
	b put -q --print-id "$T/worn/0/" && promised data "$T/worn/0"
	verify "$words" && sound "$words"
	rm -rf "$T/worn"
}

campaign() {
	local before=$failed i

	FULL=0 RM=0
	new_repo --reserve=1MiB --pack-size=4MiB
	PACKS=$(find "$R/packs" -type f | wc -l)
	b put -q --print-id "$T/first/"
	PACKS=$(find "$R/packs" -type f | wc -l)
	wired -y rm --dry-run latest && RM=1
	for i in 0 4096; do
		level $i small
	done
	for i in 0 100000 300000 1000000 2500000 5000000; do
		level $i large
	done
	for ((i = 0; i < $(long 2 200); i++)); do
		random 9000000
		level "$REPLY" large
	done
	for i in 100000 1500000; do
		worn_out $i
	done
	[ "$FULL" -gt 3 ] || fail "$FS, $BLOBCTL_IO: only $FULL puts met a full disk"
	[ "$failed" != "$before" ] ||
		ok "$FS on $BLOBCTL_IO: $FULL puts met a full disk$([ $RM = 1 ] || echo ', no rm')"
}

for FS in ext4 tmpfs; do
	if [ "$FS" = ext4 ] && [ "$MAY" != root ]; then
		tests=$((tests + 1))
		echo "ok $tests - ext4 # skip a loop device needs root"
		continue
	fi
	if ! mount_new $FS 40 -m0; then
		tests=$((tests + 1))
		echo "ok $tests - $FS # skip cannot be mounted: $(tail -n 1 "$T/said")"
		continue
	fi
	for engine in $(engines); do
		export BLOBCTL_IO=$engine
		campaign
	done
done
plan
