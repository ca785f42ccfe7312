#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2012,SC2046,SC2086,SC2103,SC2030,SC2031
#
# What is lost of a repository is stored again by a put of the same source: a
# put never takes for stored what is not there, neither because it looks
# unchanged nor because the index says so. The old snapshots are whole again
# too.

load helpers

setup() {
	common_setup
	requires python3
	new_repo --compression=none
	mkdir -p src/sub/deep
	random_bytes 6000000 1 >src/data
	random_bytes 300000 2 >src/sub/file
	for i in $(seq 300); do echo "number $i" >src/sub/deep/$i; done
	sleep 0.05
	blobctl -q put src
	pack=$(ls -S repo/packs/* | head -1)
}

# whole [SNAP...] - these snapshots restore to what src is.
whole() {
	local snap

	for snap in "${@:-latest}"; do
		rm -rf out
		blobctl -q get "$snap" out
		same_tree src out/src
	done
}

# ---- packs that are lost -------------------------------------------------------

@test "a put of an unchanged tree sees that a pack is gone or cut short" {
	for harm in "rm" "truncate -s 1000000" "truncate -s 0" "truncate -s +4096"; do
		blobctl -q put src
		$harm "$pack"
		run --separate-stderr blobctl put src
		status_is 0
		err_has "${pack##*/}"
		err_has "blobctl check"
		err_has "stored again"
		[ "$(grep -c "every file is read" <<<"$stderr")" -eq 1 ]
		whole latest 'latest~1'
		rm -rf repo
		new_repo --compression=none
		blobctl -q put src
		pack=$(ls -S repo/packs/* | head -1)
	done
}

@test "once stored again, an unchanged tree is recognised again" {
	rm "$pack"
	blobctl -q put src
	run --separate-stderr blobctl --json put src
	status_is 0
	has '"new_bytes":0'
	[[ $stderr$output != *"every file is read"* ]]
	err_has "nothing in this put needs it"
	whole latest
	# Nothing is lost any more: nothing is said any more.
	blobctl -q put src
}

@test "--no-cache and a first put store what a lost pack had" {
	rm "$pack"
	run --separate-stderr blobctl put --no-cache src
	status_is 0
	err_has "blobctl check"
	whole latest 'latest~1'
	rm $(ls -S repo/packs/* | head -1)
	mv src src2
	run --separate-stderr blobctl put src2
	status_is 0
	mv src2 src
	rm -rf out
	blobctl -q get latest out
	same_tree src out/src2
}

@test "put --if-changed stores what is lost, and makes no snapshot" {
	blobctl -q put src
	rm "$pack"
	n=$(blobctl ls | wc -l)
	run --separate-stderr blobctl put --if-changed src
	status_is 0
	[ "$(blobctl ls | wc -l)" -eq "$n" ]
	whole latest
	# No snapshot stands for what was mended: it is looked for again, and is
	# there.
	run --separate-stderr blobctl --json put --if-changed src
	status_is 0
	has '"new_bytes":0'
	whole latest
}

@test "a repository put back from a copy is mended again, whatever the cache says" {
	local copy

	for copy in before after; do
		cp -a repo copy
		rm "$pack"
		[ $copy = before ] || { rm -rf copy; cp -a repo copy; }
		blobctl -q put src
		whole latest
		rm -rf repo
		mv copy repo
		if [ $copy = before ]; then
			blobctl -q put src
			rm "$pack"
		fi
		run --separate-stderr blobctl put src
		status_is 0
		read_all
		whole latest
		rm -rf repo out
		new_repo --compression=none
		sleep 0.05
		blobctl -q put src
		pack=$(ls -S repo/packs/* | head -1)
	done
}

# ---- blocks that are damaged ---------------------------------------------------

# read_all - did the last put say that it read every file?
read_all() {
	[[ $stderr$output == *"every file is read"* ]]
}

@test "a rotten block: found by check, healed by a put of the source" {
	blobctl -q put src
	flip "$pack" 3000000
	run --separate-stderr blobctl check --read-data
	status_is 13
	has "blobctl put"
	# It is remembered: structure alone says so now too.
	run --separate-stderr blobctl check
	status_is 13
	has "${pack##*/}"
	run --separate-stderr blobctl put src
	status_is 0
	read_all
	err_has "damaged"
	whole latest 'latest~1' 'latest~2'
	# The block is as bad as it was, but nothing is lost by it.
	for how in "" --read-data; do
		run --separate-stderr blobctl check $how
		status_is 0
		has "note"
		has "stored in another place too"
	done
	# And it is known that this has been seen to.
	run --separate-stderr blobctl put src
	status_is 0
	[[ $stderr$output != *"every file is read"* ]]
	err_has "new 0 B"
}

@test "a rotten block: found by get, healed by a put of the source" {
	cp "$pack" keep
	flip "$pack" 3000000
	run --separate-stderr blobctl get latest out
	status_is 13
	run --separate-stderr blobctl put src
	status_is 0
	read_all
	whole latest 'latest~1'
	# What reads well again is forgotten.
	cp keep "$pack"
	[ -e repo/cache/hurt ]
	run --separate-stderr blobctl check
	status_is 0
	[ ! -e repo/cache/hurt ]
	[[ $output != *"another place"* ]]
}

