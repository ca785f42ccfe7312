# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the campaigns of tests/crash and tests/fault share; sourced by them.
#
# A campaign makes a repository, lets things go wrong, and compares with a
# manifest of what the program has promised: verify_repo (tests/tools) reads
# every byte of it, and so does, each READER_EVERYth time, verify_reader.py with
# the reader of contrib/, which shares no code with the program. Environment:
# BLOBCTL (or BUILD), TOOLS, TMPDIR; LONG=1 or ROUNDS=N for more of it; SEED=N
# repeats the random choices of a run. Reports
# in TAP's words.

set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
BUILD=${BUILD:-build}
BLOBCTL=$(realpath "${BLOBCTL:-$BUILD/blobctl}") || exit 2
TOOLS=$(realpath "${TOOLS:-$BUILD/tools}") || exit 2
TESTING=$(dirname "$BLOBCTL")/blobctl-testing
for program in "$BLOBCTL" "$TESTING" "$TOOLS/verify_repo"; do
	[ -x "$program" ] || {
		echo "Bail out! $program is not built: make test-bins"
		exit 2
	}
done
unset "${!BLOBCTL_@}"
export LC_ALL=C TZ=UTC0

T=$(mktemp -d "${TMPDIR:-/tmp}/blobctl-campaign.XXXXXX") || exit 2
export HOME=$T XDG_CONFIG_HOME=$T XDG_STATE_HOME=$T XDG_CACHE_HOME=$T
R=$T/repo M=$T/manifest
SEED=${SEED:-$RANDOM$RANDOM}
RANDOM=$((SEED % 32768))
READER_EVERY=${READER_EVERY:-40}
tests=0 failed=0 verified=0
at_end=()

finish() {
	local command

	trap - EXIT
	for command in "${at_end[@]}"; do
		$command
	done
	rm -rf "$T"
	exit "$1"
}
trap 'finish 130' INT
trap 'finish 143' TERM HUP
trap 'finish $?' EXIT

# ok WORDS..., fail WORDS...: one result. A failure prints what was seen last.
ok() {
	tests=$((tests + 1))
	echo "ok $tests - $*"
}

fail() {
	tests=$((tests + 1)) failed=$((failed + 1))
	echo "not ok $tests - $* (SEED=$SEED)"
	sed 's/^/# /' "$T/said" 2>/dev/null | tail -n 40
	if [ -n "${KEEP-}" ]; then
		rm -rf "$KEEP.$failed"
		cp -a "$T" "$KEEP.$failed"
	fi
}

skip() {
	echo "1..0 # skip $*"
	exit 0
}

plan() {
	echo "1..$tests"
	[ "$failed" = 0 ] || echo "# to see it again: SEED=$SEED bash $0"
	exit $((failed > 0))
}

# long SHORT LONG: how often, in this mode.
long() {
	if [ -n "${ROUNDS-}" ]; then
		echo "$ROUNDS"
	elif [ -n "${LONG-}" ]; then
		echo "$2"
	else
		echo "$1"
	fi
}

# every N: from one operation of a sweep to the next, 1 in the long mode.
every() {
	if [ -n "${LONG-}" ]; then
		echo 1
	else
		echo "$1"
	fi
}

# random N: 0 to N - 1 into $REPLY, so that no subshell repeats a number.
random() {
	REPLY=$(((RANDOM * 32768 + RANDOM) % $1))
}

engines() {
	if [ -n "${ENGINE-}" ]; then
		echo "$ENGINE"
	else
		echo psync uring
	fi
}

# ---- a repository and what it must hold --------------------------------------

# new_repo OPTIONS...: an empty repository, an empty manifest.
new_repo() {
	rm -rf "$R" "$M"
	: >"$M"
	"$BLOBCTL" init "$R" --no-remember -q "$@" >"$T/said" 2>&1 || {
		fail "init $*"
		plan
	}
}

# b ARGS...: the testing program on the repository; what it says is kept.
b() {
	"$TESTING" -R "$R" "$@" >"$T/out" 2>"$T/said" </dev/null
}

# promised KIND DIR: the last put has returned success with this id, so the
# snapshot is there for ever after.
promised() {
	local id

	read -r id <"$T/out" || id=
	if [[ ! $id =~ ^[0-9a-f]{64}$ ]]; then
		fail "put succeeded without an id"
		return 1
	fi
	echo "+$id $1 $2" >>"$M"
}

