#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016
#
# The frame around all commands: options, help, environment, statuses, streams.
# Covered: usage errors are status 2 with a next step; no abbreviations;
# suggestions; -h anywhere; JSON lines from argument errors on; a full device,
# a closed pipe, closed descriptors; colour; no environment at all.

load helpers

# ---- usage errors ------------------------------------------------------------

# bad TEXT ARGS... - status 2, nothing on stdout, TEXT and a hint on stderr.
bad() {
	local text=$1

	shift
	run --separate-stderr blobctl "$@"
	status_is 2
	[ -z "$output" ]
	err_has "$text"
	[ "${#stderr_lines[@]}" -ge 2 ] || {
		echo "no next step: $stderr"
		return 1
	}
}

@test "no command: the overview and status 2" {
	bad "no command was given"
	err_has "blobctl init"
}

@test "unknown command" {
	bad "unknown command 'frobnicate'" frobnicate
}

@test "unknown options" {
	bad "unknown option --bogus" --bogus ls
	bad "unknown option --bogus for ls" ls --bogus
	bad "unknown option -Z for ls" ls -Z
	bad "unknown option -Z" ls -lZ
	bad "unknown option --" ls --=x
}

@test "options are never abbreviated" {
	bad "--dry" ls --dry
	err_has "did you mean --dry-run?"
	bad "--verb" --verb version
	bad "--recurs" ls --recurs
	bad "unknown command 'vers'" vers
	bad "unknown command 'stat'" stat
}

@test "a value that is missing, or not wanted" {
	bad "option --tag needs a value" put . --tag
	bad "option --repo needs a value" ls --repo
	bad "option --repo needs a value" ls -R
	bad "option --json takes no value" ls --json=1
}

@test "values out of range name the range" {
	bad "not between 0 and 1024" -j 2000 version
	bad "4.00 MiB and 512 MiB" init d --pack-size=1K
}

@test "values that cannot be read say what can" {
	bad "is not a number" -jx version
	bad "is not a duration" --lock-wait=5m version
	err_has "min"
	bad "none of auto, always, never" --color=maybe version
	bad "is not a size" init d --pack-size=64m
	bad "is not a date" find x --since=tomorrow
	bad "is not a tag" put . --tag=x
	bad "range of bytes" cat a:b --range=9-5
	bad "no class of trouble" put . --ok-if=changed,lost
	bad "no compression" init d --compression=lzma
	bad "--chunker" init d --chunker=rabin
}

@test "operands: too few, too many" {
	bad "an operand is missing" put
	bad "an operand is missing" get
	bad "an operand is missing" diff a
	bad "one operand too many" diff a b c
	bad "one operand too many" version x
	bad "one operand too many" stats x
	bad "usage: blobctl cat SNAP:PATH" cat
}

@test "keys that can name nothing" {
	blobctl -q init --no-remember repo
	bad "names no snapshot" -R repo get :x
	bad "names no file" -R repo cat latest
	bad "no date after the @" -R repo ls 'home@2026-13-01'
	bad "only whole snapshots" -R repo rm latest:x
	bad "only whole snapshots" -R repo tag latest:x a=b
}

@test "suggestions for commands and options" {
	bad "did you mean 'blobctl put'?" pt
	bad "usage: blobctl stats" stats x
	[[ $stderr == *"stats" ]]
	bad "the folder's name is empty" --repo= ls
	bad "latest is the newest" put . --name=latest
	bad "did you mean 'blobctl ls'?" sl
	bad "did you mean 'blobctl restore'?" resotre
	bad "did you mean 'blobctl version'?" verison
	bad "did you mean --tag?" put . --tga=a=b
	bad "did you mean --repo?" ls --rpeo=x
	bad "did you mean 'always'?" --color=alwasy version
	bad "options of a command follow it" --tag=a=b put .
	bad "--range is an option of cat" put . --range=1-2
	bad "--tag is an option of put and of ls" find x --tag=a=b
	# Not what is as far from it as any word of three letters.
	run --separate-stderr blobctl log
	[[ $stderr != *"did you mean"* ]]
}

