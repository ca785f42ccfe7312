#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# get: all that a Linux file is comes back equal; destinations; what is in the
# way; parts of snapshots; what is left out.

load helpers

setup() {
	common_setup
	new_repo
}

@test "a tree comes back as it was" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl get latest out
	status_is 0
	[ -z "$output" ]
	err_has "restored 5 files"
	same_tree src out/src
}

@test "without DEST it goes here, under its own name" {
	small_tree src
	blobctl -q put src
	mkdir here
	cd here
	blobctl -q get latest
	same_tree ../src src
	rm -r src
	blobctl -q get latest:src/sub
	same_tree ../src/sub sub
	blobctl -q get latest:src/a.txt
	cmp ../src/a.txt a.txt
}

@test "a file goes to a name or into a folder" {
	small_tree src
	blobctl -q put src
	blobctl -q get latest:src/a.txt one
	cmp src/a.txt one
	[ "$(stat -c %Y one)" = "$(stat -c %Y src/a.txt)" ]
	mkdir folder
	blobctl -q get latest:src/a.txt folder
	cmp src/a.txt folder/a.txt
}

@test "paths: relative, absolute, with a slash too many" {
	small_tree src
	blobctl -q put src
	for p in src/sub/deep src/sub/deep/ src//sub/./deep "$T/src/sub/deep"; do
		rm -rf out
		blobctl -q get "latest:$p" out
		same_tree src/sub/deep out
	done
}

@test "what exists is never overwritten" {
	small_tree src
	blobctl -q put src
	mkdir out
	echo mine >out/a.txt
	run --separate-stderr blobctl get latest:src out
	status_is 3
	err_has "a.txt"
	[ "$(cat out/a.txt)" = mine ]
	cmp src/b.c out/b.c
	echo mine >one
	run --separate-stderr blobctl get latest:src/a.txt one
	[ "$status" -ne 0 ]
	err_has one
	[ "$(cat one)" = mine ]
	echo file >dest
	run blobctl get latest:src dest
	[ "$status" -ne 0 ]
	[ "$(cat dest)" = file ]
}

@test "what is in the way: what it comes to, and the way out, also with -q" {
	small_tree src
	blobctl -q put src
	mkdir out
	echo mine >out/a.txt
	echo mine >out/b.c
	for q in -q --no-quiet; do
		rm -rf out/sub
		run --separate-stderr blobctl $q get latest:src out
		status_is 3
		err_has "a.txt: is there already"
		err_has "2 items are there already; nothing that exists is overwritten"
		err_has "try: blobctl get latest:src NEW"
	done
	run --separate-stderr blobctl get latest:src/a.txt out/a.txt
	status_is 1
	err_has "nothing that exists is overwritten"
	err_has "try: blobctl get latest:src/a.txt NEW"
	run --separate-stderr blobctl get latest:src out/a.txt
	status_is 1
	err_has "is there and no directory"
	[ "${#stderr_lines[@]}" -eq 2 ]
	run --separate-stderr blobctl get latest:src/a.txt no/where
	status_is 4
	err_has "there is no folder no"
	err_has "mkdir -p no "
	run --separate-stderr blobctl get latest:src/a.txt "no dir/"
	status_is 4
	err_has "there is no folder no dir"
	err_has "mkdir -p 'no dir' "
	run --separate-stderr blobctl get latest:src/a.txt -- -no/
	err_has "mkdir -p ./-no "
	run --separate-stderr blobctl get latest:src/a.txt src/a.txt/x
	err_has "name a folder that is there"
}

@test "what comes back is counted, links and special files too" {
	small_tree src
	mkfifo src/fifo
	blobctl -q put src
	run --separate-stderr blobctl get src:src/sub/link lnk
	err_has "restored 1 link, 0 B, to lnk"
	run --separate-stderr blobctl get -n src:src/fifo fifo
	err_has "would restore 1 other item, 0 B, to fifo"
	run --separate-stderr blobctl get src out
	err_has "restored 5 files and 2 other items, 293 KiB, to out"
}

