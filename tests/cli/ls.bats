#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# ls: snapshots and what is in them; columns, order, formats; keys of all forms.

load helpers

setup() {
	common_setup
	new_repo
}

# three - snapshots called a, b, a of three days; their ids in $a1 $b $a2.
three() {
	echo 1 >f
	put_quietly f --name=a --time=2026-01-01T00:00:00Z --tag=k=1
	a1=$id
	echo 22 >f
	put_quietly f --name=b --time=2026-01-02T00:00:00Z --tag=k=2 --tag=x=y
	b=$id
	echo 333 >f
	put_quietly f --name=a --time=2026-01-03T00:00:00Z
	a2=$id
}

@test "an empty repository has no snapshots" {
	run --separate-stderr blobctl ls
	status_is 0
	[ -z "$output$stderr" ]
	on_terminal "'$BLOBCTL' --no-pager ls"
	has "no snapshots yet: blobctl put PATH makes one"
}

@test "a mistyped key gets the right suggestion" {
	three
	blobctl -q put f --name=pictures
	for pair in latst:latest picture:pictures pictrues:pictures lastest:latest; do
		run --separate-stderr blobctl cat "${pair%%:*}:f"
		status_is 4
		err_has "did you mean ${pair##*:}?"
	done
}

@test "what is not that old, or that far back, is counted" {
	three
	run --separate-stderr blobctl ls latest~99
	status_is 4
	err_has "there are 3 snapshots, none that far back"
	run --separate-stderr blobctl ls latest@2025-01-01
	err_has "there are 3 snapshots, none that old"
	run --separate-stderr blobctl ls a~99
	err_has "a has 2 snapshots, none that far back"
}

@test "short names and short ids get a word of their own" {
	echo x >f
	blobctl -q put f --name=proj
	blobctl -q put f --name=aaa
	run --separate-stderr blobctl ls prj
	status_is 4
	err_has "did you mean proj?"
	run --separate-stderr blobctl ls aab
	err_has "did you mean aaa?"
	run --separate-stderr blobctl ls abb
	[[ $stderr != *"did you mean"* ]]
	run --separate-stderr blobctl ls 531
	status_is 4
	err_has "an id needs at least 6 of its digits"
}

@test "a colon in a name: how it is written" {
	echo x >f
	blobctl -q put f --name=db:main
	for key in db:main db:main:f; do
		run --separate-stderr blobctl ls "$key"
		status_is 4
		err_has "a colon in a name is written \\: as in 'db\\:...'"
	done
	[ "$(blobctl ls 'db\:main')" = f ]
	run --separate-stderr blobctl ls 'db\:main' --format='{path'
	status_is 2
	err_has "{path has no }"
}

@test "tags and paths that are mistyped get a suggestion" {
	mkdir -p src/sub
	echo x >"src/sub/read me.txt"
	blobctl -q put src --tag=branch=main
	blobctl -q put src --tag=branch=dev
	run --separate-stderr blobctl ls latest:tag=branch=mian
	status_is 4
	err_has "did you mean latest:tag=branch=main?"
	run --separate-stderr blobctl ls latest:tag=brnch=dev
	err_has "did you mean latest:tag=branch=dev?"
	run --separate-stderr blobctl ls latest:tag=x=y
	[[ $stderr != *"did you mean"* ]]
	run --separate-stderr blobctl cat "latest:src/sub/raed me.txt"
	status_is 4
	err_has "did you mean src/sub/read me.txt?"
	run --separate-stderr blobctl get latest:sr/sub
	status_is 4
	err_has "did you mean src?"
	run --separate-stderr blobctl tag latest --remove=brnach
	err_has "has no tag brnach to remove; did you mean branch?"
}

@test "a path that is not there: the nearest folder that is" {
	mkdir -p "src/sub/a b"
	echo x >src/sub/f
	put_quietly src
	run --separate-stderr blobctl ls latest:src/sub/nonesuch/deep
	status_is 4
	err_has "there is no nonesuch in src/sub"
	err_has "blobctl ls ${id:0:16}:src/sub   shows what there is"
	run --separate-stderr blobctl cat latest:src/sub/f/x
	status_is 4
	err_has "blobctl ls ${id:0:16}:src/sub   shows what there is"
	run --separate-stderr blobctl get "latest:src/sub/a b/x"
	status_is 4
	err_has "blobctl ls '${id:0:16}:src/sub/a b'   shows what there is"
	run --separate-stderr blobctl ls latest:nonesuch
	err_has "blobctl ls ${id:0:16}   shows what there is"
	run --separate-stderr blobctl ls "latest:$T/src/sub/none"
	err_has "blobctl ls ${id:0:16}:src/sub   shows what there is"
}

