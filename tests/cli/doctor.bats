#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# doctor: what it finds on a good machine, and on one that lacks something.

load helpers

state() { blobctl doctor 2>/dev/null | awk -F'\t' -v c="$1" '$2 == c { print $1 }'; }

@test "without a repository" {
	run --separate-stderr blobctl doctor
	status_is 0
	[ -z "$stderr" ]
	has "warning	repository	no repository is set	blobctl init DIR"
	has "good	hash_kernel"
}

@test "with one" {
	new_repo
	echo x >f
	blobctl -q put f
	run --separate-stderr blobctl doctor
	status_is 0
	for c in repository superblock locks catalog index reserve; do
		has "good	$c	"
	done
	[[ $output != *bad* ]]
	[ -z "$(find repo -name '.tmp*')" ]
	run --separate-stderr blobctl --json doctor
	status_is 0
	json_ok
	has '"type":"check","code":"locks","state":"good"'
}

@test "the engine that was asked for" {
	BLOBCTL_IO=psync run blobctl doctor
	has "I/O by threads, as BLOBCTL_IO asks"
	BLOBCTL_IO=nonsense run --separate-stderr blobctl doctor
	status_is 2
	err_has "auto, psync or uring"
}

@test "too few open files" {
	run bash -c 'ulimit -n 64; "$0" doctor' "$BLOBCTL"
	status_is 0
	has "warning	open_files	only 64 files"
}

@test "a repository that is not there or cannot be opened" {
	run --separate-stderr blobctl -R nonesuch doctor
	status_is 10
	has "bad	repository"
	new_repo
	: >repo/superblock
	: >repo/superblock.copy
	run --separate-stderr blobctl doctor
	status_is 13
	has "bad	repository"
}

@test "one superblock is missing" {
	new_repo
	rm repo/superblock.copy
	[ "$(state superblock)" = warning ]
}

@test "a file system without direct I/O" {
	mounts_or_skip
	run on_tmpfs 64m '"$BLOBCTL" -q init --no-remember "$T/mnt/r" --reserve=0 &&
		"$BLOBCTL" -R "$T/mnt/r" doctor'
	status_is 0
	has "	direct_io	"
}

@test "sessions that are at work" {
	new_repo
	mkfifo pipe
	blobctl -q put - <pipe &
	pid=$!
	exec 9>pipe
	# It has its lease when the folder has a file.
	until [ -n "$(ls repo/leases)" ]; do
		kill -0 $pid
	done
	run blobctl doctor
	exec 9>&-
	wait $pid
	status_is 0
	has "'put' is at work"
}

@test "a lease that cannot be read counts as a run at work" {
	root_only "becomes another user"
	let_in
	new_repo
	blobctl -q put "$BLOBCTL"
	echo x >repo/leases/00112233445566778899aabbccddeeff
	chmod 000 repo/leases/*
	chown -R 65534:65534 repo
	chown root repo/leases/*
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" doctor
	status_is 0
	has "a lease cannot be read"
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" check
	status_is 0
	has "a session may be at work"
	[ -e repo/leases/00112233445566778899aabbccddeeff ]
}

@test "damage that is known is found" {
	local pack

	new_repo --compression=none
	random_bytes 3000000 1 >big
	blobctl -q put big
	pack=$(ls -S repo/packs/* | head -1)
	flip "$pack" 1000000
	run blobctl check --read-data
	status_is 13
	run --separate-stderr blobctl doctor
	status_is 0
	has "known to be damaged: 1 place"
	has "blobctl check"
	rm "$pack"
	run --separate-stderr blobctl --json doctor
	has '"code":"packs","state":"warning"'
}