@test "standard output is for cat, not for get" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl get 'src:src/a.txt' -
	status_is 2
	err_has "try: blobctl cat src:src/a.txt"
	[ ! -e - ]
	blobctl -q get src:src/a.txt ./-
	cmp ./- src/a.txt
}

@test "-n says what would come, filters and all, and writes nothing" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl get -n latest out
	status_is 0
	err_has "would restore 5 files and 1 other item, 293 KiB, to out"
	[ ! -e out ]
	run --separate-stderr blobctl get -n latest out --include='*.c'
	err_has "would restore 2 files, 9 B, to out"
	run --separate-stderr blobctl get -nv latest out --exclude=sub
	err_has src/a.txt
	err_has "would restore 2 files, 8 B, to out"
	run --separate-stderr blobctl get -n latest:src/a.txt
	err_has "would restore 1 file, 4 B, to a.txt"
}

@test "a link in the way is not followed" {
	small_tree src
	blobctl -q put src
	mkdir -p out/src elsewhere
	ln -s ../../elsewhere out/src/sub
	run blobctl get latest out
	status_is 3
	[ -z "$(ls elsewhere)" ]
	[ -L out/src/sub ]
}

@test "--include and --exclude" {
	small_tree src
	echo c >src/sub/deep/x.c
	blobctl -q put src
	blobctl -q get latest out --include='*.c'
	[ "$(cd out && find . -type f | sort | xargs)" = \
		"./src/b.c ./src/sub/deep/file.c ./src/sub/deep/x.c" ]
	blobctl -q get latest out2 --exclude=sub/ --exclude='*.txt'
	[ "$(cd out2 && find . -type f | sort | xargs)" = "./src/b.c" ]
}

# dirs DIR - the directories below it.
dirs() { (cd "$1" && find . -mindepth 1 -type d | sort | xargs); }

@test "--include makes the directories of what fits, and no other" {
	mkdir -p src/a/b/c src/d/e src/f/docs/sub src/g
	echo 1 >src/a/b/c/README.md
	echo 2 >src/a/b/other
	echo 3 >src/d/e/other
	echo 4 >src/f/docs/sub/x
	echo 5 >src/a/README.md
	touch -d 2026-01-02T03:04:05Z src/a/b/c src/a/b src/a src/f/docs
	blobctl -q put src
	for n in -n ""; do
		run --separate-stderr blobctl $n get --json latest out --include=README.md
		status_is 0
		has '"files":2'
		has '"dirs":4'
	done
	[ "$(dirs out)" = "./src ./src/a ./src/a/b ./src/a/b/c" ]
	[ "$(stat -c %Y out/src/a/b/c)" = "$(stat -c %Y src/a/b/c)" ]
	[ "$(stat -c %Y out/src/a)" = "$(stat -c %Y src/a)" ]
	# A directory that fits comes with all below it.
	blobctl -q get latest out2 --include=docs/ --include=g
	[ "$(dirs out2)" = "./src ./src/f ./src/f/docs ./src/f/docs/sub ./src/g" ]
	[ -e out2/src/f/docs/sub/x ]
	# In the way: what is below it is left out, the rest comes.
	blobctl -q put src/
	mkdir out3
	echo x >out3/a
	run --separate-stderr blobctl get latest out3 --include=README.md --include=docs
	status_is 3
	err_has "a: is there already"
	[ "$(dirs out3)" = "./f ./f/docs ./f/docs/sub" ]
	[ -e out3/f/docs/sub/x ]
}

@test "--include of what is nowhere is status 4, and nothing is made" {
	small_tree src
	blobctl -q put src
	for n in "" -n; do
		run --separate-stderr blobctl $n get latest out --include=none
		status_is 4
		err_has "nothing in latest fits --include=none"
		err_has "blobctl find"
		[ ! -e out ]
	done
	mkdir out
	run --separate-stderr blobctl get latest out --include=a.txt --exclude=src
	status_is 4
	[ -d out ]
}

