#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# stats: sums that fit what is there.

load helpers

setup() {
	common_setup
	new_repo
}

value() { blobctl stats | sed -n "s/^$1	//p"; }

@test "an empty repository" {
	[ "$(value snapshots)" -eq 0 ]
	[ "$(value logical_bytes)" -eq 0 ]
	[ "$(value reclaimable_bytes)" -eq 0 ]
	[ "$(value logs)" -eq 1 ]
	[ "$(value reserve_bytes)" -gt 0 ]
}

@test "what is allocated and holds nothing is said apart" {
	local on_disk

	echo x >f
	blobctl -q put f
	on_disk=$(($(stat -c '%b * %B' repo/log/*)))
	[ "$(value spare_bytes)" -le "$on_disk" ]
	[ "$((on_disk - $(value spare_bytes)))" -le \
		"$(($(stat -c %s repo/log/*) + 4096))" ]
	[ "$(value stored_bytes)" -eq "$(stat -c %s repo/log/*)" ]
	[ "$(value spare_bytes)" -le $((2 << 20)) ]
}

@test "sizes before and after sharing" {
	random_bytes 3000000 1 >f
	blobctl -q put f
	blobctl -q put f --name=again
	[ "$(value snapshots)" -eq 2 ]
	[ "$(value files)" -eq 2 ]
	[ "$(value logical_bytes)" -eq 6000000 ]
	[ "$(value unique_bytes)" -ge 3000000 ]
	[ "$(value unique_bytes)" -lt 3100000 ]
	[ "$(value stored_bytes)" -eq "$(cat repo/packs/* repo/log/* 2>/dev/null | wc -c)" ] ||
		[ "$(value stored_bytes)" -eq "$(find repo/packs repo/log -type f -exec cat {} + | wc -c)" ]
	[ "$(value reclaimable_bytes)" -eq 0 ]
	blobctl -q rm -y f again
	[ "$(value reclaimable_bytes)" -ge 3000000 ]
}

@test "--json" {
	echo x >f
	blobctl -q put f
	run --separate-stderr blobctl --json stats
	status_is 0
	json_ok
	has '"type":"stats","snapshots":1'
}

@test "on a terminal" {
	echo x >f
	blobctl -q put f
	on_terminal "'$BLOBCTL' stats"
	has "size / stored"
	has "16.0 MiB"
}

# The golden repository has a sealed log, one that grows, and checkpoints.
golden() {
	requires zstd
	mkdir gold
	tar -C gold -I zstd -xf "$BATS_TEST_DIRNAME/../golden/format-1.tar.zst"
	export BLOBCTL_REPO=$T/gold/repo
}

@test "check and stats count the same chunks" {
	random_bytes 300000 1 >f
	blobctl -q put f
	[ "$(value chunks)" -gt 0 ]
	run --separate-stderr blobctl check
	err_has " $(value chunks) chunks in 0 packs and 1 log checked"
	golden
	run --separate-stderr blobctl --json check
	has "\"chunks\":$(value chunks),"
	run --separate-stderr blobctl --json check --read-data
	has "\"chunks\":$(value chunks),"
}

@test "a checkpoint is not reclaimable" {
	# All that was there when the maker removed one of its snapshots.
	golden
	[ "$(value reclaimable_bytes)" -gt 0 ]
	[ "$(value reclaimable_bytes)" -lt 600 ] # a checkpoint has as much
	blobctl ls --format='{id}' | xargs -n 1 "$BLOBCTL" -q rm -y
	[ "$(value reclaimable_bytes)" -lt "$(value stored_bytes)" ]
}
