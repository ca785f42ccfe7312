#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A block whose checksums are right and whose bytes are not: only the chunk's
# own id tells. Nothing may hand out such bytes; what else there is still
# comes back.
#
# usage: forged.sh
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

# forge PACK|LOG: add the polynomial of CRC-32C to the first data block, somewhere
# in the middle: no checksum of it changes, wherever one is kept.
forge() {
	python3 - "$1" <<'PY'
import struct, sys

table = []
for i in range(256):
    c = i
    for _ in range(8):
        c = (c >> 1) ^ (0x82f63b78 if c & 1 else 0)
    table.append(c)

def crc(data):
    c = 0xffffffff
    for b in data:
        c = table[(c ^ b) & 255] ^ (c >> 8)
    return c ^ 0xffffffff

with open(sys.argv[1], "r+b") as f:
    raw = bytearray(f.read())
    at = raw.find(b"BLK1")
    while at >= 0 and raw[at + 4] != 1:
        at = raw.find(b"BLK1", at + 4)
    assert raw[at:at + 4] == b"BLK1" and raw[at + 5] == 0, "no raw data block"
    stored = struct.unpack_from("<I", raw, at + 8)[0]
    body = at + 64
    assert crc(raw[body:body + stored]) == struct.unpack_from("<I", raw, at + 32)[0]
    was = crc(raw[body:body + stored])
    at = body + stored // 2 & ~511 | 100
    for i, v in enumerate((1 | 0x82f63b78 << 1).to_bytes(5, "little")):
        raw[at + i] ^= v
    assert crc(raw[body:body + stored]) == was
    f.seek(0)
    f.write(raw)
PY
}

mkdir -p "$T/one" "$T/two" "$T/small"
head -c 3000000 /dev/urandom >"$T/one/file"
head -c 3000000 /dev/urandom >"$T/two/file"
new_repo --reserve=0 --compression=none
b put -q --print-id "$T/one/"
bad=$(cat "$T/out")
pack=$(find "$R/packs" -name '*.pack' | head -n 1)
# In the log, where no checksums of parts help a range.
head -c 9000 /dev/urandom >"$T/small/file"
b put -q --print-id "$T/small/"
small=$(cat "$T/out")
log=$(find "$R/log" -type f)
b put -q --print-id "$T/two/" && promised full "$T/two"
verify "before" && ok "before"
forge "$pack" || fail "forging a pack"
forge "$log" || fail "forging a log"
if "$TOOLS/verify_repo" "$R" >"$T/said" 2>&1; then
	fail "verify_repo reads forged bytes"
else
	ok "verify_repo does not read forged bytes"
fi
for engine in $(engines); do
	export BLOBCTL_IO=$engine
	b cat "$bad:file"
	status=$?
	if [ $status = 13 ]; then
		ok "cat ends with 13 on $engine"
	else
		fail "cat of forged bytes: status $status on $engine"
	fi
	for key in "$bad" "$small"; do
		b cat --range=100-8900 "$key:file"
		status=$?
		if [ $status = 13 ]; then
			ok "cat of a range ends with 13 on $engine"
		elif [ "$key" = "$bad" ] && cmp -s -n 8801 -i 0:100 \
			"$T/out" "$T/one/file"; then
			ok "cat of a range that is whole on $engine"
		else
			fail "cat of a forged range: status $status on $engine"
		fi
	done
	mkdir "$T/got.$engine"
	b get "$bad" "$T/got.$engine/bad"
	status=$?
	if [ $status = 13 ]; then
		ok "get ends with 13 on $engine"
	else
		fail "get of forged bytes: status $status on $engine"
	fi
	if b get latest "$T/got.$engine/good" &&
		cmp "$T/got.$engine/good/file" "$T/two/file" >"$T/said"; then
		ok "the other snapshot comes back on $engine"
	else
		fail "get of the other snapshot on $engine"
	fi
	b check --read-data
	status=$?
	if grep -q 'not connected' "$T/said"; then
		:
	elif [ $status = 13 ]; then
		ok "check --read-data ends with 13 on $engine"
	else
		fail "check --read-data on $engine: status $status"
	fi
done
plan
