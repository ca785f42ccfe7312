#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103,SC2030,SC2031
#
# check, and what every command makes of a repository that is damaged: the
# damaged file is named with the snapshots and paths it hurts, the status is
# 13, all else can still be listed and restored, and nothing is made worse.

load helpers

setup() {
	common_setup
	requires python3
	new_repo --compression=none
}

# two_snapshots - good and bad, with nothing in common; each with its pack.
two_snapshots() {
	mkdir good bad
	random_bytes 6000000 1 >good/data
	echo small >good/small
	random_bytes 6000000 2 >bad/data
	echo little >bad/little
	blobctl -q put good
	ls repo/packs/* >before
	blobctl -q put bad
	bad_pack=$(ls repo/packs/* | comm -13 before - | xargs ls -S | head -1)
}

good_is_whole() {
	rm -rf out
	blobctl -q get good out
	same_tree good out/good
}

@test "an empty and a sound repository" {
	blobctl ls
	run --separate-stderr blobctl check
	status_is 0
	[ -z "$output" ]
	err_has "no damage"
	two_snapshots
	run --separate-stderr blobctl check
	status_is 0
	err_has "2 snapshots"
	for share in "" =5% =all; do
		run --separate-stderr blobctl check --read-data$share
		status_is 0
	done
	run --separate-stderr blobctl -q check --read-data
	[ -z "$output$stderr" ]
	run --separate-stderr blobctl --json check --read-data
	status_is 0
	json_ok
	has '"damages":0'
	run blobctl check --read-data=0%
	status_is 2
	run blobctl check --read-data=some
	status_is 2
}

@test "a damaged block of data: named with what it hurts" {
	two_snapshots
	flip "$bad_pack" 3000000
	# Structure alone cannot see it.
	run blobctl check
	status_is 0
	run --separate-stderr blobctl check --read-data
	status_is 13
	has "${bad_pack##*/}"
	has "bad/data"
	[[ $output != *"bad/little"* ]]
	[[ $output != *"good/"* ]]
	err_has "DAMAGE FOUND"
	# The last line says what to do.
	err_has "put the damaged files back from a copy of the repository, or \`blobctl put\` the source of the hurt paths again"
	run --separate-stderr blobctl --json check --read-data
	status_is 13
	json_ok
	has '"type":"damage"'
	has '"type":"affected"'
	run --separate-stderr blobctl get bad out2
	status_is 13
	err_has "bad/data"
	[ ! -e out2/bad/data ]
	[ "$(cat out2/bad/little)" = little ]
	good_is_whole
}

@test "a pack that is gone" {
	two_snapshots
	mv "$bad_pack" away
	run --separate-stderr blobctl check
	status_is 13
	has "${bad_pack##*/}"
	has "bad/data"
	run --separate-stderr blobctl get bad out2
	status_is 13
	good_is_whole
	run blobctl ls
	status_is 0
	# What is put back is whole again.
	mv away "$bad_pack"
	run blobctl check --read-data
	status_is 0
}

@test "a pack cut short, emptied, with a damaged header, directory or footer" {
	two_snapshots
	cp "$bad_pack" keep
	for harm in 'truncate -s 1000000' 'truncate -s 0' 'flip_at 9' \
		'flip_at -20' 'flip_at -5000' 'flip_at -100000'; do
		cp keep "$bad_pack"
		case $harm in
		flip_at*) flip "$bad_pack" "${harm#* }" ;;
		*) $harm "$bad_pack" ;;
		esac
		run --separate-stderr blobctl check --read-data
		[ "$status" -eq 13 ] || [ "$status" -eq 0 ]
		if [ "$status" -eq 0 ]; then
			# Padding that belongs to nothing.
			rm -rf out2
			blobctl -q get bad out2
			same_tree bad out2/bad
		else
			has "${bad_pack##*/}"
		fi
		good_is_whole
		# A new index has to read the directories.
		rm -rf repo/index repo/catalog.db*
		good_is_whole
		rm -rf repo/index repo/catalog.db*
	done
	cp keep "$bad_pack"
	run blobctl check --read-data
	status_is 0
}

