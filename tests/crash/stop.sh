#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs beside one another: a put that was stopped (SIGSTOP) is in nobody's way,
# but in the middle of a commit others wait for it and name it; eight puts of trees that overlap all end well, inits at once make one repository.
#
# usage: stop.sh       ROUNDS=N, LONG=1 for more
# shellcheck disable=SC2317 # wake() is called at the end
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

tree "$T/one" 40 300000 one
tree "$T/two" 40 300000 two

stopped=
wake() {
	[ -z "$stopped" ] || kill -CONT "$stopped" 2>/dev/null
	[ -z "$stopped" ] || kill -KILL "$stopped" 2>/dev/null
}
at_end+=(wake)

# quickly COMMAND...: it ends by itself, and in less than ten seconds.
quickly() {
	timeout -k 1 10 "$@" >"$T/out" 2>"$T/said" </dev/null
}

# A put that waits for its input holds a lease, and after 6 MB an open pack as
# well; it is stopped there. What it had not committed nobody sees.
stopped_put() {
	local before=$failed status

	new_repo --reserve=1MiB --pack-size=4MiB
	rm -rf "$T/got"
	mkfifo "$T/pipe"
	"$TESTING" -R "$R" put -q --print-id - <"$T/pipe" >"$T/slow" 2>"$T/slow.said" &
	stopped=$!
	exec 9>"$T/pipe"
	head -c 6000000 "$T/one/d00/f0000" >&9
	cat "$T"/one/d0*/* >&9
	for _ in {1..100}; do
		[ -n "$(find "$R/packs" -type f)" ] && break
		sleep 0.1
	done
	kill -STOP $stopped
	if quickly "$TESTING" -R "$R" put -q --print-id "$T/two/"; then
		promised full "$T/two"
	else
		fail "a put beside a stopped one: status $?"
	fi
	verify "beside a stopped put"
	for command in "ls" "ls latest" "check" "stats" "doctor"; do
		# shellcheck disable=SC2086
		quickly "$TESTING" -R "$R" $command
		status=$?
		if [ $status = 124 ] || [ $status = 11 ]; then
			fail "$command waits for a stopped put: status $status"
		fi
	done
	quickly "$TESTING" -R "$R" get -q latest "$T/got"
	[ $? != 124 ] || fail "get waits for a stopped put"
	if [ -z "$(find "$R/leases" -type f)" ]; then
		fail "the stopped put's lease is gone"
	fi
	kill -CONT $stopped
	exec 9>&-
	wait $stopped
	status=$?
	stopped=
	if [ $status = 0 ]; then
		cp "$T/slow" "$T/out"
		mkdir -p "$T/stdin"
		{
			head -c 6000000 "$T/one/d00/f0000"
			cat "$T"/one/d0*/*
		} >"$T/stdin/stdin"
		promised data "$T/stdin"
	else
		cp "$T/slow.said" "$T/said"
		fail "the stopped put fails after it goes on: status $status"
	fi
	verify "after the stopped put" && sound "after the stopped put"
	rm -f "$T/pipe"
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: a stopped put is in nobody's way"
}

# Only who stops in the middle of an append is waited for, for --lock-wait.
stopped_commit() {
	local before=$failed status

	new_repo --reserve=1MiB
	: >"$T/held"
	python3 - "$R/lock" >"$T/held" <<'PY' &
import fcntl, struct, sys, time
f = open(sys.argv[1], "r+b")
# F_OFD_SETLK: type, whence, start, length, pid
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
print("held", flush=True)
time.sleep(60)
PY
	stopped=$!
	for _ in {1..100}; do
		grep -q held "$T/held" && break
		sleep 0.1
	done
	quickly "$TESTING" -R "$R" --lock-wait=1s put -q --print-id "$T/two/"
	status=$?
	[ $status = 11 ] || fail "the commit lock is held: status $status, not 11"
	[ -z "$(find "$R/packs" -type f)" ] ||
		fail "packs that nothing names are left: $(ls "$R/packs")"
	kill -KILL $stopped
	wait $stopped 2>/dev/null
	stopped=
	quickly "$TESTING" -R "$R" put -q --print-id "$T/two/" && promised full "$T/two"
	verify "after a commit that had to wait"
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: a held commit lock ends with status 11"
}

# names_it: what was said names the process that is stopped.
names_it() {
	grep -q "(pid $stopped)" "$T/said" && grep -q 'stopped' "$T/said"
}