@test "a rotten block: half of it healed" {
	mkdir other
	random_bytes 6000000 7 >other/data
	blobctl -q put other
	for p in repo/packs/*; do flip "$p" 3000000; done
	run blobctl check --read-data
	status_is 13
	blobctl -q put src
	whole 'latest~2' latest
	run --separate-stderr blobctl check --read-data
	status_is 13
	has "stored in another place too"
	has "other/data"
	[[ $output != *"src/data"* ]]
	blobctl -q put other
	run --separate-stderr blobctl check --read-data
	status_is 0
}

@test "what is known to be damaged is a view: without it nothing fails" {
	flip "$pack" 3000000
	run blobctl check --read-data
	[ -e repo/cache/hurt ]
	for harm in "flip repo/cache/hurt 20" "truncate -s 10 repo/cache/hurt" \
		"rm repo/cache/hurt"; do
		$harm
		run --separate-stderr blobctl put src
		status_is 0
		[[ $stderr$output != *"every file is read"* ]]
	done
	rm -rf repo/cache
	run --separate-stderr blobctl put src
	status_is 0
	run --separate-stderr blobctl check --read-data
	status_is 13
	[ -e repo/cache/hurt ]
	blobctl -q put src
	whole latest
}

@test "a directory's node that is damaged, in a put that needs it" {
	echo unique >src/sub/very-special-name
	sleep 0.05
	blobctl -q put src
	at=$(grep -abo very-special-name repo/log/* | head -1 | cut -d: -f1)
	flip "$(ls repo/log/* | head -1)" "$at"
	echo new >src/sub/another
	run --separate-stderr blobctl put src
	status_is 0
	whole latest
	# The old tree is not in the source any more.
	run --separate-stderr blobctl check
	status_is 13
	run blobctl get latest out3
	status_is 0
	run blobctl get latest~1 out4
	status_is 13
}

# spoil_blocks PACK BYTE - flip this byte of every block's entry in the table of
# the pack's directory (docs/format.md, section 5).
spoil_blocks() {
	python3 - "$@" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    raw = f.read()
    at, = struct.unpack("<Q", raw[-56:-48])
    at += 64                                # the directory's own header
    blocks, = struct.unpack("<I", raw[at:at + 4])
    for i in range(blocks):
        k = at + 8 + 24 * i + int(sys.argv[2])
        f.seek(k)
        f.write(bytes([raw[k] ^ 1]))
PY
}

# One file is little enough for a look at its blocks alone, once a run of the
# index has the pack.
@test "a put does not believe a damaged directory" {
	for i in {1..20}; do
		echo "$i" | blobctl -q put -
	done
	cp -a repo sound
	for byte in {0..23}; do
		rm -rf repo out
		cp -a sound repo
		spoil_blocks "$pack" "$byte"
		run --separate-stderr blobctl put --no-cache --name=again src/sub/file
		status_is 0
		blobctl -q get again:file out
		cmp src/sub/file out
	done
}

@test "a damaged directory of a pack" {
	size=$(stat -c %s "$pack")
	flip "$pack" $((size - 5000))
	run blobctl check
	status_is 13
	run --separate-stderr blobctl put src
	status_is 0
	whole latest
	run --separate-stderr blobctl check
	status_is 0
	has "no snapshot needs it"
}

# no_views - as if the repository had been copied without them.
no_views() {
	rm -rf repo/catalog.db* repo/index repo/cache/hurt
}

# Without an index on disk every directory is read when a put begins: what
# cannot be read then must not be taken for unchanged.
@test "a put without views stores what a damaged footer or directory hides" {
	blobctl -q put src
	mkdir sound
	cp -a repo home sound
	size=$(stat -c %s "$pack")
	for at in $((size - 30)) $((size - 5000)); do
		rm -rf repo home
		cp -a sound/repo sound/home .
		flip "$pack" "$at"
		no_views
		run --separate-stderr blobctl put src
		status_is 0
		err_has "${pack##*/}"
		read_all
		whole latest 'latest~1'
		# It is remembered, and that it has been seen to as well.
		run --separate-stderr blobctl put src
		status_is 0
		err_has "new 0 B"
		[[ $stderr$output != *"every file is read"* ]]
		whole latest
	done
}

