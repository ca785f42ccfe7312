#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Many puts of one new 4 KiB file each, every one a process of its own, into
# one repository: does it stay fast, and how many files does it have?
#
# usage: tests/bench/many_puts.sh DIR     a new folder in DIR, removed at the end
#
#   BENCH_PUTS  how many puts (default 20000)
#   BLOBCTL     the program (default: the one on the PATH)
#
# After each tenth a line: puts so far, median and 99th percentile of the
# tenth's puts in ms, files in the repository, KiB they take without the
# reserve. At the end lines of a word and ms: the median of five of ls and
# of cat of the newest, and of one check. Columns are separated by tabs.
set -euo pipefail
[ $# = 1 ] || { echo 'usage: tests/bench/many_puts.sh DIR' >&2; exit 2; }
n=${BENCH_PUTS:-20000}
blobctl=$(command -v "${BLOBCTL:-blobctl}") || { echo 'many_puts: no blobctl' >&2; exit 1; }
export LC_ALL=C
dir=$(mktemp -d "$1/many-puts-XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export HOME=$dir/home XDG_CACHE_HOME=$dir/home XDG_CONFIG_HOME=$dir/home XDG_STATE_HOME=$dir/home
mkdir "$dir/home"
cd "$dir"
unset BLOBCTL_REPO
"$blobctl" -q init --no-remember repo
run() { "$blobctl" -q -R repo "$@" >/dev/null; }

# timed COMMAND...: appends its microseconds to the file `took`
timed() {
	local began=$EPOCHREALTIME ended
	"$@"
	ended=$EPOCHREALTIME
	echo $((${ended/./} - ${began/./})) >>took
}

# ms PERCENT: that percentile of `took`, in ms
ms() {
	sort -n took | awk -v p="$1" '{ v[NR] = $1 }
		END { i = int(NR * p / 100) + 1; if (i > NR) i = NR; printf "%.2f", v[i] / 1000 }'
}

# All that no compressor makes smaller; the number makes each file another.
filler=$(head -c 3000 /dev/urandom | base64 -w 0)
tenth=$(((n + 9) / 10))
: >took
for ((i = 1; i <= n; i++)); do
	printf '%08d %s' "$i" "${filler:0:4087}" >file
	timed run put --name many file
	if ((i % tenth == 0 || i == n)); then
		printf '%d\t%s\t%s\t%d\t%d\n' "$i" "$(ms 50)" "$(ms 99)" \
			"$(find repo -type f | wc -l)" \
			"$(du -sk --exclude=reserve repo | cut -f 1)"
		: >took
	fi
done

five() { # five NAME COMMAND...: the median of five runs
	local name=$1 _
	shift
	: >took
	for _ in 1 2 3 4 5; do timed "$@"; done
	printf '%s\t%s\n' "$name" "$(ms 50)"
}
run cat many:file
"$blobctl" -q -R repo cat many:file | cmp - file
five ls run ls
five cat run cat many:file
: >took
timed run check
printf 'check\t%s\n' "$(ms 50)"