@test "prune explains what there is instead" {
	bad "'expire' removes snapshots" prune
	err_has "'gc' frees the space"
	bad "'expire' removes snapshots" prun
}

@test "aliases are commands" {
	for pair in backup:put restore:get list:ls remove:rm; do
		run blobctl help "${pair%%:*}"
		status_is 0
		has "Usage: blobctl ${pair##*:}"
	done
}

# ---- where options may stand ---------------------------------------------------

@test "global options stand before or after the command" {
	run blobctl --json version
	status_is 0
	[[ ${lines[0]} == '{"v":1,"type":"start"'* ]]
	run blobctl version --json
	status_is 0
	[[ ${lines[0]} == '{"v":1,"type":"start"'* ]]
}

@test "-- ends options" {
	run --separate-stderr blobctl version -- --json
	status_is 2
	err_has "'--json' is one operand too many"
}

@test "switches can be taken back" {
	run blobctl --json version --no-json
	status_is 0
	[ "$output" = "blobctl ${output##* }" ]
}

# ---- help and version ----------------------------------------------------------

@test "help: -h anywhere, at the end of any line, even a wrong one" {
	run blobctl help put
	status_is 0
	want=$output
	for args in "put -h" "-h put" "put --help" "put . --tag=a=b -h" \
		"put --bogus -h" "put -hv"; do
		# shellcheck disable=SC2086
		run blobctl $args
		status_is 0
		[ "$output" = "$want" ]
	done
}

@test "the overview has 15 to 25 lines of at most 80 columns" {
	for args in help -h --help; do
		run blobctl "$args"
		status_is 0
		[ "${#lines[@]}" -ge 15 ]
		[ "$(blobctl "$args" | wc -l)" -le 25 ]
		[ "$(blobctl "$args" | wc -L)" -le 80 ]
	done
}

@test "every command has help, and its lines fit 80 columns" {
	for c in $(blobctl help | sed -n 's/^[A-Z ][a-z ]\{7\}  \([a-z]\{2,\}\) .*/\1/p') \
		options exit; do
		run blobctl help "$c"
		status_is 0
		[ "$(wc -L <<<"$output")" -le 80 ]
	done
	bad "unknown command" help nonesuch
}

@test "every option of all commands is in the manual page" {
	man=$BATS_TEST_DIRNAME/../../man
	blobctl help options | sed -n 's/^  .*--\([a-z-]*\).*  .*/\1/p' |
		while read -r o; do
			grep -q -e "Fl -$o" "$man/blobctl.1" ||
				{ echo "--$o is not there"; exit 1; }
		done
}

@test "every option of every command is in its section of the manual page" {
	man=$BATS_TEST_DIRNAME/../../man/blobctl.1
	for c in $(blobctl help | sed -n 's/^[A-Z ][a-z ]\{7\}  \([a-z]\{2,\}\) .*/\1/p'); do
		section=$(sed -n "/^\.Ss blobctl $c\$/,/^\.S[sh]/p" "$man")
		[ -n "$section" ] || { echo "no section for $c"; exit 1; }
		blobctl help "$c" | sed -n '/^Options:/,/^$/s/^  .*--\([a-z-]*\).*/\1/p' |
			while read -r o; do
				grep -q -e "^\.It.* Fl -$o\b" <<<"$section" ||
					{ echo "$c: --$o is not there"; exit 1; }
			done
	done
}

@test "every exit status is in the manual page" {
	man=$BATS_TEST_DIRNAME/../../man
	for s in 0 1 2 3 4 5 6 7 8 10 11 12 13 14 15 20 21 22 23 24; do
		grep -q "^\.It $s\$" "$man/blobctl.1"
	done
}

@test "version" {
	run blobctl version
	status_is 0
	[[ $output == "blobctl "[0-9]* ]]
	want=$output
	run blobctl -V
	status_is 0
	[ "$output" = "$want" ]
	run blobctl --version
	[ "$output" = "$want" ]
}