# The log is the only place of small files.
@test "a put without views stores what a damaged group hides" {
	mkdir small
	echo "only here" >small/file
	sleep 0.05
	blobctl -q put small
	log=$(ls repo/log/* | head -1)
	blobctl -q put small/file
	at=$(python3 - "$log" <<'PY'
import sys
raw = open(sys.argv[1], "rb").read()
file = raw.find(b"only here")
print(raw.rfind(b"BLK1", 0, raw.rfind(b"BLK1", 0, file)))
PY
)
	[ "$at" -gt 4096 ]
	blobctl -q put small
	flip "$log" $((at + 70))
	rm -rf repo/index
	run --separate-stderr blobctl put small
	status_is 0
	rm -rf out
	blobctl -q get latest out
	same_tree small out/small
}

# forge PACK footer|kind|cipher - bytes that nobody has written, with the right
# checksum.
forge() {
	python3 - "$@" <<'PY'
import struct, sys

def crc(data):
    c = 0xffffffff
    for b in data:
        c ^= b
        for _ in range(8):
            c = (c >> 1) ^ (0x82f63b78 if c & 1 else 0)
    return c ^ 0xffffffff

with open(sys.argv[1], "r+b") as f:
    raw = bytearray(f.read())
    at = len(raw) - 64
    if sys.argv[2] == "footer":
        struct.pack_into("<Q", raw, at + 8, 2**64 - 4096)
        struct.pack_into("<I", raw, at + 16, 8192)
    else:
        at, = struct.unpack_from("<Q", raw, at + 8)
        raw[at + {"kind": 4, "cipher": 6}[sys.argv[2]]] ^= 9 if sys.argv[2] == "kind" else 1
    struct.pack_into("<I", raw, at + 60, crc(raw[at:at + 60]))
    f.seek(at)
    f.write(raw[at:at + 64])
PY
}

@test "a forged footer or directory stops nobody but its pack" {
	mkdir other
	random_bytes 3000000 9 >other/data
	blobctl -q put other
	mkdir sound
	cp -a repo home sound
	for what in footer kind cipher; do
		rm -rf repo home out
		cp -a sound/repo sound/home .
		forge "$pack" "$what"
		no_views
		run --separate-stderr blobctl find 'no such name'
		[ "$status" -ne 1 ]
		blobctl -q get latest out
		same_tree other out/other
		blobctl -q put src
		whole latest 'latest~2'
	done
}

# ---- a pack without footer or directory ----------------------------------------

# zero FILE OFFSET [LENGTH] - that many bytes, to the end without LENGTH.
zero() {
	local size

	size=$(stat -c %s "$1")
	truncate -s "$((size - (size - $2) * (${3:-0} == 0)))" "$1"
	truncate -s "$size" "$1"
	[ -z "${3:-}" ] || dd if=/dev/zero of="$1" bs=1 seek="$2" count="$3" \
		conv=notrunc status=none
}

# hidden SIZE - every way to make a pack of that size lose footer or directory,
# and no block: commands on the pack.
hidden() {
	printf '%s\n' "flip $pack $(($1 - 30))" "flip $pack $(($1 - 5000))" \
		"truncate -s +4096 $pack" "truncate -s +100 $pack" \
		"zero $pack $(($1 - 64))" "zero $pack $(($1 - 9000))" \
		"truncate -s $(($1 - 4096)) $pack"
}

@test "what a damaged footer, directory or length hides is read all the same" {
	for i in {1..20}; do # so that the index is on disk
		echo "$i" | blobctl -q put -
	done
	ls repo/index/*
	mkdir sound
	cp -a repo home sound
	while read -r harm; do
		for views in there gone; do
			rm -rf repo home
			cp -a sound/repo sound/home .
			$harm
			[ $views = there ] || no_views
			whole 'latest~20'
			# It is damage, but nothing is called lost.
			run --separate-stderr blobctl check
			status_is 13
			[[ $output$stderr = *"${pack##*/}"*"still reads"* ]]
			[[ $output$stderr != *"src/data"* ]]
			blobctl -q put src
			whole latest
			run blobctl check
			status_is 0
		done
	done < <(hidden "$(stat -c %s "$pack")")
}

@test "a put that does not see such damage makes a snapshot that is whole" {
	for i in {1..20}; do
		echo "$i" | blobctl -q put -
	done
	mkdir sound
	cp -a repo home sound
	while read -r harm; do
		rm -rf repo home
		cp -a sound/repo sound/home .
		$harm
		blobctl -q put src
		whole latest
	done < <(hidden "$(stat -c %s "$pack")")
}

@test "of a pack without directory a damaged block hides no other" {
	size=$(stat -c %s "$pack")
	zero "$pack" $((size - 9000))
	flip "$pack" 3000000
	flip "$pack" 200 # a block's header is found again
	for views in there gone; do
		[ $views = there ] || no_views
		rm -rf out
		run --separate-stderr blobctl get latest out
		status_is 13
		err_has "${pack##*/}"
		cmp src/sub/file out/src/sub/file
		diff -r src/sub out/src/sub
	done
}

@test "an index made while a pack was away has it when it is back" {
	mv "$pack" away
	no_views
	for i in {1..20}; do # so that it is on disk
		echo "$i" | blobctl -q put -
	done
	ls repo/index/*
	# What is away is looked for once by each command.
	for i in 1 2; do
		rm -rf out
		run --separate-stderr blobctl get 'latest~20' out
		status_is 13
		err_has "damaged in the repository"
		[ "$(grep -c "the index lacks" <<<"$stderr")" -le 1 ]
	done
	mv away "$pack"
	rm -rf out
	run --separate-stderr blobctl get 'latest~20' out
	status_is 0
	err_has "the index lacks a chunk"
	same_tree src out/src
	run blobctl check
	status_is 0
	run --separate-stderr blobctl cat 'latest~20:src/sub/file'
	status_is 0
	[ -z "$stderr" ]
}