@test "folders that are there are entered: what is lost comes back" {
	small_tree src
	chmod 750 src/sub
	blobctl -q put src
	blobctl -q get latest:src out
	rm -r out/b.c out/sub/deep
	chmod 700 out/sub
	for n in -n ""; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl get $n latest:src out
		status_is 0
		[[ $stderr != *"is there"* ]]
		err_has "restore"
		err_has " 2 files"
		err_has "4 items there already, with the same size and time"
	done
	touch -r src out # the destination itself stays as it is
	same_tree src out
	# What is there and another one is not touched, but told.
	echo mine >out/b.c
	run --separate-stderr blobctl get latest:src out
	status_is 3
	err_has "b.c: is there already"
	[ "$(cat out/b.c)" = mine ]
	# What is only on the way to what is wanted stays as it is.
	rm -r out/sub/deep
	chmod 700 out/sub
	run --separate-stderr blobctl get latest:src out --include=deep
	status_is 0
	[ "$(stat -c %a out/sub)" = 700 ]
}

@test "a get that was stopped is finished by the same command" {
	mkdir -p src/d{1..9}
	for i in {1..9}; do random_bytes 3000000 $i | split -b 3000 - src/d$i/f; done
	blobctl -q put src
	# Somewhere in the middle, more often than not.
	for sig in TERM KILL; do
		for after in 0.05 0.1 0.2 0.4; do
			timeout -s $sig $after "$BLOBCTL" -q get latest out || :
		done
		run --separate-stderr blobctl get latest out
		status_is 0
		same_tree src out/src
		[ -z "$(find out -name '.blobctl-*')" ]
		rm -r out
	done
}

@test "one file that is there already, and the same" {
	mkdir src
	echo 1 >src/f
	ln -s f src/l
	blobctl -q put src/
	for n in -n "" "" -n; do
		for p in f l; do
			# shellcheck disable=SC2086
			run --separate-stderr blobctl get $n latest:$p out-$p
			status_is 0
		done
	done
	err_has "1 item there already"
	touch out-f
	run --separate-stderr blobctl get latest:f out-f
	status_is 1
	err_has "is there already"
	ln -sf elsewhere out-l
	run --separate-stderr blobctl get latest:l out-l
	status_is 1
}

@test "further names of a file that is there" {
	mkdir src
	random_bytes 300000 1 >src/a
	ln src/a src/b
	ln src/a src/c
	blobctl -q put src/
	blobctl -q get latest out
	rm out/b
	blobctl -q get latest out
	touch -r src out
	same_tree src out
	[ "$(stat -c %h out/a)" -eq 3 ]
	# A copy of it has all that can be seen, but is none of its names.
	cp -p out/b out/d
	mv out/d out/b
	run --separate-stderr blobctl get latest out
	status_is 3
	err_has "b: is there already, but is no further name"
	# The first is lost: the others stay what they are.
	rm -r out
	blobctl -q get latest out
	rm out/a
	run --separate-stderr blobctl get latest out
	status_is 3
	cmp src/a out/a
	[ "$(stat -c %h out/b)" -eq 2 ]
}

@test "how many more are in the way stands before the closing line" {
	mkdir src out
	for i in $(seq 30); do
		echo $i >src/$i
		echo mine >out/$i
	done
	blobctl -q put src/
	for quiet in "" -q; do
		run --separate-stderr blobctl $quiet get latest out
		status_is 3
		[[ $stderr = *"more like this"*"30 items are there already"*"try: "* ]]
	done
}

