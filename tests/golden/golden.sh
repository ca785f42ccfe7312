#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Repositories of every version of the format: the program and the reader in
# contrib/ check them, list them and bring back what they hold.
#
# usage: golden.sh        BLOBCTL: the program to test
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$here/../.." && pwd)
T=$(mktemp -d "${TMPDIR:-/tmp}/blobctl-golden.XXXXXX") || exit 1
trap 'chmod -R u+rwX "$T"; rm -rf "$T"' EXIT
cd "$T" || exit 1
export XDG_CACHE_HOME=$T/cache XDG_CONFIG_HOME=$T/config
failed=0

ok() { echo "ok $*"; }
bad() {
	echo "not ok $*"
	failed=1
}
b() { "$BLOBCTL" -q -R repo "$@"; }
reader() { python3 "$ROOT/contrib/blobctl_read.py" "$@"; }

# What only root, or not every file system, can bring back is left out then.
plain=()
want() { sed -n "/^== $1\$/,/^== /p" expected | grep -v '^== '; }
if [ "$(id -u)" != 0 ] || ! python3 -c 'import os
open("probe", "w").close()
os.setxattr("probe", "user.large", bytes(4000))' 2>/dev/null; then
	plain=(--plain)
	echo "# without owners, device nodes and extended attributes"
	# The last columns; the line of the device node.
	want() {
		sed -n "/^== $1\$/,/^== /p" expected |
			sed -n 's/ [0-9]* [0-9]* \[.*\]$//p' |
			grep -v "^b'null' "
	}
fi

# restored SNAP COMMAND... - the command's exit code, and the tree in got/.
restored() {
	local snap=$1 rc
	shift
	rm -rf got
	"$@" 2>said
	rc=$?
	# 3 (1 of the reader): not all of it, by this user or here.
	[ $rc = 0 ] || { [ ${#plain[@]} -gt 0 ] && [[ $rc = [13] ]]; } || {
		cat said
		return 1
	}
	python3 "$ROOT/tests/tools/manifest.py" "${plain[@]}" got >manifest
	want "$snap" >wanted
	# A directory made up around single files has no time of its own.
	grep -q "^b'\.' " wanted || sed -i "/^b'\.' /d" manifest
	[ -s wanted ] && diff wanted manifest
}

for archive in "$here"/*.tar.zst; do
	name=$(basename "$archive" .tar.zst)
	rm -rf repo expected
	zstd -q -d -c --long=27 "$archive" | tar -x --no-same-owner || exit 1
	chmod -R u+rwX repo
	cp -a repo pristine

	if reader repo verify >said; then
		ok "$name: the reader verifies"
	else
		cat said
		bad "$name: the reader verifies"
	fi
	if b check --read-data; then
		ok "$name: check"
	else
		bad "$name: check"
	fi
	sed -n 's/^== //p' expected >snapshots
	while read -r snap; do
		if restored "$snap" b get "$snap" got; then
			ok "$name: get $snap"
		else
			bad "$name: get $snap"
		fi
		# Of several snapshots of a name it knows the newest.
		[[ $snap != *'~'* ]] || continue
		if restored "$snap" reader repo extract "$snap" got; then
			ok "$name: the reader extracts $snap"
		else
			bad "$name: the reader extracts $snap"
		fi
	done <snapshots
	# It can still be written to, and all that was there remains.
	if echo new | b put - --stdin-name=new --name=new &&
		[ "$(b cat new:new)" = new ] && b rm -y new &&
		b check --read-data && restored all b get all got; then
		ok "$name: put and rm"
	else
		bad "$name: put and rm"
	fi
	# A repository that only can be read.
	rm -rf repo
	mv pristine repo
	chmod -R a-w repo
	if b ls >said && [ "$(wc -l <said)" = "$(wc -l <snapshots)" ]; then
		ok "$name: ls, read-only"
	else
		cat said
		bad "$name: ls, read-only"
	fi
	chmod -R u+w repo
done
exit $failed
