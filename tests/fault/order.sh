#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What has to be durable before what, seen from the outside: each change that a
# command makes is traced, and the trace is checked against the order of
# docs/format.md. It finds a missing sync also where a file system forgives it.
#
# usage: order.sh
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

tree "$T/small" 3 2000 small
tree "$T/large" 40 400000 large

# check_order TRACE
check_order() {
	python3 - "$1" <<'PY'
import sys

packs = {}         # path: what is not durable of it yet
copy = False       # superblock.copy is in place
logs = {}
dirs = {"packs": True, "log": True}   # names durable?
wrong = 0
groups = 0

def say(line, text):
    global wrong
    wrong += 1
    print("line %d: %s" % (line, text))

for i, line in enumerate(open(sys.argv[1]), 1):
    op, path, length, off = line.rstrip("\n").split("\t")
    part = path.split("/")
    where = part[-2] if len(part) > 1 else ""
    if op == "sync directory":
        dirs[part[-1]] = True
        continue
    # The last file that init puts in place, after the first group of a log.
    if op == "rename" and part[-1] == "superblock.copy":
        copy = True
    if op == "rename" and part[-1] == "superblock" and where == "repo":
        if not copy:
            say(i, "the superblock before its copy")
        if groups == 0 or any(logs.values()):
            say(i, "the superblock before a log is synced")
    if where not in ("packs", "log"):
        continue
    state = packs if where == "packs" else logs
    if op == "create":
        dirs[where] = False
        state[path] = set()
    elif op == "remove":
        state.pop(path, None)
    elif op in ("write", "set the size of"):
        if where == "log" and op == "write":
            if int(off) >= 4096:
                groups += 1
                for p, dirty in packs.items():
                    if dirty:
                        say(i, "a group before %s is synced" % p)
                if packs and not dirs["packs"]:
                    say(i, "a group before packs/ is synced")
                if not dirs["log"]:
                    say(i, "a group before log/ is synced")
                for p, dirty in logs.items():
                    # Of its own log the header, and the group before.
                    if "write" in dirty if p == path else dirty:
                        say(i, "a group before %s is synced" % p)
        state.setdefault(path, set()).add(op)
    elif op == "sync":
        state[path] = set()
for p, dirty in logs.items():
    if dirty:
        say(0, "the end before %s is synced" % p)
if groups == 0:
    say(0, "no group at all")
sys.exit(wrong > 0)
PY
}

# traced WORDS COMMAND...
traced() {
	local words=$1

	shift
	rm -f "$T/trace"
	BLOBCTL_TRACE=$T/trace "$TESTING" "$@" >"$T/out" 2>"$T/said" </dev/null || {
		fail "$words: status $?"
		return
	}
	if check_order "$T/trace" >"$T/said"; then
		ok "$words on $BLOBCTL_IO: $(wc -l <"$T/trace") changes in order"
	else
		fail "$words on $BLOBCTL_IO"
	fi
}

for engine in $(engines); do
	export BLOBCTL_IO=$engine
	rm -rf "$R"
	traced "init" init "$R" --no-remember -q --reserve=1MiB --pack-size=4MiB
	traced "a small put" -R "$R" put -q --print-id "$T/small/"
	id=$(cat "$T/out")
	traced "a put with packs" -R "$R" put -q "$T/large/"
	traced "a removal" -R "$R" -y rm -q "$id"
	# Until the log is full: sealed, and the next one begun.
	mkdir -p "$T/roll"
	while [ "$(find "$R/log" -type f -size -65000k | wc -l)" = 1 ] &&
		[ "$(find "$R/log" -type f | wc -l)" = 1 ]; do
		head -c 900000 /dev/urandom >"$T/roll/file"
		b put -q --print-id "$T/roll/" || break
	done
	head -c 900000 /dev/urandom >"$T/roll/file"
	traced "a put" -R "$R" put -q "$T/roll/"
	head -c 900000 /dev/urandom >"$T/roll/file"
	traced "a put" -R "$R" put -q "$T/roll/"
	[ "$(find "$R/log" -type f | wc -l)" = 2 ] || fail "no second log"
done
plan