@test "-n tells what is in the way, with the status that get would have" {
	small_tree src
	blobctl -q put src
	mkdir -p out/sub
	echo mine >out/a.txt
	echo mine >out/sub/deep
	for n in -n ''; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl get $n latest:src out
		status_is 3
		err_has "a.txt: is there already"
		err_has "sub/deep: is there already"
		err_has "2 items are there already"
		err_has "restore"
		err_has " 3 files and 1 other item, 293 KiB, to out"
	done
	for n in -n ''; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl get $n latest:src/a.txt out
		status_is 1
		err_has "a.txt: is there already"
		err_has "nothing that exists is overwritten"
		[[ $stderr != *"would restore"* ]]
	done
	run --separate-stderr blobctl get -n latest:src/a.txt out/sub
	status_is 0
	err_has "would restore 1 file"
}

@test "-n restores nothing" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl -n get latest out
	status_is 0
	err_has "would restore 5 files"
	[ ! -e out ]
}

@test "--json: files with -v, counts in the summary" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl --json -v get latest out
	status_is 0
	json_ok
	[ "$(grep -c '"type":"file"' <<<"$output")" -ge 5 ]
	has '"logical_bytes":300013,"written_bytes":300013'
}

@test "put, ls and get count a sparse tree's size alike" {
	mkdir src
	truncate -s 10M src/hole
	printf 1234567890 >src/a
	ln src/a src/b
	run --separate-stderr blobctl --json put src
	has '"logical_bytes":10485780'
	[ "$(blobctl ls --format='{logical_bytes}')" = 10485780 ]
	run --separate-stderr blobctl --json -v get latest:src out
	status_is 0
	has '"logical_bytes":10485780,"written_bytes":10'
	has '"path":"b","path_b64":null,"entry_type":"file","size_bytes":10'
	run --separate-stderr blobctl --json -n get latest:src out2
	has '"logical_bytes":10485780'
	run blobctl get latest:src out3
	has "3 files, 10.0 MiB (10 B written), to out3"
}

@test "what is not there is status 4" {
	run --separate-stderr blobctl get latest out
	status_is 4
	echo x >f
	blobctl -q put f
	run --separate-stderr blobctl get latest:nonesuch out
	status_is 4
	err_has nonesuch
	run --separate-stderr blobctl get nonesuch out
	status_is 4
	run --separate-stderr blobctl get ff out
	status_is 4
	[ ! -e out ]
}

@test "modes, times, hard links, holes, names of all kinds" {
	mkdir src
	cd src
	# Only root reads what nobody may read.
	for m in $(is_root && echo 000) 400 755 4755 2711 1777; do
		echo "$m" >m$m
		chmod "$m" m$m
	done
	mkdir -m 0500 locked
	mkdir -m 3771 sticky
	echo old >old
	touch -d '1969-12-31T23:59:58.123456789Z' old
	touch -d '2262-01-01T00:00:00.999999999Z' late || touch late
	echo h >h1
	ln h1 h2
	ln h1 sticky/h3
	ln -s 'dangling to nowhere' broken
	ln -s "$(printf 'odd\nname\xff')" odd
	truncate -s 10M hole
	echo end >>hole
	python3 -c '
import os
f = os.open("middle", os.O_CREAT | os.O_WRONLY, 0o644)
os.pwrite(f, b"a" * 70000, 0)
os.pwrite(f, b"b" * 70000, 5000000)
os.ftruncate(f, 9000000)'
	mkfifo pipe
	python3 -c '
import socket
socket.socket(socket.AF_UNIX).bind("socket")'
	printf n >"$(printf 'new\nline')"
	printf r >"$(printf '\xc3\x28 raw \x80')"
	printf l >"$(printf 'n%.0s' $(seq 255))"
	: >empty
	cd ..
	blobctl -q put src
	blobctl -q get latest out
	same_tree src out/src
	[ "$(stat -c %i out/src/h1)" = "$(stat -c %i out/src/sticky/h3)" ]
	[ "$(stat -c %b out/src/hole)" -le "$(stat -c %b src/hole)" ]
	[ "$(stat -c %b out/src/middle)" -le "$(stat -c %b src/middle)" ]
	[ -p out/src/pipe ]
	[ -S out/src/socket ]
	[ "$(stat -c %y out/src/old)" = "$(stat -c %y src/old)" ]
	chmod 700 src/locked out/src/locked
}

