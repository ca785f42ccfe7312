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
		# Which engine does the I/O is the caller's choice.
		[ "$name" = BLOBCTL_IO ] || unset "$name"
	done
	unset NO_COLOR FORCE_COLOR COLUMNS PAGER CI XDG_RUNTIME_DIR \
		NOTIFY_SOCKET JOURNAL_STREAM SOURCE_DATE_EPOCH
	T=$(mktemp -d "${BATS_TEST_TMPDIR:-${TMPDIR:-/tmp}}/blobctl.XXXXXX")
	export T HOME=$T/home
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

# log_end LOG - where its last group ends; behind it lie zeros, to be written
# over.
log_end() {
	python3 -c 'import sys
n = len(open(sys.argv[1], "rb").read().rstrip(b"\0"))
print((n + 4095) // 4096 * 4096)' "$1"
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

# json_ok - the last run's standard output is what the schema describes.
json_ok() {
	requires python3
	python3 "$BATS_TEST_DIRNAME/../tools/json_check.py" \
		"$BATS_TEST_DIRNAME/../../schema/v1.json" "$status" <<<"$output"
}

# on_terminal COMMAND - run a shell command with all three streams on a
# terminal of 80 columns; what it prints is $output, with line ends of \n.
on_terminal() {
	requires script
	run bash -c 'script -qec "stty cols 80; $1" /dev/null </dev/null |
		tr -d "\r"' _ "$1"
}

# widest_line - columns of the longest line that the last `run` printed.
widest_line() {
	LC_ALL=C.UTF-8 wc -L <<<"$output"
}

# ---- repositories and trees ----------------------------------------------------

# new_repo [OPTIONS...] - one in $T/repo, which all later commands use.
new_repo() {
	"$BLOBCTL" -q init --no-remember "$@" "$T/repo"
	export BLOBCTL_REPO=$T/repo
}

# small_tree DIR - a few files, the same bytes and times each time.
small_tree() {
	mkdir -p "$1/sub/deep"
	echo one >"$1/a.txt"
	echo two >"$1/b.c"
	head -c 300000 /dev/zero | tr '\0' x >"$1/sub/big"
	: >"$1/sub/empty"
	echo deep >"$1/sub/deep/file.c"
	ln -s ../a.txt "$1/sub/link"
	find "$1" -exec touch -h -d 2026-01-02T03:04:05Z {} +
}

# same_tree A B - equal in all that rsync compares, both ways.
same_tree() {
	requires rsync
	local found
	found=$(rsync -aHAXn --delete -i --checksum "$1/" "$2/") || return 1
	[ -z "$found" ] || {
		echo "$1 and $2 differ:"
		echo "$found"
		return 1
	}
}

# put_quietly ARGS... - the id of the new snapshot in $id.
put_quietly() {
	# shellcheck disable=SC2034 # the tests read it
	id=$("$BLOBCTL" -q put --print-id "$@")
}

# flip FILE OFFSET - invert one byte; a negative offset counts from the end.
flip() {
	python3 - "$@" <<-'PY'
	import os, sys
	with open(sys.argv[1], "r+b") as f:
	    n = os.fstat(f.fileno()).st_size
	    at = int(sys.argv[2]) % n
	    f.seek(at)
	    b = f.read(1)[0]
	    f.seek(at)
	    f.write(bytes([b ^ 255]))
	PY
}

# random_bytes N SEED - the same bytes for the same seed.
random_bytes() {
	python3 -c '
import random, sys
sys.stdout.buffer.write(random.Random(int(sys.argv[2])).randbytes(int(sys.argv[1])))
' "$1" "$2"
}

# numbered_files DIR N - files 1 to N that hold their number. (A loop in bats
# itself takes milliseconds for each step.)
numbered_files() {
	mkdir -p "$1"
	awk -v dir="$1" -v n="$2" 'BEGIN {
		for (i = 1; i <= n; i++) {
			f = dir "/" i
			print i >f
			close(f)
		}
	}'
}

is_root() { [ "$(id -u)" = 0 ]; }

# root_only WHY - skip where the test is not run by root.
root_only() { is_root || skip "needs root: $1"; }

# let_in - everybody may come as far as $T.
let_in() {
	local dir=$T

	while [ "$dir" != / ]; do
		chmod a+x "$dir"
		dir=$(dirname "$dir")
	done
}

# as_nobody COMMAND... - without the rights that root has.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
}

# on_tmpfs SIZE SCRIPT - run a shell script with a tmpfs of that size on
# $T/mnt, seen by nobody else and gone afterwards.
on_tmpfs() {
	mkdir -p "$T/mnt"
	# shellcheck disable=SC2016
	unshare -m bash -c 'mount -t tmpfs -o "size=$1" tmpfs "$2" && eval "$3"' \
		_ "$1" "$T/mnt" "$2"
}

# mounts_or_skip - skip where no mount can be made, as in many containers.
mounts_or_skip() {
	root_only "mounts a file system"
	mkdir -p "$T/mnt"
	unshare -m mount -t tmpfs tmpfs "$T/mnt" 2>/dev/null ||
		skip "no file system can be mounted here"
}