# A put that is stopped in the middle of its append, at RULE. Who writes waits
# for --lock-wait and names it, who reads goes on; then it goes on itself.
stopped_append() {
	local before=$failed rule status

	for rule in write@/repo/log/:1 sync@/repo/log/:1; do
		new_repo --reserve=1MiB
		b put -q --print-id "$T/two/" && promised full "$T/two"
		mkdir -p "$T/kept"
		cp "$M" "$T/kept/manifest"
		BLOBCTL_FAULT=$rule:stop "$TESTING" -R "$R" put -q --print-id "$T/one/" \
			>"$T/slow" 2>"$T/slow.said" </dev/null &
		stopped=$!
		for _ in {1..100}; do
			[[ $(ps -o stat= -p $stopped) != T* ]] || break
			sleep 0.1
		done
		if [[ $(ps -o stat= -p $stopped) != T* ]]; then
			fail "$rule: a put does not stop"
		fi
		quickly "$TESTING" -R "$R" --lock-wait=1s put -q "$T/two/"
		status=$?
		[ $status = 11 ] || fail "$rule: a put beside it: status $status, not 11"
		names_it || fail "$rule: a put beside it does not say who is stopped"
		quickly "$TESTING" -R "$R" --lock-wait=1s -y rm -q "$(cut -c2-65 "$T/kept/manifest")"
		status=$?
		[ $status = 11 ] || fail "$rule: rm beside it: status $status, not 11"
		for command in ls "ls latest" check stats doctor; do
			# shellcheck disable=SC2086
			quickly "$TESTING" -R "$R" $command
			status=$?
			[ $status = 0 ] || fail "$rule: $command beside it: status $status"
		done
		rm -rf "$T/got"
		quickly "$TESTING" -R "$R" get -q "$(cut -c2-65 "$T/kept/manifest")" "$T/got" ||
			fail "$rule: get beside it: status $?"
		verify "$rule: beside a put that is stopped in its append"
		kill -CONT $stopped
		wait $stopped
		status=$?
		stopped=
		if [ $status = 0 ]; then
			cp "$T/slow" "$T/out"
			promised full "$T/one"
		else
			cp "$T/slow.said" "$T/said"
			fail "$rule: it fails after it goes on: status $status"
		fi
		verify "$rule: after it went on" && sound "$rule: after it went on"
		verify_rebuilt "$rule: after it went on"
	done
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: readers go on beside a commit that is stopped"
}

# hold_catalog SECONDS: somebody writes the catalog for so long.
hold_catalog() {
	: >"$T/held"
	python3 - "$R/catalog.db" "$1" >"$T/held" 9>&- <<'PY' &
import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
c.execute("ROLLBACK")
PY
	stopped=$!
	for _ in {1..100}; do
		grep -q held "$T/held" && return
		sleep 0.1
	done
	fail "the catalog cannot be held"
}

# A put whose catalog somebody else writes when it commits, for longer than
# --lock-wait or not. The catalog is then behind: another has committed.
busy_catalog() {
	local before=$failed put status wait

	for wait in 1s 30s; do
		new_repo --reserve=1MiB
		b put -q --print-id "$T/two/" && promised full "$T/two"
		mkfifo "$T/pipe"
		"$TESTING" -R "$R" --lock-wait=$wait put -q --print-id - <"$T/pipe" >"$T/slow" 2>"$T/slow.said" &
		put=$!
		exec 9>"$T/pipe"
		head -c 100000 "$T/one/d00/f0000" >&9
		for _ in {1..100}; do
			[ -n "$(find "$R/leases" -type f)" ] && break
			sleep 0.1
		done
		hold_catalog "$([ $wait = 1s ] && echo 60 || echo 5)"
		# Its commit does not need the catalog: it is behind afterwards.
		if quickly "$TESTING" -R "$R" put -q --print-id "$T/one/" 9>&-; then
			promised full "$T/one"
		else
			fail "a put beside a busy catalog: status $?"
		fi
		exec 9>&-
		wait $put
		status=$?
		if [ $wait = 1s ]; then
			cp "$T/slow.said" "$T/said"
			[ $status = 11 ] || fail "the catalog stays busy: status $status, not 11"
			grep -q "(pid $stopped)" "$T/said" || fail "it does not say who writes the catalog"
			kill -KILL $stopped
		elif [ $status != 0 ]; then
			cp "$T/slow.said" "$T/said"
			fail "the catalog was busy for 5 s of $wait: status $status"
		fi
		wait $stopped 2>/dev/null
		stopped=
		verify "after the catalog was busy" && sound "after the catalog was busy"
		rm -f "$T/pipe"
	done
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: a busy catalog is waited for"
}