# ---- JSON lines ------------------------------------------------------------------

@test "--json: version, help and failures are start, ..., summary" {
	run --separate-stderr blobctl version --json
	status_is 0
	json_ok
	has '"type":"version"'
	run --separate-stderr blobctl help --json
	status_is 0
	json_ok
	run --separate-stderr blobctl ls --json
	status_is 10
	json_ok
	has '"code":"no_repository"'
}

@test "--json: usage errors too, wherever --json stands" {
	for args in "--json" "--json nonesuch" "nonesuch --json" \
		"ls --bogus --json" "--bogus ls --json" "put --json" \
		"-jx --json version" "version x y --json"; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl $args
		status_is 2
		json_ok
		has '"type":"error","code":"usage"'
		[ -n "$stderr" ]
	done
}

@test "--status-fd carries the events beside the ordinary output" {
	run bash -c '"$0" version --status-fd=3 3>events' "$BLOBCTL"
	status_is 0
	[[ $output == "blobctl "* ]]
	output=$(cat events; echo x)
	output=${output%x}
	output=${output%$'\n'}
	json_ok
	bad "not open" version --status-fd=9
	run blobctl version --status-fd=1
	status_is 2
}

# ---- streams ------------------------------------------------------------------------

@test "a full device is status 1 for every command, and said once" {
	blobctl -q init --no-remember repo
	mkdir src
	echo a >src/a
	blobctl -q -R repo put src
	echo b >src/b
	blobctl -q -R repo put src
	while IFS='|' read -r holds args; do
		# shellcheck disable=SC2086
		run bash -c '"$0" -R repo "$@" 2>&1 >/dev/full' "$BLOBCTL" $args
		status_is 1
		[ "$(grep -c "standard output: No space left" <<<"$output")" = 1 ] ||
			{ echo "$args: $output"; return 1; }
		if [ "$holds" = "done" ]; then
			has "only that is lost"
		else
			has "where there is room"
		fi
	done <<-'END'
		|version
		|help
		|version --json
		|ls
		|ls latest
		|ls --json
		|cat latest:src/a
		|cat latest:src/a --range=0-0
		|find a
		|diff latest~1 latest
		|diff --stat latest~1 latest
		|stats
		|stats --json
		|check --json
		|doctor
		done|put src
		done|put src --json
		|put -n src --json
		done|get latest out --json
		done|tag latest a=b --json
		done|rm latest -y
		done|init --no-remember other
	END
	# It was done: three more are there, one less.
	[ "$(blobctl -R repo ls | wc -l)" = 3 ]
	[ -d other/packs ]
}

@test "a full device: the events tell it too" {
	blobctl -q init --no-remember repo
	run bash -c '"$0" -R repo stats --status-fd=3 3>events 2>err >/dev/full' \
		"$BLOBCTL"
	status_is 1
	grep -q '"type":"error","code":"system_error"' events
	grep -q '"type":"summary","ok":false,"exit_code":1' events
}

@test "a closed pipe ends silently" {
	run --separate-stderr bash -c \
		'"$0" help | true; exit "${PIPESTATUS[0]}"' "$BLOBCTL"
	[ "$status" -eq 0 ] || [ "$status" -eq 141 ]
	[ -z "$stderr" ]
	# Surely closed before the first byte is written.
	requires python3
	run --separate-stderr python3 -c '
import os, subprocess, sys
r, w = os.pipe()
os.close(r)
sys.exit(128 - subprocess.run([sys.argv[1], "help"], stdout=w).returncode)' \
		"$BLOBCTL"
	status_is 141
	[ -z "$stderr" ]
}

@test "closed descriptors: reading and writing fail, nothing is misdirected" {
	run bash -c '"$0" version 2>err >&-; echo $?; cat err' "$BLOBCTL"
	[ "${lines[0]}" -eq 1 ]
	has "cannot write standard output"
	run bash -c '"$0" version <&-' "$BLOBCTL"
	status_is 0
	run bash -c '"$0" nonesuch 2>&-' "$BLOBCTL"
	status_is 2
	# A log file that is opened next may not become standard error.
	run bash -c '"$0" ls --log-file=log 2>&- >&-; echo $?' "$BLOBCTL"
	[ "$output" -eq 10 ]
	[ "$(grep -c ' error: ' log)" -eq 1 ]
	[ "$(grep -c '^blobctl:' log)" -eq 0 ]
}

