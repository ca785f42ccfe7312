# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Shared by every bats file: `load helpers`. The program under test is
# $BLOBCTL; each test has a HOME, XDG folders and a scratch folder of its own,
# and nothing of the caller's environment that the program would read.

bats_require_minimum_version 1.5.0

common_setup() {
	local name

	: "${BLOBCTL:?set BLOBCTL to the program under test}"
	BLOBCTL=$(realpath "$BLOBCTL")
	for name in $(compgen -e | grep '^BLOBCTL_'); do
		unset "$name"
	done
	unset NO_COLOR FORCE_COLOR COLUMNS PAGER CI XDG_RUNTIME_DIR \
		NOTIFY_SOCKET JOURNAL_STREAM SOURCE_DATE_EPOCH
	T=$(mktemp -d "${BATS_TEST_TMPDIR:-${TMPDIR:-/tmp}}/blobctl.XXXXXX")
	export HOME=$T/home
	export XDG_CONFIG_HOME=$HOME/.config XDG_STATE_HOME=$HOME/.state \
		XDG_CACHE_HOME=$HOME/.cache
	export TZ=UTC0 TERM=xterm LC_ALL=C
	mkdir -p "$HOME"
	cd "$T" || return 1
}

common_teardown() {
	cd / || return 1
	if [ -n "${T:-}" ]; then
		chmod -R u+rwX "$T" 2>/dev/null || true
		rm -rf "$T"
	fi
}

setup() { common_setup; }
teardown() { common_teardown; }

# blobctl ARGS... - the program under test.
blobctl() {
	"$BLOBCTL" "$@"
}

# requires TOOL... - skip the test where a tool is missing.
requires() {
	local tool

	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip "needs $tool"
	done
}

# status_is N - what the last `run` ended with.
status_is() {
	[ "$status" -eq "$1" ] || {
		echo "status is $status, wanted $1"
		echo "output: $output"
		echo "stderr: ${stderr:-}"
		return 1
	}
}

# has TEXT, err_has TEXT - in what the last `run` printed; err_ with
# --separate-stderr.
has() {
	[[ $output == *"$1"* ]] || {
		echo "no '$1' in: $output"
		return 1
	}
}

err_has() {
	[[ $stderr == *"$1"* ]] || {
		echo "no '$1' in: $stderr"
		return 1
	}
}

# json_ok - the last run's standard output is JSON lines: start first, summary
# last with the run's own status, nothing else between than objects.
json_ok() {
	requires python3
	STATUS=$status python3 -c '
import json, os, sys
lines = sys.stdin.read().split("\n")
assert lines.pop() == "", "no newline at the end"
v = [json.loads(l) for l in lines]
for o in v:
    assert list(o)[:2] == ["v", "type"] and o["v"] == 1, o
    for k, x in o.items():
        assert k == k.lower() and not isinstance(x, (dict, list)), (k, x)
assert v[0]["type"] == "start", v[0]
assert [o["type"] for o in v].count("summary") == 1
s = v[-1]
assert s["type"] == "summary", s
assert s["exit_code"] == int(os.environ["STATUS"]), s
assert s["ok"] == (s["exit_code"] == 0)
assert s["run_id"] == v[0]["run_id"] and s["duration_seconds"] >= 0
' <<<"$output"
}

# on_terminal COMMAND - run a shell command with all three streams on a
# terminal of 80 columns; what it prints is $output, with line ends of \n.
on_terminal() {
	requires script
	run bash -c 'script -qec "stty cols 80; $1" /dev/null </dev/null |
		tr -d "\r"' _ "$1"
}