# removed ID
removed() {
	sed -i "s/^+$1 .*/-$1/" "$M"
}

# verify WORDS...: all that was promised is there. One result only if not. The
# first time and then now and again the independent reader must say so, too: it
# takes as long as a dozen rounds.
verify() {
	if ! "$TOOLS/verify_repo" "$R" "$M" >"$T/said" 2>&1; then
		fail "$*"
		return 1
	fi
	verified=$((verified + 1))
	[ $((verified % READER_EVERY)) = 1 ] || return 0
	if ! python3 tests/tools/verify_reader.py "$R" "$M" "$T/restored" >"$T/said" 2>&1; then
		fail "$*, by the independent reader"
		return 1
	fi
}

# verify_rebuilt WORDS...: the same with every view made anew, in a copy.
verify_rebuilt() {
	local good=0

	rm -rf "$T/copy"
	cp -a --sparse=always "$R" "$T/copy"
	rm -rf "$T/copy"/{catalog.db*,index,cache}
	"$TOOLS/verify_repo" "$T/copy" "$M" >"$T/said" 2>&1 || good=1
	rm -rf "$T/copy"
	[ $good = 0 ] || fail "$*, the views made anew"
	return $good
}

# sound WORDS...: `check` finds no damage, and nothing is left in a repository
# at rest that must not be: leases of the dead, unfinished files. What the last
# session could not remove the next does.
sound() {
	local left

	left=$(find "$R" -path '*/leases/*' -o -name '.tmp-*')
	if [ -n "$left" ]; then
		mkdir -p "$T/sweep"
		b put -q --print-id "$T/sweep/" && promised full "$T/sweep"
		left=$(find "$R" -path '*/leases/*' -o -name '.tmp-*')
	fi
	if [ -n "$left" ]; then
		echo "$left" >"$T/said"
		fail "$*: left behind"
		return 1
	fi
	if ! b check; then
		cat "$T/out" >>"$T/said"
		fail "$*: check says otherwise"
		return 1
	fi
}

# wired COMMAND...: not until the program can do it.
wired() {
	b "$@"
	! grep -q 'not connected' "$T/said"
}

# ---- sources ------------------------------------------------------------------

# tree DIR FILES BYTES SEED: a tree whose every byte depends on the seed.
tree() {
	mkdir -p "$1"
	python3 - "$@" <<'PY'
import os, random, sys
top, files, size, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = random.Random(seed)
for i in range(files):
    d = os.path.join(top, "d%02d" % (i % 7))
    os.makedirs(d, exist_ok=True)
    n = rng.randrange(size) if i % 5 else size
    data = rng.randbytes(n) if i % 3 else (b"line %d\n" % rng.randrange(999)) * (n // 8)
    with open(os.path.join(d, "f%04d" % i), "wb") as f:
        f.write(data)
os.symlink("f0000", os.path.join(top, "link"))
PY
}

# ---- file systems of one's own ------------------------------------------------

# in_namespace SCRIPT: go on in a mount namespace, whose mounts end with it.
# $MAY is `root` there, or `user`: a plain user's namespace, with tmpfs only.
in_namespace() {
	[ -z "${MAY-}" ] || return 0
	if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
		MAY=root
	elif unshare -rm mount -t tmpfs none /mnt 2>/dev/null; then
		MAY=user
	else
		skip "mounting is not permitted, not even in a namespace of one's own"
	fi
	rm -rf "$T"
	trap - EXIT
	export MAY SEED BUILD BLOBCTL TOOLS
	if [ $MAY = root ]; then
		exec unshare -m --propagation private bash "$1"
	fi
	exec unshare -rm bash "$1"
}

# mount_new TYPE MIB [OPTION...]: an empty file system at $T/mnt.
mount_new() {
	local type=$1 size=$2

	shift 2
	mkdir -p "$T/mnt"
	umount "$T/mnt" 2>/dev/null
	case $type in
	tmpfs) mount -t tmpfs -o "size=${size}m,mode=700" none "$T/mnt" ;;
	*)
		rm -f "$T/image"
		truncate -s "${size}M" "$T/image" &&
			"mkfs.$type" -q "$@" "$T/image" >"$T/said" 2>&1 &&
			mount -o loop "$T/image" "$T/mnt"
		;;
	esac >"$T/said" 2>&1
}

unmount() {
	umount "$T/mnt" 2>/dev/null
}
at_end+=(unmount)
