#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# put: what is printed, names and roots, tags and times, what is unchanged, and
# sources that vanish, change or cannot be read.

load helpers

setup() {
	common_setup
	new_repo
}

@test "put prints the id, and the rest to people" {
	small_tree src
	run --separate-stderr blobctl put src
	status_is 0
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	err_has "5 files"
}

@test "-q is silent, unless the id is asked for" {
	small_tree src
	run --separate-stderr blobctl -q put src
	status_is 0
	[ -z "$output$stderr" ]
	run --separate-stderr blobctl -q put src --print-id
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[ -z "$stderr" ]
}

@test "--json: the snapshot, and counts in the summary" {
	small_tree src
	run --separate-stderr blobctl --json put src
	status_is 0
	json_ok
	has '"type":"snapshot"'
	has '"files":5'
	has '"logical_bytes":300013'
}

@test "a path is stored under its last component, dir/ and . as contents" {
	small_tree src
	blobctl -q put src --name=a
	blobctl -q put src/ --name=b
	(cd src && blobctl -q put . --name=c)
	blobctl -q put src/sub/../a.txt ./src/b.c --name=d
	[ "$(blobctl ls a)" = src ]
	[ "$(blobctl ls b)" = $'a.txt\nb.c\nsub' ]
	[ "$(blobctl ls c)" = $'a.txt\nb.c\nsub' ]
	[ "$(blobctl ls d)" = $'a.txt\nb.c' ]
}

@test "the name is that of the first path, or --name" {
	small_tree src
	blobctl -q put src
	blobctl -q put src/ repo/lock
	(cd src/sub && blobctl -q put .)
	blobctl -q put src --name='with blank:and colon'
	[ "$(blobctl ls --sort=none --format='{name}')" = \
		$'with blank:and colon\nsub\nsrc\nsrc' ]
	[ "$(blobctl cat 'with blank\:and colon:src/a.txt')" = one ]
}

