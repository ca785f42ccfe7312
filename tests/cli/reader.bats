#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
#
# contrib/blobctl_read.py, which knows docs/format.md alone, reads what the
# program writes: that is the proof of the document. Covered: names that are
# not UTF-8 or hold newlines, all kinds of entries, attributes, holes, hard
# links, content lists, large directories, several snapshots, removed ones,
# stored raw and compressed, decoding by library and by command; and damage:
# a lost superblock, a lost directory, a block, a torn log.

load helpers

setup() {
	requires python3 zstd
	common_setup
	READ=$BATS_TEST_DIRNAME/../../contrib/blobctl_read.py
}

read_repo() {
	python3 "$READ" "$@"
}

# manifest DIR - a line for every entry: all that a restore must bring back.
manifest() {
	python3 "$BATS_TEST_DIRNAME/../tools/manifest.py" "$1"
}

# same A B - equal trees.
same() {
	diff <(manifest "$1") <(manifest "$2")
}

random() { # random BYTES SEED
	python3 -c 'import random, sys
r = random.Random(int(sys.argv[2]))
sys.stdout.buffer.write(r.randbytes(int(sys.argv[1])))' "$1" "$2"
}

make_tree() { # make_tree DIR
	mkdir -p "$1/dir/deep/er" "$1/empty-dir"
	printf 'hello' >"$1/dir/a"
	ln "$1/dir/a" "$1/dir/deep/hard"
	ln -s ../nowhere "$1/dir/symlink"
	: >"$1/empty"
	printf 'x' >"$1"/$'not\xff\xfeutf-8'
	printf 'y' >"$1"/$'two\nlines'
	random 3000000 1 >"$1/random"
	seq 200000 >"$1/text"
	head -c 700000 /dev/zero >"$1/zeros"
	truncate -s 300M "$1/sparse"
	printf 'end' >>"$1/sparse"
	mkfifo "$1/fifo"
	chmod 4751 "$1/text"
	chmod 700 "$1/dir/deep"
	touch -h -d '2001-02-03 04:05:06.789012345 UTC' "$1/dir/symlink"
	touch -d '1965-01-01 00:00:00.25 UTC' "$1/empty"
	python3 - "$1" <<-'END'
	import os, sys
	for n, v in ('a', b'v'), ('empty', b''), ('large', bytes(range(256)) * 8):
	    try:
	        os.setxattr(sys.argv[1] + '/dir/a', 'user.' + n, v)
	    except OSError:
	        pass
	END
	touch -d '2020-02-02 02:02:02.5 UTC' "$1/dir"
}

@test "every kind of entry comes back, by the library and by the command" {
	make_tree src
	blobctl -q init repo
	blobctl -q -R repo put src/ --name=all --tag=k=v
	for how in '' --zstd-command; do
		# shellcheck disable=SC2086
		run --separate-stderr read_repo $how repo extract all "out$how"
		status_is 0
		same src "out$how"
		# The hole is a hole again.
		[ "$(stat -c %b "out$how/sparse")" -lt 1000 ]
	done
}

@test "ls lists snapshots, then entries with the exact bytes of their names" {
	make_tree src
	blobctl -q init repo
	id=$(blobctl -q -R repo put src/ --name=all --tag=k=v --print-id)
	run --separate-stderr read_repo repo ls
	status_is 0
	has "$id"
	has $'\tall\t'
	has 'k=v'
	read_repo repo ls all >list
	grep -aqF $'not\xff\xfeutf-8' list
	grep -qP '^-4751\t.*\ttext$' list
	run read_repo repo ls no-such-snapshot
	status_is 1
}

@test "a large directory and a file of many chunks" {
	mkdir -p src/many
	python3 -c '
for i in range(20000):
    open("src/many/%05d" % (i * 7919 % 20000), "w").close()'
	random 12000000 2 >src/long
	blobctl -q init repo --chunker=cdc:4KiB
	blobctl -q -R repo put src/ --name=s
	read_repo repo extract s out
	same src out
	run --separate-stderr read_repo repo verify
	status_is 0
	has ' 0 problems'
}