@test "nothing but the result on stdout, errors on stderr even with -q" {
	run --separate-stderr blobctl -q ls
	status_is 10
	[ -z "$output" ]
	err_has "no repository set"
}

@test "--log-file has each line with a time and the run's id" {
	run blobctl ls --log-file=log
	status_is 10
	run blobctl ls --log-file=log
	[ "$(wc -l <log)" -eq 8 ]
	run grep -vE '^[0-9-]{10}T[0-9:]{8}Z [0-9a-f]{16} (start|error|hint|end): ' log
	status_is 1
	run blobctl version --log-file=/dev/full
	status_is 14
	has "cannot write the log file /dev/full: No space left on device"
	run blobctl version --log-file=/nonexistent/log
	[ "$status" -ne 0 ]
	has "cannot open the log file"
	# Full in the middle: told, and nothing more is written.
	head -c 950 /dev/zero >log
	run bash -c 'trap "" XFSZ; ulimit -f 1; "$0" ls --log-file=log' "$BLOBCTL"
	status_is 10
	has "the log file cannot be written, and ends here: File too large"
	[ "$(stat -c %s log)" -eq 1024 ]
}

@test "no escape sequences off a terminal" {
	run blobctl ls
	[[ $output != *$'\e'* ]]
	run blobctl ls --color=always
	has $'\e['
	FORCE_COLOR=1 run blobctl ls
	has $'\e['
	FORCE_COLOR=1 NO_COLOR=1 run blobctl ls
	[[ $output != *$'\e'* ]]
}

@test "colour on a terminal, but not with NO_COLOR, TERM=dumb or never" {
	on_terminal "'$BLOBCTL' ls"
	has $'\e[31mblobctl:'
	on_terminal "NO_COLOR=1 '$BLOBCTL' ls"
	[[ $output != *$'\e'* ]]
	on_terminal "TERM=dumb '$BLOBCTL' ls"
	[[ $output != *$'\e'* ]]
	on_terminal "'$BLOBCTL' --color=never ls"
	[[ $output != *$'\e'* ]]
}

@test "control characters in arguments are not obeyed" {
	run blobctl $'no\e[31msuch\n'
	status_is 2
	has 'no\x1b[31msuch\n'
	[[ $output != *$'\e'* ]]
}

@test "payload and JSON lines do not share a stream" {
	blobctl -q init --no-remember repo
	run --separate-stderr blobctl -R repo cat a:b --json
	status_is 2
	json_ok
	err_has "--status-fd"
}

@test "put - does not wait for a terminal" {
	blobctl -q init --no-remember repo
	on_terminal "'$BLOBCTL' -R repo put -; echo status \$?"
	has "standard input is a terminal"
	has "status 2"
}

@test "a pager on a terminal only, and never with --no-pager" {
	on_terminal "PAGER='sed s/^/P:/' '$BLOBCTL' help"
	has "P:blobctl"
	on_terminal "BLOBCTL_PAGER='sed s/^/B:/' PAGER=false '$BLOBCTL' help"
	has "B:blobctl"
	on_terminal "PAGER='sed s/^/P:/' '$BLOBCTL' --no-pager help"
	[[ $output != *"P:"* ]]
	PAGER='sed s/^/P:/' run blobctl help
	[[ $output != *"P:"* ]]
}

# ---- environment and configuration ---------------------------------------------------

@test "an empty environment is enough" {
	run env -i "$BLOBCTL" version
	status_is 0
	run env -i "$BLOBCTL" help put
	status_is 0
	run env -i HOME= "$BLOBCTL" -R /nonexistent ls
	status_is 10
}