@test "damaged and missing views are made anew" {
	two_snapshots
	# So many chunks that there is an index on disk.
	numbered_files many 6000
	blobctl -q put many
	[ -n "$(ls repo/index)" ]
	for at in 100 5000 -3000; do
		for f in repo/index/*; do
			flip "$f" $at
		done
		good_is_whole
		rm -rf out2
		blobctl -q get many out2
		same_tree many out2/many
	done
	for harm in 'rm -rf repo/catalog.db repo/catalog.db-wal repo/catalog.db-shm' \
		'truncate -s 100 repo/catalog.db' 'flip repo/catalog.db 5000' \
		'flip repo/catalog.db 30' 'rm -rf repo/index' \
		'rm -rf repo/cache' 'rm -rf repo/leases'; do
		eval "$harm"
		[ "$(blobctl ls --format='{name}' | sort | xargs)" = "bad good many" ]
		good_is_whole
	done
	run blobctl check --read-data
	status_is 0
	rm -rf out2
	blobctl -q get many out2
	same_tree many out2/many
	blobctl -q put bad --name=third
	[ "$(blobctl ls | wc -l)" -eq 4 ]
}

@test "the superblock of another repository is named, and spoils nothing" {
	two_snapshots
	blobctl -q init --no-remember other
	cp repo/superblock keep
	for name in superblock superblock.copy; do
		cp other/superblock repo/$name
		for command in ls check "put good"; do
			# shellcheck disable=SC2086
			run --separate-stderr blobctl $command
			status_is 13
			[[ "$stderr$output" = *"superblock and superblock.copy"* ]]
		done
		[ -s repo/catalog.db ]
		rm repo/$name
		blobctl -q put good --name=good
		cmp repo/$name keep
	done
	good_is_whole
}

@test "one superblock is enough; none is not" {
	two_snapshots
	flip repo/superblock 20
	run --separate-stderr blobctl ls
	status_is 0
	err_has "superblock"
	[ "${#lines[@]}" -eq 2 ]
	good_is_whole
	run blobctl check
	has "superblock"
	flip repo/superblock.copy 20
	run --separate-stderr blobctl ls
	status_is 13
	err_has "superblock"
	[ "${#stderr_lines[@]}" -ge 2 ]
	run --separate-stderr blobctl check
	status_is 13
}

# patch_superblock OFFSET VALUE - set a u32 in both copies, with a good sum.
patch_superblock() {
	python3 - "$@" <<-'PY'
	import hashlib, struct, sys
	for name in "superblock", "superblock.copy":
	    b = bytearray(open("repo/" + name, "rb").read())
	    struct.pack_into("<I", b, int(sys.argv[1]), int(sys.argv[2]))
	    b[-32:] = hashlib.sha256(b[:-32]).digest()
	    open("repo/" + name, "wb").write(b)
	PY
}

@test "both superblocks are gone: damage, not another folder" {
	echo x >f
	random_bytes 300000 1 >g
	blobctl -q put f g
	rm repo/superblock repo/superblock.copy
	for args in ls check "get latest" "put f"; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl $args
		status_is 13
		err_has "both of its superblocks are gone"
		err_has "put \`superblock\` back"
	done
	# What an interrupted init leaves is nothing to mourn.
	mkdir -p half/log half/packs
	run --separate-stderr blobctl -R half ls
	status_is 10
	err_has "try: blobctl init half"
	run --separate-stderr blobctl -R f check
	status_is 10
	err_has "f is a file; a repository is a folder"
}

@test "what a missing pack hurts is damage for cat too, and said once" {
	random_bytes 9000000 1 >f
	blobctl -q put f
	blobctl -q cat latest:f >/dev/null
	rm repo/packs/*.pack
	rm -rf repo/index/*
	run --separate-stderr bash -c '"$0" cat latest:f >/dev/null' "$BLOBCTL"
	status_is 13
	err_has "try: blobctl check"
	run --separate-stderr blobctl stats
	[ "$(grep -c "what only this pack has" <<<"$stderr")" -le "$(sort -u <<<"$stderr" | grep -c "what only this pack has")" ]
}

@test "a newer format is status 15, and told apart from damage" {
	two_snapshots
	patch_superblock 8 2
	for args in ls stats "get good out" "put good" "rm -y good" check; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl $args
		status_is 15
		err_has "format"
		[ "${#stderr_lines[@]}" -ge 1 ]
	done
	run --separate-stderr blobctl --json ls
	status_is 15
	json_ok
	has '"code":"newer_format"'
	patch_superblock 8 1
	good_is_whole
}

@test "unknown features forbid what they say, no more" {
	two_snapshots
	# Write features: reading goes on.
	patch_superblock 24 1
	good_is_whole
	run --separate-stderr blobctl put good
	status_is 15
	err_has "write"
	patch_superblock 24 0
	patch_superblock 16 1
	run blobctl ls
	status_is 15
}

@test "a log that is damaged in the middle" {
	two_snapshots
	for i in 1 2 3 4 5; do
		echo "$i" >f
		blobctl -q put f --name=n$i
	done
	log=$(ls repo/log/*)
	size=$(log_end "$log")
	cp -a repo keep
	for at in 4100 9000 $((size / 2)) $((size - 3000)); do
		rm -rf repo
		cp -a keep repo
		flip "$log" "$at"
		sum=$(sha256sum <"$log")
		run --separate-stderr blobctl check
		[ "$status" -eq 13 ] || [ "$status" -eq 0 ]
		rm -rf repo/catalog.db* repo/index
		run --separate-stderr blobctl ls
		[ "$status" -eq 13 ] || [ "$status" -eq 0 ]
		[ "$status" -eq 0 ] || [ -n "$stderr" ]
		# Nobody "repairs" it by cutting off what is good.
		run blobctl put f
		[ "$status" -eq 13 ] || [ "$status" -eq 0 ]
		[ "$status" -eq 0 ] || [ "$(sha256sum <"$log")" = "$sum" ]
	done
}

@test "an append that was cut short is no damage and nothing is lost" {
	two_snapshots
	log=$(ls repo/log/*)
	size=$(log_end "$log")
	cp -a repo old
	random_bytes 5000 9 >f
	blobctl -q put f
	head -c $((size + 2048)) "$log" >"old/log/${log##*/}"
	export BLOBCTL_REPO=$T/old
	run --separate-stderr blobctl ls
	status_is 0
	[ "${#lines[@]}" -eq 2 ]
	good_is_whole
	blobctl -q put good --name=third
	[ "$(blobctl ls | wc -l)" -eq 3 ]
	run blobctl check --read-data
	status_is 0
}