@test "every snapshot, with what was removed gone and tags as they are now" {
	mkdir src
	blobctl -q init repo
	for i in 1 2 3 4; do
		seq "$i"000 "$((i + 1))"000 >"src/$i"
		blobctl -q -R repo put src/ --name="s$i"
		cp -a src "want$i"
	done
	blobctl -q -R repo rm -y s2
	blobctl -q -R repo tag s3 color=red
	for i in 1 3 4; do
		read_repo repo extract "s$i" "out$i"
		same "want$i" "out$i"
	done
	run read_repo repo extract s2 out2
	status_is 1
	run read_repo repo ls
	has 'color=red'
	[ "${#lines[@]}" -eq 3 ]
}

@test "stored raw, and with chunks of fixed size" {
	make_tree src
	for how in --compression=none --chunker=fixed:64KiB; do
		blobctl -q init "repo$how" "$how"
		blobctl -q -R "repo$how" put src/ --name=s
		read_repo "repo$how" extract s "out$how"
		same src "out$how"
	done
}

@test "a file alone and standard input" {
	blobctl -q init repo
	random 100000 3 >one
	blobctl -q -R repo put one --name=file
	blobctl -q -R repo put - --name=pipe --stdin-name=dump <one
	read_repo repo extract file out
	cmp one out/one
	read_repo repo extract pipe out2
	cmp one out2/dump
}

@test "either superblock will do, and views are not needed" {
	make_tree src
	blobctl -q init repo
	blobctl -q -R repo put src/ --name=s
	rm -rf repo/index repo/cache repo/catalog.db*
	rm repo/superblock
	read_repo repo extract s out
	same src out
	# Both damaged: nothing can be said.
	printf X | dd of=repo/superblock.copy bs=1 seek=50 conv=notrunc status=none
	run read_repo repo verify
	status_is 1
	has 'no superblock'
}

@test "a pack without directory is read by its blocks' headers" {
	mkdir src
	random 20000000 4 >src/f
	blobctl -q init repo
	blobctl -q -R repo put src/ --name=s
	for p in repo/packs/*.pack; do
		printf X | dd of="$p" bs=1 seek=$(($(stat -c %s "$p") - 60)) \
			conv=notrunc status=none
	done
	run --separate-stderr read_repo repo extract s out
	status_is 1 # it says so
	err_has 'read one by one'
	same src out
}

@test "a damaged block is reported, the rest is whole" {
	mkdir src
	random 20000000 5 >src/f
	seq 1000 >src/g
	blobctl -q init repo
	blobctl -q -R repo put src/ --name=s
	set -- repo/packs/*.pack
	printf XYZ | dd of="$1" bs=1 seek=1000000 conv=notrunc status=none
	for how in '' --zstd-command; do
		# shellcheck disable=SC2086
		run --separate-stderr read_repo $how repo extract s "out$how"
		status_is 1
		err_has 'chunk'
		cmp src/g "out$how/g"
		[ "$(stat -c %s "out$how/f")" -eq 20000000 ]
		# Outside one chunk all bytes are right.
		[ "$(cmp -l src/f "out$how/f" | wc -l)" -le 262144 ]
	done
}

@test "a torn group at the end of the log never was" {
	mkdir src
	blobctl -q init repo
	echo 1 >src/f
	blobctl -q -R repo put src/ --name=one
	cp -a src want
	echo 2 >src/f
	blobctl -q -R repo put src/ --name=two
	truncate -s $(($(log_end repo/log/*) - 4096)) repo/log/*
	run --separate-stderr read_repo repo verify
	status_is 0
	has '1 snapshots'
	read_repo repo extract latest out
	same want out
}

@test "an existing destination is left alone" {
	mkdir src out
	echo 1 >src/f
	echo mine >out/f
	blobctl -q init repo
	blobctl -q -R repo put src/ --name=one
	run read_repo repo extract one out
	status_is 1
	[ "$(cat out/f)" = mine ]
}
