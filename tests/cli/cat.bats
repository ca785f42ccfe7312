#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# cat: whole files and ranges, what is no file, a closed pipe.

load helpers

setup() {
	common_setup
	new_repo
	mkdir src
	random_bytes 3000000 1 >src/r
	printf 0123456789 >src/d
	: >src/empty
	ln -s d src/link
	blobctl -q put src
}

@test "the bytes, and nothing else" {
	blobctl cat latest:src/r | cmp - src/r
	[ "$(blobctl cat latest:src/d)" = 0123456789 ]
	[ "$(blobctl cat "latest:$T/src/d")" = 0123456789 ]
	[ -z "$(blobctl cat latest:src/empty)" ]
}

@test "ranges" {
	[ "$(blobctl cat latest:src/d --range=2-4)" = 234 ]
	[ "$(blobctl cat latest:src/d --range=0-0)" = 0 ]
	[ "$(blobctl cat latest:src/d --range=7-)" = 789 ]
	[ "$(blobctl cat latest:src/d --range=-3)" = 789 ]
	[ "$(blobctl cat latest:src/d --range=-30)" = 0123456789 ]
	[ "$(blobctl cat latest:src/d --range=8-30)" = 89 ]
	[ -z "$(blobctl cat latest:src/d --range=10-)" ]
	[ -z "$(blobctl cat latest:src/empty --range=0-)" ]
	for r in 0-65535 65535-65536 1000000-1999999 2999999- -65537; do
		blobctl cat latest:src/r --range=$r >got
		python3 - "$r" <<-'PY'
		import sys
		a, b = sys.argv[1].split("-")
		d = open("src/r", "rb").read()
		want = d[-int(b):] if a == "" else d[int(a):int(b) + 1 if b else None]
		assert open("got", "rb").read() == want, sys.argv[1]
		PY
	done
}

@test "a range that begins beyond the end is refused, with the size" {
	for r in 10-10 10-20 11- 99-100; do
		run --separate-stderr blobctl cat latest:src/d --range=$r
		status_is 2
		[ -z "$output" ]
		err_has "--range begins at ${r%-*}, and the file has 10 bytes"
	done
	run --separate-stderr blobctl cat latest:src/empty --range=0-0
	status_is 2
	run --separate-stderr blobctl cat latest:src/empty --range=-5
	status_is 0
	[ -z "$output$stderr" ]
}

@test "a terminal gets text, and nothing that it would obey" {
	printf 'Grüße,\tyou\n' >src/text
	printf 'abc\0def' >src/nul
	printf 'abc\033[31mred' >src/escape
	printf 'abc\302\233mred' >src/csi
	{ head -c 5000000 /dev/zero | tr '\0' x; printf '\007'; } >src/late
	blobctl -q put src
	on_terminal "'$BLOBCTL' cat latest:src/text; echo status \$?"
	[ "$output" = "$(cat src/text; echo status 0)" ]
	for f in nul escape csi; do
		on_terminal "'$BLOBCTL' cat latest:src/$f; echo status \$?"
		has "not written to a terminal: byte"
		has ">FILE, | less"
		has "status 2"
		[[ $output != *abc* ]]
	done
	on_terminal "NO_COLOR=1 '$BLOBCTL' cat latest:src/late; echo status \$?"
	has "the rest is not written to a terminal: byte 07 at 5000000"
	has "status 2"
	[ "$(blobctl cat latest:src/escape)" = "$(cat src/escape)" ]
}

@test "what is no file is refused" {
	run --separate-stderr blobctl cat latest:src
	status_is 2
	err_has "is a dir"
	run --separate-stderr blobctl cat latest:src/link
	status_is 2
	run --separate-stderr blobctl cat latest:src/nonesuch
	status_is 4
	run --separate-stderr blobctl cat latest
	status_is 2
}

@test "a reader that has seen enough is no failure to talk about" {
	run --separate-stderr bash -c \
		'"$0" cat latest:src/r | head -c 10 >/dev/null; exit "${PIPESTATUS[0]}"' \
		"$BLOBCTL"
	[ "$status" -eq 0 ] || [ "$status" -eq 141 ]
	[ -z "$stderr" ]
}

@test "events go beside the payload with --status-fd" {
	blobctl cat latest:src/d --status-fd=3 3>events >got
	[ "$(cat got)" = 0123456789 ]
	grep -q '"type":"summary".*"written_bytes":10' events
}

@test "a damaged chunk: what was right is given, then status 13" {
	rm -rf repo
	new_repo --compression=none
	blobctl -q put src
	pack=$(find repo/packs -type f -size +2M)
	flip "$pack" 2000000
	run --separate-stderr bash -c '"$0" cat latest:src/r >got' "$BLOBCTL"
	status_is 13
	[ "$(stat -c %s got)" -lt 3000000 ]
	cmp -n "$(stat -c %s got)" got src/r
	[ "$(blobctl cat latest:src/r --range=0-9 | md5sum)" = \
		"$(head -c 10 src/r | md5sum)" ]
}

@test "what is no file: where to look instead" {
	mkfifo src/fifo
	blobctl -q put src
	for name in link fifo; do
		run --separate-stderr blobctl cat "src:src/$name"
		status_is 2
		err_has "is a $name, not a file"
		err_has "try: blobctl ls -l src:src/$name"
	done
}