@test "the repository is not put into itself" {
	mkdir all
	echo x >all/f
	blobctl -q init --no-remember all/repo
	for i in 1 2 3; do
		run --separate-stderr blobctl -R all/repo put -v all
		status_is 0
		err_has "all/repo is the repository itself and stored empty"
	done
	err_has "new 0 B"
	[ "$(blobctl -R all/repo ls -r latest)" = "all
all/f
all/repo" ]
	# Nobody means to store nothing.
	run --separate-stderr blobctl -R all/repo put all/repo
	status_is 0
	err_has "all/repo is the repository itself and stored empty"
	# Another repository is a tree like any other.
	blobctl -q put all
	blobctl ls -r latest | grep -q all/repo/superblock
}

@test "two roots of one name are refused, and nothing is stored" {
	mkdir x y
	echo 1 >x/same
	echo 2 >y/same
	run --separate-stderr blobctl put x/same y/same
	status_is 2
	err_has x/same
	err_has y/same
	[ -z "$(blobctl ls)" ]
}

@test "standard input" {
	printf 'from a pipe\n' | blobctl -q put - --name=p
	[ "$(blobctl cat p:stdin)" = "from a pipe" ]
	random_bytes 3000000 2 >r
	blobctl -q put - --name=q --stdin-name=r.bin <r
	blobctl cat q:r.bin | cmp - r
	blobctl -q put - --name=empty </dev/null
	[ "$(blobctl ls -l empty | cut -f4)" = 0 ]
	run blobctl put - r
	status_is 2
}

@test "tags and times" {
	echo x >f
	blobctl -q put f --tag=b=2 --tag=a=1 --time=2026-05-01T12:00:00Z
	[ "$(blobctl ls --format='{snapshot_time} {tags}')" = \
		"2026-05-01T12:00:00Z a=1 b=2" ]
}

@test "the same tree again stores next to nothing" {
	random_bytes 2000000 3 >f
	blobctl -q put f
	before=$(($(log_end repo/log/*) + $(cat repo/packs/* | wc -c)))
	for _ in 1 2 3; do
		blobctl -q put f
	done
	after=$(($(log_end repo/log/*) + $(cat repo/packs/* | wc -c)))
	[ $((after - before)) -le $((3 * 8192)) ]
	run blobctl --json put f
	has '"new_bytes":0'
}

@test "one id for one content, whatever the number of threads" {
	small_tree src
	random_bytes 5000000 4 >src/random
	touch -d 2026-01-02T03:04:05Z src/random src
	ids=
	for j in 1 2 7; do
		rm -rf repo
		new_repo
		blobctl -q -j$j put src --name=n --time=2026-01-01T00:00:00Z
		ids+=$(blobctl ls --format='{root_id}')$'\n'
	done
	[ "$(sort -u <<<"$ids" | grep -c .)" -eq 1 ]
}

@test "one id for one content, whatever the processor can do" {
	testing=$BLOBCTL-testing
	[ -x "$testing" ] || skip "there is no testing build beside the program"
	small_tree src
	random_bytes 5000000 4 >src/random
	touch -d 2026-01-02T03:04:05Z src/random src
	blobctl -q put src
	want=$(blobctl ls --format='{root_id}')
	rm -rf repo
	new_repo
	BLOBCTL_PORTABLE=1 run "$testing" doctor
	has "portable kernel"
	BLOBCTL_PORTABLE=1 "$testing" -q put src
	[ "$(blobctl ls --format='{root_id}')" = "$want" ]
	blobctl -q get latest out
	same_tree src out/src
	rm -rf out
	BLOBCTL_PORTABLE=1 "$testing" -q get latest out
	same_tree src out/src
}

@test "--if-changed makes no second snapshot of the same" {
	small_tree src
	put_quietly src
	first=$id
	put_quietly src --if-changed
	[ "$id" = "$first" ]
	[ "$(blobctl ls | wc -l)" -eq 1 ]
	echo more >>src/a.txt
	put_quietly src --if-changed
	[ "$id" != "$first" ]
	[ "$(blobctl ls | wc -l)" -eq 2 ]
}

@test "a file that was edited within the tick of its size is seen" {
	mkdir src
	for i in $(seq 30); do
		printf '%04d' "$i" >src/f
		blobctl -q put src
		[ "$(blobctl cat latest:src/f)" = "$(printf '%04d' "$i")" ]
	done
}

@test "--no-cache sees what kept size and times" {
	echo aaaa >f
	touch -d 2026-01-01 f
	blobctl -q put f
	ctime=$(stat -c %z f)
	blobctl -q put f --no-cache
	[ "$(blobctl cat latest:f)" = aaaa ]
	[ "$(stat -c %z f)" = "$ctime" ]
}

@test "-n reads and stores nothing" {
	small_tree src
	run --separate-stderr blobctl -n put src
	status_is 0
	[ -z "$output" ]
	err_has "would store: 5 files, 293 KiB; read in "
	# What of it would be new is not known.
	[[ $stderr != *new* ]]
	[[ $stderr != *stored\ in* ]]
	run --separate-stderr blobctl -n put --json src
	has '"new_bytes":null'
	[ -z "$(blobctl ls)" ]
	[ -z "$(ls repo/packs)" ]
}

@test "what cannot be found is named, nothing is committed" {
	echo x >f
	run --separate-stderr blobctl put f nonesuch
	status_is 4
	err_has nonesuch
	[ -z "$(blobctl ls)" ]
}

@test "unreadable files are named, the rest is kept, status 3" {
	root_only "becomes another user"
	let_in
	small_tree src
	chmod 000 src/a.txt
	mkdir src/locked
	echo x >src/locked/y
	chmod 700 src/locked
	chown -R 65534:65534 repo
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" put "$T/src"
	status_is 3
	err_has "a.txt"
	err_has "locked"
	err_has "Permission denied"
	[ "$(blobctl cat latest:src/b.c)" = two ]
	run blobctl ls latest:src/a.txt
	status_is 4
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" -q put "$T/src" \
		--ok-if=unreadable
	status_is 0
}

@test "a directory that can no longer be read is told and counted once" {
	root_only "becomes another user"
	let_in
	mkdir -p src/locked src/open
	echo x >src/locked/x
	echo y >src/open/y
	chmod 700 src/locked
	find src -exec touch -d 2026-01-02 {} +
	sleep 0.1
	blobctl -q put "$T/src"
	# What root has seen is known to the other user.
	chown -R 65534:65534 repo "$HOME"
	run --separate-stderr as_nobody "$BLOBCTL" put -vv "$T/src"
	status_is 3
	err_has "unchanged  src/open/"
	[ "$(grep -c 'src/locked: not stored' <<<"$stderr")" -eq 1 ]
	err_has "1 item could not be read in full"
	[ "$(blobctl cat latest:src/open/y)" = y ]
	run blobctl ls latest:src/locked
	status_is 4
}

@test "without /proc it is said whose extended attributes cannot be read" {
	mounts_or_skip
	requires setfattr getfattr
	mkdir -p src/dir
	echo x >src/file
	ln -s file src/link
	mkfifo src/fifo
	for item in src/dir src/file src/link src/fifo; do
		setfattr -h -n trusted.here -v yes $item || skip "no attributes here"
	done
	# shellcheck disable=SC2016
	unshare -m sh -c 'umount -l /proc && test ! -e /proc/self' ||
		skip "/proc cannot be unmounted"
	# A sanitizer needs it.
	# shellcheck disable=SC2016
	unshare -m sh -c 'umount -l /proc && exec "$0" version' "$BLOBCTL" ||
		skip "the program does not run without /proc"
	for _ in first second; do
		# shellcheck disable=SC2016
		run --separate-stderr unshare -m bash -c \
			'umount -l /proc && exec "$0" put src' "$BLOBCTL"
		status_is 3
		err_has "src/link: stored without all of its extended attributes: /proc is not mounted"
		err_has "src/fifo: stored without all of its extended attributes"
		err_has "2 items could not be read in full"
	done
	# The others have theirs, and these again where there is one.
	blobctl -q get latest:src without
	[ "$(getfattr -h --only-values -n trusted.here without/dir)" = yes ]
	[ "$(getfattr -h --only-values -n trusted.here without/file)" = yes ]
	run --separate-stderr blobctl put src
	status_is 0
	blobctl -q get latest:src with
	[ "$(getfattr -h --only-values -n trusted.here with/link)" = yes ]
	[ "$(getfattr -h --only-values -n trusted.here with/fifo)" = yes ]
}

@test "if nothing that was named can be read, there is no snapshot" {
	root_only "becomes another user"
	let_in
	echo x >f
	mkdir -p d
	chmod 000 f d
	chown -R 65534:65534 repo
	as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" -q put "$T/home"
	for paths in ./f d 'd ./f'; do
		run --separate-stderr as_nobody env HOME=/nonexistent \
			"$BLOBCTL" -R "$T/repo" put $paths --ok-if=unreadable
		status_is 1
		[ -z "$output" ]
		err_has "${paths%% *}"
		err_has "Permission denied"
		err_has "no snapshot is made"
		err_has "ls -ld ${paths%% *}"
	done
	[ "$(blobctl ls | wc -l)" -eq 1 ]
	# With one of them there is something to keep.
	run --separate-stderr as_nobody env HOME=/nonexistent \
		"$BLOBCTL" -R "$T/repo" put f home
	status_is 3
	[ "$(blobctl ls | wc -l)" -eq 2 ]
}

@test "-v tells each item by its path" {
	mkdir -p src/dir/deep
	echo 1 >src/a
	echo 2 >src/dir/deep/b
	run --separate-stderr blobctl put -v src
	status_is 0
	[[ "$stderr$output" = *src/a* ]]
	[[ "$stderr$output" = *src/dir/deep/b* ]]
	run --separate-stderr blobctl --json put -v --no-cache src
	status_is 0
	has '"path":"src/dir/deep/b"'
}

@test "unreadable files with -q: the error brings the warnings, --ok-if silence" {
	root_only "becomes another user"
	let_in
	mkdir src
	echo x >src/f
	chmod 000 src/f
	chown -R 65534:65534 repo
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" -q put "$T/src"
	status_is 3
	[ -z "$output" ]
	err_has "src/f: not stored"
	err_has "1 item could not be read in full; all else is stored"
	err_has "--ok-if=unreadable"
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" -q put "$T/src" --ok-if=unreadable
	status_is 0
	[ -z "$output$stderr" ]
}

@test "--if-changed says that nothing has changed, and whose id that is" {
	small_tree src
	put_quietly src
	run --separate-stderr blobctl put src --if-changed
	status_is 0
	[ "$output" = "$id" ]
	err_has "nothing has changed in 5 files, 293 KiB; snapshot ${id:0:8} serves"
	run --separate-stderr blobctl --json put src --if-changed
	json_ok
	has '"made":false'
}

@test "one file is not called 1 files" {
	echo x >f
	run --separate-stderr blobctl put f
	err_has "1 file, 2 B"
	run --separate-stderr blobctl get latest out
	err_has "restored 1 file, 2 B"
	run --separate-stderr blobctl check
	err_has "1 snapshot, "
	err_has " in 0 packs and 1 log checked"
}

@test "--json: unreadable files are warnings with a path" {
	root_only "becomes another user"
	let_in
	mkdir src
	echo x >src/f
	chmod 000 src/f
	chown -R 65534:65534 repo
	run --separate-stderr as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" --json put "$T/src"
	status_is 3
	json_ok
	has '"type":"warning","code":"file_unreadable"'
	has '"path":"src/f"'
}

@test "a source that shrinks, grows and vanishes while it is read" {
	mkdir src
	random_bytes 260000 1 >random
	for i in $(seq 60); do
		head -c $((200000 + i)) random >src/f$i
	done
	(
		for k in 1 2 3 4 5 6; do
			for i in $(seq 60); do
				case $((i % 4)) in
				0) truncate -s 1000 src/f$i ;;
				1) head -c 100000 /dev/zero >>src/f$i ;;
				2) rm -f src/f$i ;;
				3) tail -c $((50000 + k)) random >src/f$i ;;
				esac 2>/dev/null
			done
		done
	) &
	for _ in 1 2 3 4; do
		run blobctl put src
		[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	done
	wait
	run blobctl put src
	status_is 0
	blobctl -q get latest out
	same_tree src out/src
}

@test "a file that grows for ever ends" {
	random_bytes 100000 1 >f
	(
		trap 'exit 0' TERM
		while :; do
			head -c 65536 /dev/zero >>f
			[ "$(stat -c %s f)" -lt 300000000 ] || truncate -s 100000 f
		done
	) &
	writer=$!
	run timeout 60 "$BLOBCTL" put f
	kill $writer
	wait $writer || true
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
}

@test "names that are no text" {
	mkdir src
	printf x >"src/$(printf 'new\nline')"
	printf y >"src/$(printf 'bytes\xff\xfe')"
	printf z >"src/$(printf 'esc\033[31m')"
	printf w >'src/blank and "quotes"'
	run blobctl put src
	status_is 0
	blobctl -q get latest out
	same_tree src out/src
	[ "$(blobctl cat "latest:src/$(printf 'new\nline')")" = x ]
	[ "$(blobctl cat "latest:src/$(printf 'bytes\xff\xfe')")" = y ]
	run --separate-stderr blobctl --json ls latest:src
	json_ok
	has '"path":"src/bytes\ufffd\ufffd"' || has $'"path":"src/bytes\xef\xbf\xbd\xef\xbf\xbd"'
	has '"path_b64":"'
	[ "$(blobctl ls -0 latest:src | tr -cd '\0' | wc -c)" -eq 4 ]
}

@test "other file systems are left out with -x" {
	mounts_or_skip
	mkdir -p src/mnt
	echo in >src/a
	rmdir "$T/mnt"
	ln -s "$T/src/mnt" "$T/mnt"
	run unshare -m bash -c 'mount -t tmpfs tmpfs "$1/src/mnt" &&
		echo other >"$1/src/mnt/b" &&
		"$2" -q put "$1/src" --name=all && "$2" -q put -x "$1/src" --name=one' \
		_ "$T" "$BLOBCTL"
	status_is 0
	[ "$(blobctl cat all:src/mnt/b)" = other ]
	run blobctl ls one:src
	has src/mnt
	run blobctl ls one:src/mnt/b
	status_is 4
}

@test "a mount point that is named itself is stored with -x" {
	mounts_or_skip
	mkdir -p one two
	echo here >one/a
	run unshare -m bash -c 'mount -t tmpfs tmpfs "$1/two" &&
		mkdir "$1/two/sub" "$1/two/mnt" && echo other >"$1/two/sub/b" &&
		mount -t tmpfs tmpfs "$1/two/mnt" && echo deep >"$1/two/mnt/c" &&
		"$2" -q put -x "$1/one" "$1/two" --name=both' _ "$T" "$BLOBCTL"
	status_is 0
	[ "$(blobctl cat both:one/a)" = here ]
	[ "$(blobctl cat both:two/sub/b)" = other ]
	run blobctl ls both:two/mnt/c
	status_is 4
}

@test "no file but the repository's and a cache is written" {
	small_tree src
	blobctl -q put src
	blobctl -q ls >list
	[ "$(ls -A "$HOME")" = .cache ]
	[ "$(ls -A | sort | xargs)" = "home list repo src" ]
}

@test "with 64 files to be open at most" {
	mkdir -p src
	for d in $(seq 40); do
		mkdir -p src/$d/x/y
		echo "$d" | tee src/$d/f src/$d/x/f src/$d/x/y/f >/dev/null
	done
	run bash -c 'ulimit -n 64; "$0" put -j4 src' "$BLOBCTL"
	status_is 0
	run bash -c 'ulimit -n 64; "$0" get latest out' "$BLOBCTL"
	status_is 0
	same_tree src out/src
}

@test "two puts at once both count" {
	numbered_files a 300
	numbered_files b 400
	blobctl -q put a &
	pid=$!
	blobctl -q put b
	wait $pid
	[ "$(blobctl ls | wc -l)" -eq 2 ]
	blobctl -q get a oa
	blobctl -q get b ob
	same_tree a oa/a
	same_tree b ob/b
}

@test "eight first puts of a new repository at once" {
	# Each makes the catalog, and finds that another has begun to.
	local i k

	head -c 3000 /dev/urandom >f
	for ((i = 0; i < 30; i++)); do
		rm -rf R
		blobctl -q init --no-remember R
		for k in 1 2 3 4 5 6 7 8; do
			blobctl -q put -R R f --name "n$k" 2>>said || echo "$?" >>failed &
		done
		wait
		[ ! -e failed ] || { cat said; return 1; }
	done
	[ "$(blobctl ls -R R | wc -l)" -eq 8 ]
}

# slow_file FILE - in a repository where storing it takes some ten seconds.
slow_file() {
	rm -rf repo
	blobctl -q init repo --no-remember --reserve=64KiB --compression=zstd:19
	random_bytes "$2" 5 | base64 -w0 >"$1"
}

@test "a put that is stopped says nothing about the files in flight" {
	slow_file f 60000000
	run --separate-stderr blobctl --max-duration=1s put f
	status_is 8
	[[ $stderr != *"changed each time"* ]]
	run --separate-stderr timeout -s INT 1 "$BLOBCTL" put f
	[[ $stderr = *stopping* ]]
	[[ $stderr != *"changed each time"* ]]
	[ -z "$(blobctl ls)" ]
}

# stopping_put - a put in the background, at $pid, that has been told to stop.
stopping_put() {
	slow_file f 60000000
	"$BLOBCTL" put f 2>said &
	pid=$!
	sleep 1
	kill -TERM $pid
}

stops_by_term() {
	local rc=0
	wait "$pid" || rc=$?
	[ $rc = 143 ]
}

@test "two signals at once are one request to stop" {
	# As timeout(1) sends them: to its child, then to the group.
	stopping_put
	kill -TERM $pid
	stops_by_term
	grep -q "stopped; what is stored so far is kept" said
}

@test "a second signal, a little later, stops at once" {
	stopping_put
	until grep -q stopping said; do
		sleep 0.01
	done
	# It must not be done before the second one comes.
	kill -STOP $pid
	sleep 0.7
	kill -TERM $pid
	kill -CONT $pid
	stops_by_term
	grep -q "stopped at once" said
	run blobctl check
	status_is 0
}

stored_bytes() { blobctl stats | sed -n 's/^unique_bytes	//p'; }

@test "the progress of files knows how much there is" {
	slow_file f 60000000
	echo more >g
	run --separate-stderr blobctl --max-duration=1s --json put f g
	status_is 8
	has "\"total_bytes\":$(($(stat -c %s f) + 5)),\"total_final\":true"
	mkdir src
	mv f src
	run --separate-stderr blobctl --max-duration=1s --json put src
	status_is 8
	has '"total_final":false'
}

@test "a put that is stopped keeps what it has stored" {
	slow_file f 60000000
	run --separate-stderr blobctl --max-duration=1s put f
	status_is 8
	err_has "the time is up"
	err_has "the same command goes on from here"
	first=$(stored_bytes)
	[ "$first" -gt 0 ]
	run --separate-stderr blobctl --max-duration=1s put f
	status_is 8
	second=$(stored_bytes)
	[ "$second" -gt "$first" ]
	run --separate-stderr timeout -s INT 1 "$BLOBCTL" put f
	err_has "stopped; what is stored so far is kept"
	third=$(stored_bytes)
	[ "$third" -gt "$second" ]
	[ -z "$(blobctl ls)" ]
	run --separate-stderr blobctl check --read-data
	status_is 0
	# The rest, without the half of a minute that the whole of it takes.
	truncate -s $((third + 4000000)) f
	run --separate-stderr blobctl --json put f
	status_is 0
	new=$(sed -n 's/.*"type":"summary".*"new_bytes":\([0-9]*\).*/\1/p' <<<"$output")
	[ "$new" -lt 6000000 ]
	blobctl cat latest:f | cmp - f
}

@test "-v names what was read, -vv what was not, and why" {
	mkdir -p src/some src/same
	echo 1 >src/some/stays
	echo 2 >src/some/grows
	echo 3 >src/same/f
	find src -exec touch -h -d 2026-01-02 {} +
	sleep 0.1 # what is as young as the put is not trusted
	run --separate-stderr blobctl put -vv src
	status_is 0
	[[ $stderr == *"read       src/some/stays"* ]]
	[[ $stderr == *"read       src/same/f"* ]]
	sleep 0.1
	echo more >>src/some/grows
	echo new >src/some/new
	run --separate-stderr blobctl put -v src
	[ "$(grep ^src/ <<<"$stderr" | sort | xargs)" = "src/some/grows src/some/new" ]
	sleep 0.1
	echo more >>src/some/grows
	mv src/some/new src/some/newer
	run --separate-stderr blobctl put -vv --json src
	json_ok
	has '"path":"src/some/grows","path_b64":null,"entry_type":"file","size_bytes":12,"state":"changed"'
	has '"path":"src/same/","path_b64":null,"entry_type":"dir","size_bytes":2,"state":"unchanged"'
	[ "$(grep src/ <<<"$stderr" | sort | head -n 4)" = "changed    src/some/grows
read       src/some/newer
unchanged  src/same/
unchanged  src/some/stays" ]
}

@test "a tag that is given twice, or that tags nothing, is said" {
	echo x >f
	run --separate-stderr blobctl put f --tag=a=1 --tag=b=2 --tag=a=2
	status_is 2
	err_has "tag a is given twice"
	blobctl -q put f --tag=a=1
	run --separate-stderr blobctl put f --if-changed --tag=a=2
	status_is 0
	err_has "nothing has changed"
	err_has "blobctl tag"
	run --separate-stderr blobctl put f --if-changed
	[[ $stderr != *tag* ]]
}

@test "a snapshot that lacks items says so for ever" {
	root_only "becomes another user"
	let_in
	mkdir src
	echo x >src/f
	echo y >src/g
	chmod 000 src/f
	chown -R 65534:65534 repo
	run as_nobody env HOME=/nonexistent "$BLOBCTL" -R "$T/repo" -q put "$T/src" --ok-if=unreadable
	status_is 0
	blobctl -q put --name=whole src
	[ "$(blobctl ls --format='{name} {state}' --sort=name)" = "src partial
whole complete" ]
	run blobctl --json ls
	json_ok
	has '"state":"partial"'
	on_terminal "$BLOBCTL ls"
	has "1 snapshot made without items that could not be read: ls -l says which"
}

@test "of a large directory the files that changed are read, and no others" {
	mkdir src
	(cd src && seq -f 'name-%05g' 9500 | xargs touch -d 2026-01-02)
	sleep 0.1
	blobctl -q put src
	for i in 00001 04095 04096 04097 04200 08193 09500; do
		echo "$i" >"src/name-$i"
	done
	rm src/name-06000
	echo new >src/name-04096a
	run --separate-stderr blobctl put -v src
	status_is 0
	[ "$(grep ^src/ <<<"$stderr" | sort | xargs)" = "src/name-00001 src/name-04095 src/name-04096 src/name-04096a src/name-04097 src/name-04200 src/name-08193 src/name-09500" ]
	blobctl -q get latest:src out
	same_tree src out
}

@test "of many directories those that changed are read, whichever they are" {
	local changed name threads

	for name in $(seq -w 300); do
		echo "src/$name/sub"
	done | xargs mkdir -p
	for name in $(seq -w 300); do
		echo "$name" >"src/$name/sub/file"
	done
	find src -exec touch -d 2026-01-02 {} +
	sleep 0.1
	blobctl -q put src
	for threads in 1 4; do
		for changed in "001" "100" "300" "001 064 065 237" "236 237 238 299"; do
			for name in $changed; do
				echo "$changed $threads" >"src/$name/sub/file"
				touch -d 2026-01-03 "src/$name/sub/file"
			done
			sleep 0.1
			run --separate-stderr blobctl put -v --threads=$threads src
			status_is 0
			[ "$(grep -o '^src/.*' <<<"$stderr" | sort | xargs)" = "$(printf 'src/%s/sub/file ' $changed | xargs)" ]
			# All of it is known now, and none of it wrong.
			run --separate-stderr blobctl --json put -vv --if-changed --threads=$threads src
			json_ok
			has '"made":false'
			[ "$(grep -c '"state":"unchanged"' <<<"$output")" -eq 602 ]
			run --separate-stderr blobctl --json put --no-cache --if-changed src
			has '"made":false'
		done
	done
}

# hold_commits: a process that holds the commit lock until `end` is written to.
hold_commits() {
	mkfifo held end
	python3 -c '
import fcntl, struct
f = open("repo/lock", "r+b")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
open("held", "w").close()
open("end").close()
' 3>&- &
	holder=$!
	: <held
}

@test "a put that waits for the lock goes on waiting when it is asked how it is" {
	small_tree src
	hold_commits
	"$BLOBCTL" -q put --lock-wait=10min src 3>&- &
	waiter=$!
	for _ in 1 2 3; do
		sleep 0.2
		kill -USR1 $waiter
	done
	sleep 0.2
	kill -0 $waiter
	: >end
	wait $holder
	wait $waiter
	[ "$(blobctl ls | wc -l)" -eq 1 ]
}

@test "a put that waits for the lock can be stopped" {
	small_tree src
	hold_commits
	"$BLOBCTL" -q put --lock-wait=10min src 2>said 3>&- &
	waiter=$!
	sleep 0.5
	kill -TERM $waiter
	status=0
	wait $waiter || status=$?
	: >end
	wait $holder
	cat said
	[ $status -eq 143 ]
}

@test "a limit of file sizes is a failure that is told, and nothing is left" {
	random_bytes 3000000 7 >big
	run --separate-stderr bash -c 'ulimit -f 1000; exec "$0" put big' "$BLOBCTL"
	status_is 14
	err_has "File too large"
	err_has "ulimit -f"
	[ "$(blobctl ls | wc -l)" -eq 0 ]
	blobctl -q put big
	run --separate-stderr bash -c 'ulimit -f 1000; exec "$0" get latest out' "$BLOBCTL"
	status_is 1
	err_has "File too large"
	[ ! -e out/big ]
	blobctl -q check
}