@test "options come from the environment, the command line wins" {
	BLOBCTL_JSON=1 run blobctl version
	has '"type":"summary"'
	BLOBCTL_JSON=1 run blobctl version --no-json
	[[ $output == "blobctl "* ]]
	BLOBCTL_JSON='' run blobctl version
	[[ $output == "blobctl "* ]]
	BLOBCTL_THREADS=many bad "BLOBCTL_THREADS: 'many'" version
	BLOBCTL_REPO=/nonexistent run blobctl ls
	status_is 10
	has "no repository at /nonexistent"
}

@test "what the environment sets does not fail where it does not fit" {
	new_repo
	echo a >a
	blobctl -q put a
	BLOBCTL_TAG=a=b run --separate-stderr blobctl ls latest
	status_is 0
	[ "$output" = a ]
	for name in RECURSIVE NCDU; do
		run --separate-stderr env "BLOBCTL_$name=1" "$BLOBCTL" ls
		status_is 0
		[ -z "$stderr" ]
	done
	bad "--tag chooses snapshots" ls latest --tag=a=b
	BLOBCTL_RECURSIVE=1 bad "-r needs a snapshot" ls -r
}

@test "what must fail names the variable that it came from" {
	new_repo
	echo a >a
	blobctl -q put a
	BLOBCTL_FORMAT='{size}' bad "BLOBCTL_FORMAT: there is no key {size}" ls
	BLOBCTL_RANGE=9-10 bad "BLOBCTL_RANGE begins at 9" cat a:a
	BLOBCTL_NCDU=1 bad "BLOBCTL_NCDU needs a directory" ls a:a
	BLOBCTL_INCLUDE=nosuch run --separate-stderr blobctl get a out
	status_is 4
	err_has "fits BLOBCTL_INCLUDE=nosuch"
	run --separate-stderr env BLOBCTL_JSON=1 "$BLOBCTL" cat a:a
	status_is 2
	err_has "BLOBCTL_JSON and an object's bytes"
	run --separate-stderr env BLOBCTL_JSON=1 "$BLOBCTL" --json cat a:a
	err_has "--json and an object's bytes"
}

@test "unknown BLOBCTL_ names get one warning and a suggestion" {
	BLOBCTL_REPOO=x BLOBCTL_NONSENSE=y run --separate-stderr blobctl version
	status_is 0
	[ "${#stderr_lines[@]}" -eq 1 ]
	err_has BLOBCTL_REPOO
	err_has BLOBCTL_NONSENSE
	err_has "did you mean BLOBCTL_REPO?"
	BLOBCTL_BAR=x run --separate-stderr blobctl version
	err_has BLOBCTL_BAR
	[[ $stderr != *"did you mean"* ]]
	BLOBCTL_REPOO=x run --separate-stderr blobctl -q version
	[ -z "$stderr" ]
}

conf() {
	mkdir -p "$XDG_CONFIG_HOME/blobctl"
	cat >"$XDG_CONFIG_HOME/blobctl/blobctl.conf"
}

@test "core.repo is used, below -R and BLOBCTL_REPO" {
	conf <<<$'# mine\n[core]\nrepo = ~/blobs # here'
	run blobctl ls
	status_is 10
	has "$HOME/blobs"
	BLOBCTL_REPO=$T/env run blobctl ls
	has "$T/env"
	BLOBCTL_REPO=$T/env run blobctl ls -R "$T/opt"
	has "$T/opt"
}

@test "a wrong configuration is status 6 with file and line" {
	conf <<<$'[core]\nrepp = /x'
	run blobctl ls
	status_is 6
	has "blobctl.conf:2: unknown key 'repp'"
	has "did you mean repo?"
	run blobctl version
	status_is 0
	conf <<<$'[cores]'
	run blobctl ls
	status_is 6
	has "did you mean [core]?"
	for text in '[backup]' 'repo = /x' '[core' $'[core]\nrepo = "/x' \
		$'[core]\nrepo = x' $'[core]\nrepo = /x\nrepo = /y'; do
		conf <<<"$text"
		run --separate-stderr blobctl ls
		status_is 6
		[ "${#stderr_lines[@]}" -eq 2 ] || {
			echo "$text: $stderr"
			return 1
		}
	done
	rm "$XDG_CONFIG_HOME/blobctl/blobctl.conf"
	mkdir "$XDG_CONFIG_HOME/blobctl/blobctl.conf"
	run --separate-stderr blobctl ls
	status_is 6
	err_has "with -R DIR no configuration is read"
}