@test "a folder of the repository is gone" {
	two_snapshots
	mv repo/packs away
	run --separate-stderr blobctl get good out
	status_is 13
	run --separate-stderr blobctl check
	status_is 13
	mv away repo/packs
	mv repo/log away
	run --separate-stderr blobctl ls
	status_is 13
	err_has "folder"
	mv away repo/log
	good_is_whole
}

@test "a damaged tree: the paths below it are named, the rest restores" {
	mkdir -p src/a src/b
	# More than travels in a group: trees of this size get a pack.
	name=$(printf 'long%.0s' $(seq 40))
	(cd src/a && seq -f "a-%05g-$name" 20000 | xargs touch)
	(cd src/b && seq -f "b-%05g-$name" 100 | xargs touch)
	random_bytes 100000 3 >src/b/data
	blobctl -q put src/b/ --name=other
	blobctl -q put src
	python3 - <<-'PY'
	# The stored names of directory "a" are in the clear.
	import glob
	for f in sorted(glob.glob("repo/packs/*")):
	    raw = bytearray(open(f, "rb").read())
	    at = raw.find(b"a-01500-")
	    if at >= 0:
	        raw[at + 3] ^= 1
	        open(f, "wb").write(raw)
	        break
	else:
	    raise SystemExit("no pack has the name")
	PY
	run --separate-stderr blobctl check --read-data
	status_is 13
	has "src/a"
	run --separate-stderr blobctl get src out
	status_is 13
	err_has "src/a"
	# One block of some hundred KiB is lost, not the directory.
	[ "$(ls out/src/a | wc -l)" -ge 15000 ]
	[ "$(ls out/src/a | wc -l)" -lt 20000 ]
	blobctl -q get other out2
	cmp src/b/data out2/data
	run --separate-stderr blobctl find data
	status_is 13
	has ":data"
}