@test "extended attributes and access control lists" {
	requires setfattr setfacl getfacl
	mkdir src
	echo x >src/f
	setfattr -n user.note -v 'some text' src/f 2>/dev/null ||
		skip "this file system has no extended attributes"
	setfattr -n user.big -v "$(printf 'v%.0s' $(seq 2000))" src/f
	setfattr -n user.dir -v d src
	setfacl -m u:1234:rwx,g:4321:r src/f 2>/dev/null ||
		skip "this file system has no access control lists"
	setfacl -d -m u:1234:rx src
	blobctl -q put src
	blobctl -q get latest out
	same_tree src out/src
	[ "$(getfattr -d -m - src/f | tail -n +2)" = "$(getfattr -d -m - out/src/f | tail -n +2)" ]
	[ "$(getfacl -cn src)" = "$(getfacl -cn out/src)" ]
}

@test "owners, devices and capabilities, as root" {
	root_only "changes owners and makes devices"
	mkdir src
	echo a >src/a
	chown 1234:4321 src/a
	chmod 6755 src/a
	echo b >src/b
	chown nobody src/b
	ln -s a src/l
	chown -h 77:88 src/l
	mknod src/null c 1 3 2>/dev/null || skip "no devices can be made here"
	mknod src/block b 259 70000
	if command -v setcap >/dev/null; then
		cp /bin/true src/cap
		setcap cap_net_raw+ep src/cap || rm src/cap
	fi
	blobctl -q put src
	blobctl -q get latest out
	same_tree src out/src
	[ ! -e src/cap ] || [ "$(getcap out/src/cap | cut -d' ' -f2-)" = \
		"$(getcap src/cap | cut -d' ' -f2-)" ]
	# A set-id bit is not given to another owner, which is said.
	run blobctl -q get latest mine --owner=none
	status_is 3
	[ "$(stat -c '%u %a' mine/src/a)" = "0 755" ]
}

@test "a destination that fills up is status 14, and nothing half is left" {
	mounts_or_skip
	mkdir src
	for i in 1 2 3 4 5 6; do
		random_bytes 700000 "$i" >src/f$i
	done
	blobctl -q put src
	run on_tmpfs 2m '"$BLOBCTL" get latest "$T/mnt/out"; s=$?
		for f in "$T"/mnt/out/src/*; do
			[ -e "$f" ] || continue
			cmp "$f" "$T/src/${f##*/}" || s=99
		done
		exit $s'
	status_is 14
	has "space"
}

@test "a destination that is read-only" {
	mounts_or_skip
	echo x >f
	blobctl -q put f
	run on_tmpfs 1m 'mount -o remount,ro "$T/mnt"; "$BLOBCTL" get latest "$T/mnt/out"'
	status_is 1
	has "Read-only file system"
}

@test "a big file, a big directory, deep directories" {
	mkdir src
	random_bytes 20000000 5 >src/big
	mkdir src/many
	(cd src/many && seq -f 'file-%05g' 5000 | xargs touch)
	path=src
	for i in $(seq 60); do
		path+=/level$i
	done
	mkdir -p "$path"
	echo bottom >"$path/f"
	blobctl -q put src
	blobctl -q get latest out
	same_tree src out/src
}