@test "without HOME and XDG the password database says where home is" {
	# Somebody whom it does not know, or to whom it gives no folder.
	root_only "becomes another user"
	let_in
	run setpriv --reuid=12345 --regid=12345 --clear-groups \
		env -i "$BLOBCTL" ls
	status_is 10
	has "no repository set"
	# Its folder for this user, with one of ours in its place.
	mounts_or_skip
	mkdir -p home2/.config/blobctl
	printf '[core]\nrepo = ~/there\n' >home2/.config/blobctl/blobctl.conf
	there=$(getent passwd "$(id -u)" | cut -d: -f6)
	run unshare -m sh -c 'mount --bind "$1" "$2" && exec env -i "$3" ls' \
		_ "$T/home2" "$there" "$BLOBCTL"
	status_is 10
	has "there is no repository at $there/there"
}

@test "where a repository cannot be: what is wrong, and what to do" {
	mkdir full
	echo mine >full/notes
	run --separate-stderr blobctl init --no-remember "a/b c/d"
	status_is 4
	err_has "there is no folder a/b c to make it in"
	err_has "mkdir -p 'a/b c'   makes it"
	run --separate-stderr blobctl -n init "a/b c/d"
	status_is 4
	err_has "there is no folder a/b c to make it in"
	mkdir -p "a/b c"
	blobctl -q init --no-remember "a/b c/d"
	run --separate-stderr blobctl init --no-remember full/notes/x
	status_is 4
	err_has "full/notes is no folder"
	run --separate-stderr blobctl init --no-remember full/notes
	status_is 1
	err_has "full/notes is no folder"
	for c in ls check "put full"; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl -R full $c
		status_is 10
		err_has "it holds notes"
		err_has "blobctl init full/blobs"
	done
}

@test "each failure has a next step" {
	blobctl -q init --no-remember repo
	echo x >f
	blobctl -q -R repo put f
	mkdir out
	echo mine >out/f
	for args in "-R nowhere ls" "-R f ls" "-R repo get nope" \
		"-R repo get latest:nope" "-R repo cat latest:nope" \
		"-R repo put nope" "-R repo rm latest" "-R repo get latest out" \
		"-R repo get latest:f no/where" "init repo" "init f" \
		"-R repo tag latest" "-R repo cat latest:" \
		"-R repo ls latest@2020-01-01" "-R repo put --log-file=no/log f" \
		"-R repo --status-fd=9 ls" "bench nope" "-R repo find" \
		"-R repo diff latest nope"; do
		# shellcheck disable=SC2086
		run --separate-stderr blobctl -q --no-input $args </dev/null
		[ "$status" -ne 0 ]
		[ -z "$output" ]
		[[ $stderr == "blobctl: "*$'\n  '* ]] || {
			echo "$args: $stderr"
			return 1
		}
	done
}

@test "commands that are suggested name the repository that -R named" {
	blobctl -q init --no-remember "my repo"
	echo x | blobctl -q -R "my repo" put -
	run --separate-stderr blobctl -R "my repo" ls nosuch
	status_is 4
	err_has "\`blobctl -R 'my repo' ls\` lists them"
	run --separate-stderr blobctl --json -R "my repo" ls nosuch
	has "\`blobctl -R 'my repo' ls\` lists them"
	BLOBCTL_REPO="my repo" run --separate-stderr blobctl ls nosuch
	err_has "\`blobctl ls\` lists them"
	run --separate-stderr blobctl -R "my repo" ls --nosuch
	err_has "blobctl help ls"
}