# Eight at once, again and again: overlapping trees, each its own snapshot.
parallel() {
	local before=$failed i pids round

	new_repo --reserve=1MiB --pack-size=4MiB
	for i in {1..8}; do
		mkdir -p "$T/p$i"
		cp -a "$T/one/d00" "$T/one/d0$((i % 6 + 1))" "$T/p$i/"
		echo "$i" >"$T/p$i/own"
	done
	for ((round = 0; round < $(long 2 50); round++)); do
		pids=()
		for i in {1..8}; do
			"$TESTING" -R "$R" put -q --print-id --no-cache "$T/p$i/" \
				>"$T/out.$i" 2>"$T/said.$i" </dev/null &
			pids+=($!)
		done
		for i in {1..8}; do
			if wait "${pids[i - 1]}"; then
				cp "$T/out.$i" "$T/out"
				promised full "$T/p$i"
			else
				cp "$T/said.$i" "$T/said"
				fail "put $i of 8: status $?"
			fi
		done
	done
	verify "after eight puts at once" && sound "after eight puts at once"
	verify_rebuilt "after eight puts at once"
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: eight puts at once, $round times"
}

# Many small puts: the log, the catalog and the index meet in the same instant.
many_small() {
	local before=$failed i n pids

	new_repo --reserve=1MiB
	rm -f "$T"/ids.* "$T"/said.*
	for i in {1..8}; do
		mkdir -p "$T/s$i"
		echo "$i" >"$T/s$i/file"
	done
	for i in {1..8}; do
		(
			for ((n = 0; n < $(long 12 200); n++)); do
				"$TESTING" -R "$R" put -q --print-id "$T/s$i/" \
					>>"$T/ids.$i" 2>>"$T/said.$i" </dev/null || echo failed >>"$T/ids.$i"
			done
		) &
		pids+=($!)
	done
	wait "${pids[@]}"
	cat "$T"/said.? >"$T/said"
	for i in {1..8}; do
		grep -q failed "$T/ids.$i" && fail "a small put of writer $i"
		sed "s|.*|+& full $T/s$i|" "$T/ids.$i" >>"$M"
	done
	verify "after small puts of eight writers" && sound "after small puts"
	verify_rebuilt "after small puts of eight writers"
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: small puts of eight writers"
}

# What is committed while check looks is no damage.
check_beside() {
	local before=$failed i writer

	new_repo --reserve=1MiB
	b put -q "$T/two/"
	(
		for i in {1..400}; do
			[ ! -e "$T/enough" ] || break
			"$TESTING" -R "$R" tag -q latest a="$i" >/dev/null 2>&1
		done
	) &
	writer=$!
	for ((i = 0; i < $(long 25 300); i++)); do
		"$TESTING" -R "$R" check -q >"$T/said" 2>&1 </dev/null && continue
		fail "check beside commits: status $?"
		break
	done
	: >"$T/enough"
	wait $writer
	rm -f "$T/enough"
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: check beside commits, $i times"
}

two_inits() {
	local before=$failed i wins a b c

	for ((i = 0; i < $(long 10 300); i++)); do
		rm -rf "$R"
		"$TESTING" init "$R" --no-remember -q --reserve=64KiB >/dev/null 2>"$T/said" &
		a=$!
		"$TESTING" init "$R" --no-remember -q --reserve=64KiB >/dev/null 2>"$T/said2" &
		b=$!
		"$TESTING" init "$R" --no-remember -q --if-missing --reserve=64KiB >/dev/null 2>"$T/said3" &
		c=$!
		wins=0
		wait $a && wins=$((wins + 1))
		wait $b && wins=$((wins + 1))
		if ! wait $c; then
			cat "$T/said3" >>"$T/said"
			fail "an init --if-missing beside others fails"
			break
		fi
		if [ $wins -gt 1 ]; then
			cat "$T/said2" >>"$T/said"
			fail "$wins of two inits win"
			break
		fi
		: >"$M"
		b put -q --print-id "$T/two/" && promised full "$T/two"
		verify "after two inits" || break
	done
	[ "$failed" != "$before" ] || ok "on $BLOBCTL_IO: inits at once make one repository, $i times"
}

for engine in $(engines); do
	export BLOBCTL_IO=$engine
	stopped_put
	stopped_commit
	stopped_append
	busy_catalog
	parallel
	many_small
	check_beside
	two_inits
done
plan