@test "a flipped bit in the last commit is damage, also with zeros in it" {
	# Without views, a writer cannot know that the commit was there; check
	# and readers say that something was.
	head -c 20000 /dev/urandom >f
	dd if=/dev/zero of=f bs=1 seek=9000 count=2200 conv=notrunc status=none
	blobctl -q put f
	log=$(ls "$T"/repo/log/*)
	flip "$log" $(($(log_end "$log") - 5000))
	rm -rf "$T"/repo/catalog.db* "$T"/repo/index "$T"/repo/cache
	run --separate-stderr blobctl check
	status_is 13
	run --separate-stderr blobctl ls
	status_is 13
	err_has "is damaged: a commit may be lost"
}

# last_is_hurt - two snapshots of which the log has lost the second.
last_is_hurt() {
	echo first >f
	blobctl -q put f
	head -c 20000 /dev/urandom >g
	blobctl -q put g
	log=$(ls "$T"/repo/log/*)
	flip "$log" $(($(log_end "$log") - 5000))
}

# readers_say_13 - each does what it can, and does not end as if all were well.
readers_say_13() {
	run --separate-stderr blobctl ls --format='{name}'
	status_is 13
	[ "$output" = f ]
	err_has "may be missing"
	run --separate-stderr blobctl cat latest:f
	status_is 13
	[ "$output" = first ]
	run --separate-stderr blobctl get latest out
	status_is 13
	[ "$(cat out/f)" = first ]
	rm -r out
	# Its own failure keeps its words.
	run --separate-stderr blobctl cat g:g
	status_is 13
	err_has "no snapshot g"
	# Silent ones speak.
	run --separate-stderr blobctl -q find f
	status_is 13
	err_has "may be missing"
	run --separate-stderr blobctl -q diff --exit-code f f
	status_is 13
	err_has "may be missing"
	run --separate-stderr blobctl --json stats
	status_is 13
	has '"exit_code":13'
	run --separate-stderr blobctl -n rm latest
	status_is 13
}

@test "a last commit that is damaged: who reads ends with 13, views or not" {
	last_is_hurt
	rm -rf "$T"/repo/catalog.db* "$T"/repo/index "$T"/repo/cache
	readers_say_13
	# By the catalog that was made just now, too.
	readers_say_13
}

@test "a last commit that is damaged, where nothing can be written" {
	mounts_or_skip
	last_is_hurt
	program=$BLOBCTL
	cat >ro <<-SH
		#!/bin/sh
		exec unshare -m sh -c 'mount --bind "\$1" "\$1" &&
			mount -o remount,ro,bind "\$1" && shift &&
			exec "\$@"' sh "$T/repo" "$program" "\$@"
	SH
	cat >nobody <<-SH
		#!/bin/sh
		exec setpriv --reuid=65534 --regid=65534 --clear-groups \
			--inh-caps=-all "$program" "\$@"
	SH
	chmod a+x ro nobody
	let_in
	chmod a+rwx .
	chmod -R a+rX repo
	for how in ro nobody; do
		BLOBCTL=$T/$how readers_say_13
	done
	rm -rf "$T"/repo/catalog.db* "$T"/repo/index
	for how in ro nobody; do
		BLOBCTL=$T/$how readers_say_13
	done
}

@test "the log is shorter than the catalog: who reads ends with 13" {
	echo first >f
	blobctl -q put f
	cp -a "$T/repo/log" was
	echo second >g
	blobctl -q put g
	rm -r "$T/repo/log"
	mv was "$T/repo/log"
	readers_say_13
}

@test "a last commit that is damaged: nothing is changed by name" {
	last_is_hurt
	rm -rf "$T"/repo/catalog.db* "$T"/repo/index "$T"/repo/cache
	id=$(blobctl ls --format='{id}' || true)
	for key in latest f; do
		run --separate-stderr blobctl rm -y $key
		status_is 13
		err_has "${id:0:16}"
		run --separate-stderr blobctl tag $key a=b
		status_is 13
		err_has "${id:0:16}"
	done
	blobctl tag "${id:0:16}" a=b
	# A new log is begun by that, and what is there now is what there is.
	run --separate-stderr blobctl ls --format='{name}'
	status_is 0
	[ "$output" = f ]
	run --separate-stderr blobctl check
	status_is 13
}

@test "a share that stands apart gets the right spelling" {
	run --separate-stderr blobctl check --read-data 5%
	status_is 2
	err_has "'5%' is one operand too many"
	err_has "blobctl check --read-data=5%"
	run --separate-stderr blobctl check nonsense
	status_is 2
	err_has "usage: blobctl check"
	[[ $stderr != *read-data* ]]
}

# two_logs - five snapshots, three in a log that has a successor: $log.
two_logs() {
	rm -rf repo
	new_repo
	for i in 1 2 3; do
		echo "$i" >one
		blobctl -q put one
	done
	log=$(echo repo/log/*)
	head -c 5000 /dev/urandom >>"$log"
	for i in 4 5; do
		echo "$i" >one
		blobctl -q put one 2>/dev/null
	done
	[ "$(ls repo/log | wc -l)" -eq 2 ]
}

@test "a log that has a successor and lost its end is damage" {
	local log

	two_logs
	run --separate-stderr blobctl check
	status_is 0
	dd if=/dev/urandom of="$log" bs=512 seek=32 count=1 conv=notrunc status=none
	run --separate-stderr blobctl check
	status_is 13
	has "${log##*/}"
	two_logs
	truncate -s 12288 "$log"
	run --separate-stderr blobctl check
	status_is 13
	has "are damaged"
	rm repo/catalog.db*
	run --separate-stderr blobctl check
	status_is 13
}

