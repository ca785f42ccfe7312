#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# The disk of the repository: full, read-only, without direct I/O, without
# rights. Nothing committed is lost, and the next run goes on.

load helpers

setup() {
	common_setup
	mkdir src
	for i in 1 2 3 4 5 6 7 8; do
		random_bytes 3000000 "$i" >src/f$i
	done
	echo first >small
}

@test "a disk that fills up during put: status 14, nothing lost, then it goes on" {
	mounts_or_skip
	run on_tmpfs 16m '
		set -e
		export BLOBCTL_REPO=$T/mnt/repo
		"$BLOBCTL" -q init --no-remember "$T/mnt/repo" --reserve=64K
		"$BLOBCTL" -q put "$T/small"
		s=0
		"$BLOBCTL" put "$T/src" || s=$?
		[ $s -eq 14 ]
		[ "$("$BLOBCTL" ls --format="{name}")" = small ]
		[ "$("$BLOBCTL" cat small:small)" = first ]
		"$BLOBCTL" check --read-data
		mount -o remount,size=64m "$T/mnt"
		"$BLOBCTL" -q put "$T/src"
		"$BLOBCTL" -q get src "$T/out"
		"$BLOBCTL" check --read-data'
	status_is 0
	has "space"
	same_tree src out/src
}

@test "every size of disk: either it is stored, or status 14" {
	mounts_or_skip
	rm src/f[3-8]
	for kib in 600 1000 1400 2200 4600 6200 6600 7000 8000; do
		run on_tmpfs ${kib}k '
			export BLOBCTL_REPO=$T/mnt/repo
			"$BLOBCTL" -q init --no-remember "$T/mnt/repo" --reserve=64K
			s=$?
			[ $s -eq 14 ] && exit 0
			[ $s -eq 0 ] || exit 90
			"$BLOBCTL" -q put "$T/src"
			s=$?
			case $s in
			0) "$BLOBCTL" check --read-data && [ -n "$("$BLOBCTL" ls)" ] ;;
			14)
				mount -o remount,size=64m "$T/mnt"
				[ -z "$("$BLOBCTL" ls)" ] &&
				"$BLOBCTL" check &&
				"$BLOBCTL" -q put "$T/src" &&
				"$BLOBCTL" check --read-data ;;
			*) exit 91 ;;
			esac'
		status_is 0
	done
}

@test "a reserve that does not fit: status 14, and no space is taken" {
	local left

	run --separate-stderr blobctl init --no-remember r --reserve=900000T
	status_is 14
	err_has "--reserve="
	mounts_or_skip
	# ... also where it seems to fit, as ext4 needs a little more.
	run on_tmpfs 16m '
		"$BLOBCTL" -q init --no-remember "$T/mnt/r" --reserve=16380K
		[ $? -eq 14 ] || exit 90
		df --output=used -k "$T/mnt" | tail -1'
	left=${lines[-1]}
	[ "$left" -lt 200 ]
}

@test "the repository on a file system that is read-only" {
	mounts_or_skip
	run on_tmpfs 64m '
		set -e
		export BLOBCTL_REPO=$T/mnt/repo
		"$BLOBCTL" -q init --no-remember "$T/mnt/repo" --reserve=0
		"$BLOBCTL" -q put "$T/src"
		mount -o remount,ro "$T/mnt"
		[ "$("$BLOBCTL" ls --format="{name}")" = src ]
		"$BLOBCTL" -q get src "$T/out"
		"$BLOBCTL" cat src:src/f1 | cmp - "$T/src/f1"
		"$BLOBCTL" check --read-data
		"$BLOBCTL" stats >/dev/null
		"$BLOBCTL" doctor | grep -q "read-only"
		for args in "put $T/small" "rm -y src" "tag src a=b"; do
			s=0
			"$BLOBCTL" $args 2>err || s=$?
			[ $s -eq 1 ]
			grep -q read-only err
		done
		# Without its views as well: they are made in memory.
		mount -o remount,rw "$T/mnt"
		rm -rf "$T"/mnt/repo/catalog.db* "$T"/mnt/repo/index
		mount -o remount,ro "$T/mnt"
		[ "$("$BLOBCTL" ls --format="{name}")" = src ]
		"$BLOBCTL" cat src:src/f1 | cmp - "$T/src/f1"'
	status_is 0
	same_tree src out/src
}

@test "the repository on a file system without direct I/O" {
	mounts_or_skip
	run on_tmpfs 64m '
		set -e
		export BLOBCTL_REPO=$T/mnt/repo
		"$BLOBCTL" -q init --no-remember "$T/mnt/repo"
		"$BLOBCTL" -q put "$T/src"
		"$BLOBCTL" -q get src "$T/out"
		"$BLOBCTL" -q check --read-data'
	status_is 0
	same_tree src out/src
}

@test "somebody else's repository can be read where its rights allow, and not be written" {
	root_only "becomes another user"
	let_in
	new_repo
	blobctl -q put small
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" ls
	status_is 1
	err_has "Permission denied"
	chmod -R a+rX repo
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" cat small:small
	status_is 0
	[ "$output" = first ]
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" put "$T/small"
	status_is 1
}

@test "a killed put leaves what was there, no lock, and the next one works" {
	new_repo
	blobctl -q put small
	for i in 1 2 3 4 5 6; do
		"$BLOBCTL" -q put src &
		pid=$!
		# At another moment each time, without looking at a clock.
		for _ in $(seq $((i * i * 40))); do :; done
		kill -KILL $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		[ "$(blobctl cat small:small)" = first ]
	done
	blobctl -q put src
	blobctl -q get src out
	same_tree src out/src
	run blobctl check --read-data
	status_is 0
}

@test "a signal stops a put cleanly, with the signal's own status" {
	new_repo
	mkfifo pipe
	"$BLOBCTL" put - <pipe &
	pid=$!
	exec 9>pipe
	echo data >&9
	until [ -n "$(ls repo/leases)" ]; do
		kill -0 $pid
	done
	kill -TERM $pid
	exec 9>&-
	st=0
	wait $pid || st=$?
	[ "$st" -eq 143 ]
	[ -z "$(blobctl ls)" ]
	blobctl -q put small
}
