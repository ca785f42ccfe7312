#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# diff: what is added, removed, changed; parts; counts; the status.

load helpers

setup() {
	common_setup
	new_repo
	small_tree src
	blobctl -q put src
}

change() {
	echo more >>src/a.txt
	chmod 600 src/b.c
	rm -r src/sub/deep
	mkdir src/new
	echo n >src/new/n
	rm src/sub/link
	echo now a file >src/sub/link
	touch -d 2026-03-03 src/sub/empty
	blobctl -q put src
}

@test "kinds of change, with what differs" {
	change
	run --separate-stderr blobctl diff src~1 src
	status_is 0
	[ "$output" = "M	src/a.txt	content mtime
U	src/b.c	mode
+	src/new	
+	src/new/n	
-	src/sub/deep	
-	src/sub/deep/file.c	
U	src/sub/empty	mtime
T	src/sub/link	type" ]
	run --separate-stderr blobctl diff src src~1
	[[ $output == *"+	src/sub/deep/file.c"* ]]
}

@test "-0 ends rows with a zero byte, for names with newlines" {
	mkdir nl
	blobctl -q put nl
	: >nl/$'a\nb'
	blobctl -q put nl
	blobctl diff -0 nl~1 nl >rows
	printf '+\tnl/a\nb\t\0' | cmp - rows
}

@test "--stat" {
	change
	[ "$(blobctl diff --stat src~1 src)" = "added	2
removed	2
changed	1
type	1
attributes	2
added_bytes	2
removed_bytes	5
changed_before_bytes	4
changed_after_bytes	9" ]
}

@test "--exit-code is 5 where something differs, 0 where not" {
	change
	run blobctl diff --exit-code src~1 src
	status_is 5
	run blobctl diff --exit-code --stat src~1 src
	status_is 5
	run blobctl diff --exit-code src src
	status_is 0
	blobctl -q put src
	run blobctl diff --exit-code src~1 src
	status_is 0
	run blobctl diff src~2 src
	status_is 0
}

@test "parts of snapshots; files" {
	change
	[ "$(blobctl diff src~1:src/sub src:src/sub)" = "-	deep	
-	deep/file.c	
U	empty	mtime
T	link	type" ]
	[ "$(blobctl diff src~1:src/a.txt src:src/a.txt)" = \
		"M	src/a.txt	content mtime" ]
	run blobctl diff src:src/b.c src:src/b.c --exit-code
	status_is 0
	run blobctl diff src~1:src/sub/deep src:src/sub/deep
	status_is 4
}

@test "--json" {
	change
	run --separate-stderr blobctl --json diff src~1 src
	status_is 0
	json_ok
	has '"type":"change","change":"M","path":"src/a.txt"'
	has '"before_bytes":4,"after_bytes":9'
	has '"added":2,"removed":2,"changed":1'
	has '"changed_before_bytes":4,"changed_after_bytes":9'
}

@test "directories of thousands that differ in one" {
	mkdir many
	(cd many && seq -f '%05g' 9000 | xargs touch)
	blobctl -q put many
	echo x >many/04500
	rm many/08999
	blobctl -q put many
	[ "$(blobctl diff many~1 many)" = "M	many/04500	content mtime
-	many/08999	" ]
}

@test "hard links are told by what they are, not by their numbers" {
	ln src/a.txt src/again
	blobctl -q put src
	cp -a src src2
	rm -rf src
	mv src2 src
	blobctl -q put src
	run blobctl diff src~1 src
	[[ $output != *links* ]]
	rm src/again
	cp -a src/a.txt src/again
	blobctl -q put src
	run blobctl diff src~1 src
	[[ $output == *"U	src/a.txt	links"* ]]
}

@test "--stat on a terminal is a line for each, however narrow" {
	rm -rf src; mkdir src
	echo 1 >src/a
	blobctl -q put src
	echo 2 >src/b
	blobctl -q put src
	on_terminal "stty cols 60; '$BLOBCTL' --no-pager diff src~1 src --stat"
	[ "${#lines[@]}" -eq 5 ]
	has "added                       1  2 B"
	has "other content               0"$'\n'
	has "other attributes            0"
	truncate -s 1234567890 src/a
	blobctl -q put src
	on_terminal "stty cols 60; '$BLOBCTL' --no-pager diff src~1 src --stat"
	has "other content               1  2 B -> 1.15 GiB"
	[ "$(widest_line)" -le 60 ]
}
