#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# init: what it makes and remembers, a folder that is not free, one that an
# interrupted init left, two at once, no rights, no home.

load helpers

@test "init makes a repository and prints its id" {
	run --separate-stderr blobctl init r
	status_is 0
	[[ $output =~ ^[0-9a-f]{32}$ ]]
	err_has "set as the default repository"
	[ -f r/superblock ]
	cmp r/superblock r/superblock.copy
	run blobctl ls
	status_is 0
	[ -z "$output" ]
}

@test "init makes only the last folder of a path" {
	run blobctl init x/y/r
	[ "$status" -ne 0 ]
	[ ! -e x ]
}

@test "a second init does not change what is remembered" {
	blobctl -q init one
	blobctl -q init two
	grep -q "repo = \"$T/one\"\$" "$XDG_CONFIG_HOME/blobctl/blobctl.conf"
}

@test "--no-remember leaves the configuration alone" {
	run --separate-stderr blobctl init --no-remember r
	status_is 0
	[ -z "$stderr" ]
	[ ! -e "$XDG_CONFIG_HOME" ]
}

@test "-R names the folder, too" {
	run blobctl -R r init --no-remember
	status_is 0
	[ -f r/superblock ]
	run blobctl init
	status_is 2
}

@test "-q is silent, --json is not" {
	run --separate-stderr blobctl -q init a
	status_is 0
	[ -z "$output$stderr" ]
	run --separate-stderr blobctl --json init b
	status_is 0
	json_ok
	has '"type":"repo"'
	has '"made":true'
}