@test "a damaged block of the last group: found, remembered and mended" {
	rm -rf repo
	new_repo --compression=none
	mkdir -p src
	rm -rf src/*
	random_bytes 3000 1 >src/f
	for i in 1 2 3; do echo "$i" >src/$i; done
	sleep 0.05
	blobctl -q put src
	python3 - repo/log/* src/f <<-'PY'
		import sys
		d = bytearray(open(sys.argv[1], "rb").read())
		d[d.find(open(sys.argv[2], "rb").read(100))] ^= 1
		open(sys.argv[1], "r+b").write(d)
	PY
	run --separate-stderr blobctl check
	status_is 13
	has "src/f"
	blobctl -q put src 2>/dev/null
	blobctl -q get latest out
	same_tree src out/src
	rm -r out
	blobctl -q get 'latest~1' out
	same_tree src out/src
	run --separate-stderr blobctl check
	status_is 0
}

@test "a snapshot whose record is lost: 13 as long as a name may mean another" {
	rm -rf repo
	new_repo --compression=none
	for i in 1 2 3; do
		echo "v$i" >one
		blobctl -q put --name snap one
	done
	blobctl -q tag 'snap~2' k=v
	python3 - repo/log/* <<-'PY'
		import sys
		d = bytearray(open(sys.argv[1], "rb").read())
		d[d.rfind(b"\x04snap") + 1] ^= 1
		open(sys.argv[1], "r+b").write(d)
	PY
	rm repo/catalog.db*
	for i in 1 2; do
		run --separate-stderr blobctl cat latest:one
		status_is 13
		[ "$output" = v2 ]
		err_has "1 snapshot is lost"
	done
	run --separate-stderr blobctl ls
	status_is 13
	[ "${#lines[@]}" -eq 2 ]
	run --separate-stderr blobctl check
	status_is 13
	has "1 snapshot is lost"
	run --separate-stderr blobctl rm -y latest
	status_is 13
	[ "$(blobctl ls 2>/dev/null | wc -l)" -eq 2 ]
}