@test "in a folder that is there nothing gets more readers than it had" {
	root_only "makes files of others"
	mkdir -p src/acl src/group/sub
	echo secret >src/acl/plain
	chmod 640 src/acl/plain
	setfacl -d -m u:1000:rwx src/acl || skip "no ACLs here"
	echo x >src/group/f
	ln -s x src/group/link
	mkfifo src/group/fifo
	echo y >src/group/sub/f
	chgrp 1000 src/group
	chmod 2775 src/group
	find src -exec touch -h -d 2026-01-02 {} +
	blobctl -q put src
	cp -a src was
	rm src/acl/plain
	rm -r src/group/*
	blobctl -q get latest:src src
	touch -r was src
	same_tree was src
	# And in what is new below it.
	rm -r src/group
	mkdir src/group
	chgrp 1000 src/group
	chmod 2700 src/group
	setfacl -d -m u:1000:rwx src/group
	run --separate-stderr blobctl get latest:src src
	status_is 0
	touch -r was src
	same_tree was src
}

@test "a folder made on the way to a file has the owner it had" {
	root_only "makes folders of another group"
	mkdir -p src/a/b
	echo x >src/a/b/f
	blobctl -q put src/
	mkdir -p dest/a
	chown 0:9 dest/a
	chmod 2775 dest/a
	blobctl -q get latest dest --include='**/f'
	[ "$(stat -c %g dest/a/b)" = 0 ]
	[ "$(stat -c %g dest/a/b/f)" = 0 ]
	[ "$(stat -c '%g %a' dest/a)" = "9 2775" ]
}

@test "a folder of one's own stays as private as it is" {
	mkdir src
	echo x >src/f
	blobctl -q put src
	mkdir -m 700 dest
	blobctl -q get latest dest
	[ "$(stat -c %a dest)" = 700 ]
	[ -e dest/src/f ]
	mkdir -m 1777 none
	run blobctl get latest none --include=nosuch
	status_is 4
	[ "$(stat -c %a none)" = 1777 ]
	# A part gives an empty one its attributes, and one that is made.
	mkdir -m 700 part
	blobctl -q get latest:src part
	same_tree src part
}

@test "a get that is stopped leaves no folder that it could not go on in" {
	root_only "becomes another user"
	let_in
	mkdir -p src/ro
	for i in {1..40}; do random_bytes 2000000 $i >src/ro/f$i; done
	chmod 500 src/ro
	blobctl -q put src
	mkdir mine
	chmod 755 repo
	chown -R 65534:65534 repo mine
	for after in 0.03 0.06 0.1; do
		timeout -s TERM $after setpriv --reuid=65534 --regid=65534 --clear-groups \
			env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" -q get latest mine || :
	done
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" get latest mine
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	[[ $stderr != *"not restored"* ]]
	diff -r src mine/src
	[ "$(stat -c %a mine/src/ro)" = 500 ]
}

@test "what could not be restored is not hidden by what is there" {
	root_only "becomes another user"
	let_in
	mkdir src
	echo 1 >src/lost
	echo 2 >src/there
	blobctl -q put src
	chown -R 65534:65534 repo src
	rm src/lost
	touch src/there
	chmod 500 src
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" get latest:src "$T/src"
	status_is 3
	err_has "1 item not restored, 1 item is there already"
}

@test "patterns are for a single file too" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl get --include=nosuch latest:src/a.txt one
	status_is 4
	err_has "--include=nosuch"
	run --separate-stderr blobctl get --exclude=a.txt latest:src/a.txt one
	status_is 4
	err_has "--exclude"
	[ ! -e one ]
	blobctl -q get --include='*.txt' latest:src/a.txt one
	cmp src/a.txt one
}

@test "a folder that cannot be made: nothing is called restored" {
	root_only "becomes another user"
	let_in
	small_tree src
	blobctl -q put src
	chmod -R a+rX repo
	mkdir -m 755 mine
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" get -n latest "$T/mine"
	status_is 1
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" get latest "$T/mine"
	status_is 1
	err_has "nothing was restored"
}