@test "what is there already is kept" {
	blobctl -q init r
	sum=$(cat r/superblock r/log/* | sha256sum)
	run --separate-stderr blobctl init r
	status_is 1
	err_has "is a repository already"
	err_has "--if-missing"
	run blobctl -q init r --if-missing
	status_is 0
	[ "$(cat r/superblock r/log/* | sha256sum)" = "$sum" ]
	mkdir full
	echo precious >full/file
	run --separate-stderr blobctl init full
	status_is 1
	err_has "is not empty (it holds file)"
	[ "$(cat full/file)" = precious ]
	run --separate-stderr blobctl init full --if-missing
	status_is 1
	run blobctl init full/file
	[ "$status" -ne 0 ]
}

@test "--if-missing prints the id of what is there" {
	made=$(blobctl init r --no-remember)
	[ "$(blobctl init r --no-remember --if-missing)" = "$made" ]
}

@test "-n makes nothing" {
	run blobctl -n init r
	status_is 0
	[ ! -e r ]
}

@test "what an interrupted init left is finished by the next" {
	blobctl -q init --no-remember r
	rm r/superblock r/superblock.copy
	run --separate-stderr blobctl -R r ls
	status_is 10
	err_has "blobctl init r"
	run blobctl -q init --no-remember r
	status_is 0
	run blobctl -R r ls
	status_is 0
	# Between the two copies.
	rm r/superblock
	run --separate-stderr blobctl -R r ls
	status_is 0
	run blobctl -q init --no-remember r
	# The copy alone is enough for others, so it is a repository.
	[ "$status" -eq 0 ] || [ "$status" -eq 1 ]
	run blobctl -R r ls
	status_is 0
}

@test "packs without a superblock are not taken for an interrupted init" {
	new_repo
	random_bytes 6000000 1 >big
	blobctl -q put big
	[ -n "$(ls repo/packs)" ]
	rm repo/superblock repo/superblock.copy
	run --separate-stderr blobctl init repo
	status_is 1
	err_has "damaged"
	[ -n "$(ls repo/packs)" ]
}

@test "many inits at once: one makes it, the others say so" {
	for i in 1 2 3 4 5 6 7 8; do
		{
			st=0
			blobctl -q init --no-remember r 2>err.$i || st=$?
			echo $st >st.$i
		} &
	done
	wait
	[ "$(cat st.* | grep -c '^0$')" -eq 1 ]
	[ "$(cat st.* | grep -cE '^(0|1|11)$')" -eq 8 ]
	echo x >f
	run blobctl -R r put f
	status_is 0
}

@test "options are kept in the superblock" {
	blobctl -q init --no-remember r --chunker=fixed:1MiB --pack-size=16MiB \
		--compression=zstd:3 --reserve=1MiB
	run python3 -c '
import struct
s = open("r/superblock", "rb").read()
print(s[74], *struct.unpack_from("<IIIi", s, 76), *struct.unpack_from("<QQ", s, 96))'
	[ "$output" = "2 1048576 1048576 1048576 3 16777216 1048576" ]
	[ "$(stat -c %s r/reserve)" -eq 1048576 ]
	[ "$(($(stat -c '%b * %B' r/reserve)))" -ge 1048576 ]
}

@test "small chunks are compressed harder, unless that is said" {
	while read -r level options; do
		rm -rf r
		blobctl -q init --no-remember r $options
		run python3 -c '
import struct
s = open("r/superblock", "rb").read()
print(*struct.unpack_from("<i", s, 88))'
		echo "$options"
		[ "$output" = "$level" ]
	done <<-TABLE
		1
		1 --chunker=cdc:64KiB
		1 --chunker=fixed:4KiB
		5 --chunker=cdc:32KiB
		5 --chunker=cdc:4KiB
		1 --chunker=cdc:16KiB --compression=zstd
		2 --chunker=cdc:16KiB --compression=zstd:2
		0 --chunker=cdc:16KiB --compression=none
	TABLE
}

@test "the repository is its owner's alone" {
	umask 022
	new_repo
	[ "$(stat -c %a repo)" = 700 ]
	[ -z "$(find repo ! -perm /077 -prune -o -print)" ]
}

@test "no rights, no space for a folder" {
	root_only "becomes another user"
	let_in
	mkdir mine
	chmod 700 mine
	run --separate-stderr as_nobody "$BLOBCTL" init --no-remember "$T/mine/r"
	status_is 1
	err_has "Permission denied"
}

@test "without any environment" {
	run env -i "$BLOBCTL" init --no-remember "$T/r"
	status_is 0
	echo x >f
	run env -i "$BLOBCTL" -R "$T/r" put "$T/f"
	status_is 0
	run env -i "$BLOBCTL" -R "$T/r" cat latest:f
	[ "$output" = x ]
}

@test "-n says what would be done, and what is in the way" {
	run --separate-stderr blobctl init -n new
	status_is 0
	err_has "would make a repository in new"
	[ ! -e new ]
	blobctl -q init --no-remember there
	run --separate-stderr blobctl init -n there
	status_is 1
	err_has "is a repository already"
	run --separate-stderr blobctl init -n there --if-missing
	status_is 0
	mkdir full
	echo x >full/mine
	run --separate-stderr blobctl init -n full
	status_is 1
	err_has "is not empty"
	err_has "choose an empty or a new folder"
	echo x >file
	for n in -n --no-dry-run; do
		run --separate-stderr blobctl init $n file
		status_is 1
		err_has "file is no folder"
		err_has "choose an empty or a new folder"
	done
}

# folders - one for each thing that a folder may be.
folders() {
	mkdir -p f/empty f/file f/packs/packs f/tmp f/tmp-mine f/log/log f/bits/log \
		f/link f/lost+found/lost+found
	echo x >f/file/mine
	echo x >f/packs/packs/data.pack
	: >f/tmp/.tmp-77-1
	echo x >f/tmp-mine/.tmp-notes
	echo x >f/log/log/today
	mkdir f/bits/{packs,index}
	: >f/bits/lock
	echo x >f/no-folder
	blobctl -q init --no-remember f/there
	cp -a f/there f/copy-alone
	rm f/copy-alone/superblock
	cp -a f/copy-alone f/copy-damaged
	: >f/copy-damaged/superblock.copy
	cp -a f/there f/half-made
	rm f/half-made/superblock*
	cp -a f/half-made f/catalog
	: >f/catalog/catalog.db
	ln -s ../file f/link/log
	mkdir f/packs-file
	echo x >f/packs-file/packs
}

@test "-n says just what init does, whatever the folder is" {
	while read -r name want words; do
		rm -rf f
		folders
		before=$(find f -printf '%p %s %y\n' | sort)
		run --separate-stderr blobctl -n init --no-remember "f/$name"
		status_is "$want"
		pretended=$stderr
		[ "$(find f -printf '%p %s %y\n' | sort)" = "$before" ]
		run --separate-stderr blobctl init --no-remember "f/$name"
		status_is "$want"
		if [ "$want" -eq 0 ]; then
			[[ $pretended = *"would make a repository in f/$name"* ]]
			[ -f "f/$name/superblock" ]
			blobctl -R "f/$name" check >/dev/null 2>&1
		else
			[ "$stderr" = "$pretended" ]
			err_has "$words"
			# Nothing of it is gone.
			after=$(find f -printf '%p %s %y\n' | grep -v ' d$' | sort)
			[ -z "$(comm -23 <(grep -v ' d$' <<<"$before") - <<<"$after")" ]
		fi
	done <<-'TABLE'
		new            0
		new/           0
		no/where       4 there is no folder f/no to make it in
		empty          0
		lost+found     0
		tmp            0
		bits           0
		half-made      0
		copy-damaged   0
		file           1 is not empty (it holds mine)
		tmp-mine       1 is not empty (it holds .tmp-notes)
		log            1 is not empty (it holds log/today)
		link           1 is not empty (it holds log/mine)
		packs-file     1 is not empty (it holds packs)
		catalog        1 is not empty (it holds catalog.db)
		packs          1 holds data (packs/) but no superblock
		there          1 is a repository already
		copy-alone     1 is a repository already
		no-folder      1 f/no-folder is no folder
		no-folder/x    4 f/no-folder is no folder
	TABLE
}

@test "who finds no repository says the same of the folder" {
	while read -r name want words; do
		rm -rf f
		folders
		run --separate-stderr blobctl -R "f/$name" ls
		status_is "$want"
		err_has "$words"
	done <<-'TABLE'
		new        10 blobctl init f/new
		empty      10 blobctl init f/empty
		half-made  10 blobctl init f/half-made
		file       10 it holds mine; name the repository's own folder
		log        10 it holds log/today; name the repository's own folder
		packs      13 both of its superblocks are gone
		no-folder  10 is a file; a repository is a folder
		copy-alone 0
	TABLE
}

@test "a second repository does not become the default, and says so" {
	blobctl -q init one
	run --separate-stderr blobctl init two
	status_is 0
	err_has "the default repository stays $T/one"
	err_has "-R $T/two"
	run --separate-stderr blobctl init --if-missing two
	err_has "the default repository stays $T/one"
	run --separate-stderr blobctl init --if-missing one
	[[ $stderr != *"the default repository"* ]]
	run --separate-stderr blobctl init --no-remember three
	[[ $stderr != *"the default repository"* ]]
	echo x >f
	blobctl -q put f
	[ "$(blobctl -R "$T/one" ls | wc -l)" -eq 1 ]
}

@test "a default that cannot be recorded: how to go on without" {
	mkdir -p "$XDG_CONFIG_HOME/blobctl"
	echo '[cores]' >"$XDG_CONFIG_HOME/blobctl/blobctl.conf"
	run --separate-stderr blobctl init 'my repo'
	status_is 0
	err_has "not set as the default repository: "
	err_has "for this one: -R '$T/my repo'"
}

@test "an init waits for another one, and names it when that takes too long" {
	mkdir r
	mkfifo held end
	python3 -c '
import fcntl, struct
f = open("r/lock", "w+b")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2, 1, 0))
open("held", "w").close()
open("end").close()
' 3>&- &
	holder=$!
	: <held
	run --separate-stderr blobctl init --no-remember --if-missing --lock-wait=0 r
	status_is 11
	err_has "pid $holder is making a repository in r and has not finished in time"
	err_has "wait longer with --lock-wait"
	[ ! -e r/superblock ]
	blobctl -q init --no-remember --if-missing --lock-wait=10min r 3>&- &
	waiter=$!
	sleep 0.2
	kill -0 $waiter
	: >end
	wait $holder
	wait $waiter
	blobctl -R r ls
}

@test "--if-missing with another chunker than there is warns" {
	blobctl -q init --no-remember r
	run --separate-stderr blobctl init --no-remember --if-missing r --chunker=fixed:1MiB
	status_is 0
	err_has "the repository is there already, with --chunker=cdc:64KiB"
	for same in "" --chunker=cdc:64KiB --chunker=cdc:16KiB/64KiB/256KiB; do
		run --separate-stderr blobctl init --no-remember --if-missing r $same
		status_is 0
		[ -z "$stderr" ]
	done
}

@test "the sizes of chunks that there are" {
	for spec in cdc:4KiB cdc:4MiB fixed:4KiB fixed:16MiB; do
		blobctl -q init --no-remember "r-$spec" --chunker=$spec
	done
	for spec in cdc:2KiB cdc:8MiB fixed:2KiB fixed:32MiB cdc:48KiB; do
		run --separate-stderr blobctl init --no-remember r --chunker=$spec
		status_is 2
		err_has "a power of two, 4KiB to "
	done
	run blobctl help init
	has "cdc:4KiB to cdc:4MiB"
}

@test "--if-missing does not accept what the next command cannot open" {
	blobctl -q init --no-remember r
	mv r/log away
	run --separate-stderr blobctl init --no-remember --if-missing r
	status_is 13
	[ -z "$output" ]
	err_has "blobctl -R r check"
	mv away r/log
	run --separate-stderr blobctl init --no-remember --if-missing r
	status_is 0
}

@test "commands in hints can be pasted, whatever the names are" {
	blobctl -q init one
	run --separate-stderr blobctl -R 'no repo' ls
	status_is 10
	err_has "try: blobctl init 'no repo'"
	run --separate-stderr blobctl -R -x ls
	err_has "try: blobctl init ./-x"
	mkdir 'my docs'
	touch 'my docs/a'
	run --separate-stderr blobctl -R 'my docs' ls
	err_has "blobctl init 'my docs/blobs'"
	run --separate-stderr blobctl init 'my repo3'
	err_has "for this one: -R '$T/my repo3'"
	blobctl -q put 'my docs'
	run --separate-stderr blobctl cat 'my docs:my docs'
	err_has "try: blobctl get 'my docs:my docs'"
	mkdir 'my docs/my docs'
	blobctl -q put 'my docs'
	echo changed >'my docs/a'
	run --separate-stderr blobctl get 'my docs:my docs/a' 'my docs/a'
	err_has "try: blobctl get 'my docs:my docs/a' NEW"
	run --separate-stderr blobctl get latest --include='a *'
	err_has "try: blobctl find 'a *'"
	run --separate-stderr blobctl find "it's"
	err_has "finds it as a part"
	[[ $stderr != *"'*it's*'"* ]]
}
