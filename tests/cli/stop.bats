#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016
#
# Stopping what waits for somebody else: one signal, or the end of
# --max-duration, ends a command whose input does not come, whose output nobody
# reads, or whose question nobody answers.

load helpers

# when_blocked SIGNAL ARGS... - run with an idle pipe as standard input and a
# pipe that nobody reads as standard output; send the signal, if any, when all
# threads wait. $output is the status as Python has it, then standard error.
when_blocked() {
	requires python3
	run python3 - "$BLOBCTL" "$@" <<-'PY'
	import glob, os, signal, subprocess, sys, time

	def blocked(pid):
	    seen = set()
	    for stat in glob.glob("/proc/%d/task/*/stat" % pid):
	        with open(stat) as f:
	            seen.add(f.read().rsplit(")", 1)[1].split()[0])
	    return seen == {"S"}

	def catches(pid, number):
	    with open("/proc/%d/status" % pid) as f:
	        caught = [l.split()[1] for l in f if l.startswith("SigCgt:")]
	    return int(caught[0], 16) >> (number - 1) & 1

	number = int(sys.argv[2])
	rd, wr = os.pipe(), os.pipe()
	with open("err", "w+b") as err:
	    p = subprocess.Popen([sys.argv[1]] + sys.argv[3:], stdin=rd[0],
	                         stdout=wr[1], stderr=err)
	    os.close(wr[1])
	    for i in range(200 if number else 0):
	        time.sleep(0.05)
	        still = blocked(p.pid) and catches(p.pid, number)
	        quiet = quiet + 1 if i > 0 and still else 0
	        if quiet >= 4 or p.poll() is not None:
	            break
	    if number:
	        p.send_signal(number)
	    try:
	        print(p.wait(60))
	    except subprocess.TimeoutExpired:
	        p.kill()
	        print("hangs")
	print(open("err").read())
	PY
}

# big_tree - whose names do not fit into a pipe.
big_tree() {
	local long

	long=$(printf 'n%.0s' {1..200})
	mkdir -p src
	awk -v long="$long" 'BEGIN {
		for (i = 0; i < 1000; i++)
			printf "" >("src/" long i)
	}'
	random_bytes 1000000 1 >src/file
}

@test "a signal ends a put whose standard input is idle" {
	new_repo
	for number in 2 15; do
		when_blocked $number put -
		[ "${lines[0]}" = "-$number" ]
		has "stopping after the work in flight"
		has "the same stream comes again"
		# An empty line is for the terminal, where ^C stands in it.
		[[ $(head -n 1 err) == "blobctl: stopping after"* ]]
	done
	run blobctl ls
	[ -z "$output" ]
}

@test "the end of the time ends a put whose standard input is idle" {
	new_repo
	when_blocked 0 --max-duration=1s put -
	[ "${lines[0]}" = 8 ]
	has "the time is up"
	has "the same stream comes again"
}

@test "the end of the time is an event, and told with -q" {
	new_repo
	mkfifo idle
	run --separate-stderr bash -c \
		'"$0" -q --json --max-duration=1s put - <>idle' "$BLOBCTL"
	status_is 8
	json_ok
	has '"type":"error","code":"time_up","message":"the time is up"'
	err_has "the time is up"
	err_has "the same stream comes again"
	[ "${#stderr_lines[@]}" -eq 2 ]
}

@test "a signal ends what writes to a pipe that nobody reads" {
	new_repo
	big_tree
	mkdir empty
	blobctl -q put empty/
	blobctl -q put src
	set -f
	for args in "cat src:src/file" "find * --json" "find *" "ls src:src" \
		"ls -r src --json" "ls src --ncdu" "diff empty src"; do
		# shellcheck disable=SC2086
		when_blocked 15 $args
		[ "${lines[0]}" = "-15" ] || {
			echo "$args: $output"
			return 1
		}
		has "stopping after the work in flight"
		[[ $output != *"cannot write"* ]]
	done
}

@test "the end of the time ends what writes to a pipe that nobody reads" {
	new_repo
	big_tree
	blobctl -q put src
	set -f
	for args in "cat src:src/file" "ls src:src" "find * --json"; do
		# shellcheck disable=SC2086
		when_blocked 0 --max-duration=1s $args
		[ "${lines[0]}" = 8 ] || {
			echo "$args: $output"
			return 1
		}
		[ "$(grep -c "the time is up" <<<"$output")" = 1 ]
	done
}

@test "a signal at a question ends it: nothing is in flight" {
	requires python3
	new_repo
	small_tree src
	blobctl -q put src
	# On a terminal of its own, where ^C is typed at the prompt.
	run python3 - "$BLOBCTL" <<-'PY'
	import os, pty, sys

	pid, fd = pty.fork()
	if pid == 0:
	    os.execv(sys.argv[1], [sys.argv[1], "rm", "src"])
	said = b""
	while b"[y/N] " not in said:
	    said += os.read(fd, 1000)
	os.write(fd, b"\x03")
	try:
	    while True:
	        more = os.read(fd, 1000)
	        if not more:
	            break
	        said += more
	except OSError:
	    pass # Linux: the other end is closed
	print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	print(said.decode().replace("\r", ""))
	PY
	[ "${lines[0]}" = "-2" ]
	has "not done"
	[[ $output != *"in flight"* ]]
	[ "$(blobctl ls | wc -l)" = 1 ]
}