@test "what is in a folder that cannot be made is told of" {
	small_tree src
	blobctl -q put src
	mkdir -p out/src
	echo mine >out/src/sub
	run --separate-stderr blobctl get latest out
	status_is 3
	err_has "what belongs into it is not restored"
	[ "$(cat out/src/sub)" = mine ]
	cmp src/a.txt out/src/a.txt
}

@test "a file that cannot be made is said once" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl get latest:src/a.txt /proc/x
	[ "$status" -ne 0 ]
	[ "$(grep -c "No such file\|not permitted\|denied" <<<"$stderr")" -le 1 ]
	err_has "another folder"
}

@test "a file whose attributes are damaged is left out, and comes when they are mended" {
	requires setfattr setfacl python3
	rm -rf repo
	new_repo --compression=none
	mkdir src
	for i in $(seq 100 399); do
		echo "$i" >src/f$i
		chmod 600 src/f$i
		setfattr -n user.x -v "v$(random_bytes 2250 "$i" | base64 -w0)" src/f$i 2>/dev/null ||
			skip "no attributes here"
	done
	setfacl -m u:1234:rw src/f150 2>/dev/null || skip "no ACLs here"
	sleep 0.05
	blobctl -q put src
	echo other >other
	blobctl -q put other
	python3 - repo/log/* repo/packs/* "$(random_bytes 2250 150 | base64 -w0)" <<-'PY'
		import os, sys
		for name in sys.argv[1:-1]:
		    if not os.path.isfile(name):
		        continue
		    d = bytearray(open(name, "rb").read())
		    at = d.find(sys.argv[-1].encode())
		    if at >= 0:
		        d[at + 100] ^= 1
		        open(name, "r+b").write(d)
		        break
		else:
		    sys.exit("not found")
	PY
	run --separate-stderr blobctl get 'src' out
	status_is 13
	err_has "attributes cannot be read"
	[ ! -e out/src/f150 ]
	blobctl -q put src 2>/dev/null
	blobctl -q get src out
	[ "$(getfacl -pcE out/src/f150)" = "$(getfacl -pcE src/f150)" ]
	same_tree src out/src
}

@test "-n says the same of a file that is somebody else's" {
	root_only "gives files away"
	small_tree src
	blobctl -q put src
	mkdir -p out/src
	cp -p src/a.txt out/src
	run --separate-stderr blobctl get -n latest out
	status_is 0
	chown 1234 out/src/a.txt
	run --separate-stderr blobctl get -n latest out
	status_is 3
	err_has "is there already"
	run --separate-stderr blobctl get latest out
	status_is 3
	err_has "is there already"
}

@test "what is lost from a folder that may not be written comes back" {
	root_only "becomes another user"
	let_in
	small_tree src
	chmod 500 src/sub
	blobctl -q put src
	chmod -R a+rX repo
	mkdir -m 777 theirs
	as_nobody env HOME=/nonexistent "$BLOBCTL" -q -R "$T/repo" get latest "$T/theirs/out"
	[ "$(stat -c %a theirs/out/src/sub)" = 500 ]
	rm "$(find theirs/out/src/sub -type f | head -1)"
	run as_nobody env HOME=/nonexistent "$BLOBCTL" -q -R "$T/repo" get latest "$T/theirs/out"
	status_is 0
	[ "$(stat -c %a theirs/out/src/sub)" = 500 ]
	diff -r src theirs/out/src
}

@test "an inode flag that a kept file lacks is set again" {
	root_only "sets inode flags"
	requires lsattr chattr
	small_tree src
	chattr +i src/a.txt 2>/dev/null || skip "no inode flags here"
	blobctl -q put src || :
	chattr -i src/a.txt
	blobctl -q get latest out
	first=$(lsattr out/src/a.txt)
	chattr -i out/src/a.txt
	[[ $first == ????i* ]]
	run blobctl -q get latest out
	again=$(lsattr out/src/a.txt)
	chattr -i out/src/a.txt
	[[ $again == ????i* ]]
	status_is 0
}