@test "on a pipe: tab-separated, no header, newest first" {
	three
	run --separate-stderr blobctl ls
	status_is 0
	[ "$output" = "$a2	2026-01-03T00:00:00Z	a	4	1	
$b	2026-01-02T00:00:00Z	b	3	1	k=2 x=y
$a1	2026-01-01T00:00:00Z	a	2	1	k=1" ]
}

@test "on a terminal: a header, short ids, sizes for people" {
	three
	on_terminal "NO_COLOR=1 '$BLOBCTL' --no-pager ls"
	[[ ${lines[0]} == ID*TIME*NAME*SIZE*FILES*TAGS* ]]
	has "${a2:0:8}  2026-01-03 00:00:00"
	has "4 B"
	[[ $output != *"${a2:0:12}"* ]]
}

@test "tables fit the terminal: what is missed least goes first" {
	deep=a-directory-with-a-name/another-of-them
	mkdir -p "src/$deep"
	echo x >"src/$deep/file-at-the-end.txt"
	blobctl -q put src --name=a-name-as-long-as-names-are --tag=alpha=one \
		--tag=beta=two --time=2026-01-03T00:00:00Z
	for cols in 60 80 200; do
		for args in ls "ls -l" "ls -rl latest"; do
			on_terminal "stty cols $cols; NO_COLOR=1 '$BLOBCTL' --no-pager $args"
			[ "$(widest_line)" -le $cols ]
			[[ $args != ls* || ${lines[0]} != *…* ]]
		done
	done
	# Narrow ones too; whole columns go, no number is cut.
	for cols in 8 20 30 40; do
		for args in ls "ls -l" "ls -rl latest"; do
			on_terminal "stty cols $cols; NO_COLOR=1 '$BLOBCTL' --no-pager $args"
			[[ ${lines[0]} != *…* ]]
			[[ ${lines[0]} == *" "* || ${lines[0]} == [NP]A[MT][EH] ]]
			[[ ${lines[0]} != *" "* || $(widest_line) -le $cols ]]
			[[ ${lines[0]} == *NAME* || ${lines[0]} == *PATH* ]]
			run grep -E '[0-9. ]…' <<<"$output"
			status_is 1
		done
	done
	on_terminal "stty cols 40; NO_COLOR=1 '$BLOBCTL' --no-pager ls -rl latest"
	[[ ${lines[0]} == SIZE*MODIFIED*PATH ]]
	on_terminal "stty cols 30; NO_COLOR=1 '$BLOBCTL' --no-pager ls -rl latest"
	[[ ${lines[0]} == *SIZE*PATH ]]
	on_terminal "stty cols 200; NO_COLOR=1 '$BLOBCTL' --no-pager ls -rl latest"
	# Not stretched, nothing left out.
	[[ ${lines[0]} == MODE*USER*GROUP*SIZE*MODIFIED*PATH ]]
	has "src/$deep/file-at-the-end.txt"
	on_terminal "stty cols 60; NO_COLOR=1 '$BLOBCTL' --no-pager ls"
	[[ ${lines[0]} == ID*TIME*NAME*SIZE*TAGS ]]
	has "2026-01-03 00:00  a"
	on_terminal "stty cols 60; NO_COLOR=1 '$BLOBCTL' --no-pager ls -rl latest"
	[[ ${lines[0]} == MODE*SIZE*MODIFIED*PATH ]]
	has "e-end.txt"
	# The script that reads it gets all, whatever COLUMNS says.
	[ "$(COLUMNS=40 blobctl ls -l | awk -F'\t' '{ print NF }')" -eq 10 ]
}

@test "one column is for pasting: never cut" {
	long=$(printf 'x%.0s' $(seq 150))
	mkdir src
	echo x >"src/$long"
	blobctl -q put src
	on_terminal "stty cols 60; NO_COLOR=1 '$BLOBCTL' --no-pager ls latest:src"
	has "src/$long"
	on_terminal "stty cols 60; NO_COLOR=1 '$BLOBCTL' --no-pager find 'x*'"
	has ":src/$long"
}

@test "--tag chooses, --sort orders, --format shapes" {
	three
	[ "$(blobctl ls --tag=k=2 --format='{name}')" = b ]
	[ "$(blobctl ls --tag=k=2 --tag=x=y --format='{name}')" = b ]
	[ -z "$(blobctl ls --tag=k=2 --tag=x=n)" ]
	[ "$(blobctl ls --sort=name --format='{name}{logical_bytes}' | xargs)" = "a4 a2 b3" ] ||
		[ "$(blobctl ls --sort=name --format='{name}{logical_bytes}' | xargs)" = "a2 a4 b3" ]
	[ "$(blobctl ls --sort=size --format='{logical_bytes}' | xargs)" = "4 3 2" ]
	[ "$(blobctl ls --sort=time --format='{logical_bytes}' | xargs)" = "4 3 2" ]
	[ "$(blobctl ls --format='{name}={files}' --sort=none | head -1)" = a=1 ]
	run --separate-stderr blobctl ls --format='{nonesuch}'
	status_is 2
	err_has "keys are id"
	run blobctl ls --tag=k=2 latest
	status_is 2
	run blobctl ls -r
	status_is 2
}

@test "keys: name, ~N, @DATE, latest, tag, prefix, full id" {
	three
	[ "$(blobctl cat a:f)" = 333 ]
	[ "$(blobctl cat a~1:f)" = 1 ]
	[ "$(blobctl cat latest:f)" = 333 ]
	[ "$(blobctl cat latest~1:f)" = 22 ]
	[ "$(blobctl cat latest:tag=k=2:f)" = 22 ]
	[ "$(blobctl cat a@2026-01-02:f)" = 1 ]
	[ "$(blobctl cat latest@2026-01-02:f)" = 22 ]
	[ "$(blobctl cat "${b:0:6}:f")" = 22 ]
	[ "$(blobctl cat "$b:f")" = 22 ]
	run blobctl ls a~2
	status_is 4
	run blobctl ls a@2025-12-31
	status_is 4
	run --separate-stderr blobctl ls ab
	status_is 4
	[ "${#stderr_lines[@]}" -ge 2 ]
	run --separate-stderr blobctl ls ffffffff
	status_is 4
}


@test "the entries of a snapshot and of a directory" {
	small_tree src
	blobctl -q put src
	[ "$(blobctl ls latest)" = src ]
	[ "$(blobctl ls latest:src)" = $'src/a.txt\nsrc/b.c\nsrc/sub' ]
	[ "$(blobctl ls latest:src/a.txt)" = src/a.txt ]
	[ "$(blobctl ls -r latest:src/sub)" = \
		$'src/sub/big\nsrc/sub/deep\nsrc/sub/deep/file.c\nsrc/sub/empty\nsrc/sub/link' ]
	[ "$(blobctl ls latest:src --sort=size | head -1)" = src/sub ]
	[ "$(blobctl ls -r latest --sort=size | sed -n 3p)" = src/sub/big ]
	run --separate-stderr blobctl ls latest:src/none
	status_is 4
	err_has none
}

@test "-l has what stat has" {
	small_tree src
	chmod 4711 src/a.txt
	blobctl -q put src
	[ "$(blobctl ls -l latest:src/a.txt)" = \
		"$(stat -c '%A	%U	%G	%s' src/a.txt)	2026-01-02T03:04:05Z	src/a.txt	" ]
	blobctl ls -l latest:src/sub/link | grep -q '^lrwxrwxrwx.*src/sub/link	../a.txt$'
}

@test "--json entries" {
	small_tree src
	blobctl -q put src
	run --separate-stderr blobctl --json ls -r latest
	status_is 0
	json_ok
	[ "$(grep -c '"type":"entry"' <<<"$output")" -eq 9 ]
	has '"path":"src/sub/big","path_b64":null'
	has '"size_bytes":300000'
	has '"entry_type":"link"'
	has '"mode":"0644"'
	run --separate-stderr blobctl --json ls
	json_ok
	has '"type":"snapshot"'
}

@test "keys in --json paste back" {
	small_tree src
	blobctl -q put src
	key=$(blobctl --json ls -r latest | sed -n 's/.*"key":"\([^"]*b\.c\)".*/\1/p')
	[ "$(blobctl cat "$key")" = two ]
}

@test "control characters are not obeyed on a terminal, raw elsewhere" {
	mkdir src
	: >"src/$(printf 'e\033[31m\nx')"
	blobctl -q put src
	on_terminal "NO_COLOR=1 '$BLOBCTL' --no-pager ls latest:src"
	has 'src/e\x1b[31m\nx'
	[ "$(blobctl ls latest:src)" = "$(printf 'src/e\033[31m\nx')" ]
	[ "$(blobctl ls -0 latest:src | od -An -tx1)" = \
		"$(printf 'src/e\033[31m\nx\0' | od -An -tx1)" ]
}

@test "ls | head ends silently" {
	mkdir src
	(cd src && seq 20000 | xargs touch)
	blobctl -q put src
	run --separate-stderr bash -c '"$0" ls -r latest | head -1; exit "${PIPESTATUS[0]}"' "$BLOBCTL"
	[ "$status" -eq 0 ] || [ "$status" -eq 141 ]
	[ -z "$stderr" ]
	[ "$output" = src ]
}

@test "--ncdu is what ncdu reads" {
	mkdir -p src/a/b
	echo hello >src/a/x
	ln src/a/x src/a/y
	blobctl -q put src
	blobctl ls --ncdu latest >out
	python3 - out <<'PY'
import json, sys
major, minor, head, tree = json.load(open(sys.argv[1]))
assert (major, minor, head["progname"]) == (1, 2, "blobctl"), head
assert tree[0]["name"] == "/", tree
src = tree[1]
a = src[1]
assert [src[0]["name"], a[0]["name"], a[1][0]["name"]] == ["src", "a", "b"], tree
x, y = a[2], a[3]
assert (x["name"], x["asize"], x["hlnkc"]) == ("x", 6, True), x
assert x["ino"] == y["ino"], (x, y)
PY
	run --separate-stderr blobctl ls --ncdu
	status_is 2
	run --separate-stderr blobctl ls --ncdu latest:src/a/x
	status_is 2
}
