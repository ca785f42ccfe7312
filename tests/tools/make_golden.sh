#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a golden repository: once for every version of the format, never again.
#
# usage: make_golden.sh BUILD OUT       (as root, for the device node)
#
# BUILD has blobctl and blobctl-testing. Writes OUT.tar.zst: the repository
# without its views and its reserve, and what it holds, as manifest.py says it.
set -euo pipefail
build=$(cd "$1" && pwd)
out=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
export XDG_CACHE_HOME=$T/cache XDG_CONFIG_HOME=$T/config TZ=UTC LC_ALL=C.UTF-8
b() { "$build/blobctl" -q -R repo "$@"; }

# random BYTES SEED
random() {
	python3 -c 'import random, sys
r = random.Random(int(sys.argv[2]))
sys.stdout.buffer.write(r.randbytes(int(sys.argv[1])))' "$1" "$2"
}

# Every kind of entry, and of content: none, one chunk, many, a list of lists,
# zeros, a hole; compressible and not.
mkdir -p tree/dir/deep/er tree/empty-dir tree/many
printf 'hello' >tree/dir/a
ln tree/dir/a tree/dir/deep/hard
ln -s ../nowhere tree/dir/symlink
: >tree/empty
printf 'x' >tree/$'not\xff\xfeutf-8'
printf 'y' >tree/$'two\nlines'
random 90000 1 >tree/random
seq 60000 >tree/text
head -c 700000 /dev/zero >tree/zeros
truncate -s 20M tree/sparse
printf 'end' >>tree/sparse
mkfifo tree/fifo
mknod tree/null c 1 3
python3 -c 'import os, socket, sys
os.setxattr("tree/dir/a", "user.short", b"v")
os.setxattr("tree/dir/a", "user.large", bytes(range(256)) * 12)
socket.socket(socket.AF_UNIX).bind("tree/socket")'
for i in $(seq 1500); do echo "$i" >"tree/many/a name that is not short, number $i"; done
chmod 751 tree/text
chmod 700 tree/dir/deep
chown 1234:5678 tree/text
touch -d '1965-01-01 00:00:00.25 UTC' tree/empty
find tree -depth ! -name empty -exec touch -h -d '2020-02-02 02:02:02.345678912 UTC' {} +

"$build/blobctl" -q init --no-remember --chunker cdc:16KiB repo
b put tree/ --name=all --tag=kind=first
# A pack, and chunks of the last snapshot again.
cp -a tree tree2
random 1100000 2 >tree2/random2
seq 400000 >tree2/text2
seq 1000000 1200000 >>tree2/text
touch -d '2021-03-04 05:06:07.5 UTC' tree2/random2 tree2/text2 tree2/text tree2
b put tree2/ --name=all --tag=kind=second --tag=note='two words'
b tag all~1 late=1 --remove=kind
echo gone >gone
b put gone --name=gone
"$build/blobctl" -q -y -R repo rm gone
# A failed sync begins a new log; a new log, a checkpoint.
echo again >again
BLOBCTL_FAULT=sync@log/:1:EIO "$build/blobctl-testing" -q -R repo put again \
	--name=again
echo after | b put - --stdin-name=after --name=after
printf 'line\n%.0s' {1..300} | b put - --stdin-name=small --name=small --tag=n=1
b check --read-data

{
	for snap in all~1 all again after small; do
		mkdir got
		b get "$snap" got/tree
		echo "== $snap"
		# A directory made up around one file has no time of its own.
		python3 "$here/manifest.py" got/tree |
			if [[ $snap = all* ]]; then cat; else grep -v "^b'\.' "; fi
		rm -rf got
	done
} >expected
[ "$(find repo/log -type f | wc -l)" = 2 ]
[ -n "$(find repo/packs -type f)" ]
rm -rf repo/catalog.db* repo/index repo/cache repo/reserve repo/leases
find repo expected -exec touch -d '2026-01-01 UTC' {} +
tar -c --sparse --sort=name --owner=0 --group=0 --numeric-owner repo expected |
	zstd -q -19 --long=27 >"$out.tar.zst"
ls -l "$out.tar.zst"
