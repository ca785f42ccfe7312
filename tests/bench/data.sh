#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the data sets that scripts/bench measures on. What is there is kept.
#
# usage: tests/bench/data.sh DIR [src|forest|image|rand|wide]...
#
#   src     two neighbouring versions of Debian's linux-source-6.1, unpacked
#   forest  a node_modules of more than 100,000 files (package.json beside this)
#   image   a sparse 3 GiB ext4 image of /usr/lib, and an edited copy
#   rand    1 GiB of random bytes
#   wide    50,000 tiny files in one directory
#
# Each set is DIR/SET with a file DIR/SET.txt that says what it holds. A set is
# built in DIR/SET.part and renamed at the end, so half of one is never used.
set -eu
[ $# -ge 1 ] || { echo 'usage: tests/bench/data.sh DIR [SET...]' >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
scripts=$here/../../scripts
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- src forest image rand wide
PATH=$PATH:/usr/sbin:/sbin

# The newest package of the long-term branch and the newest of the upstream
# release before it: close relatives, as two days of a work tree are.
make_src() {
	suites=bookworm,bookworm-security
	package=linux-source-6.1
	all=$("$scripts/apt-fetch" "$dir/apt" "$suites" --versions "$package")
	new=$(echo "$all" | head -n 1)
	old=$(echo "$all" | grep -v "^${new%-*}-" | head -n 1)
	[ -n "$old" ] || { echo "data: only one version of $package" >&2; exit 1; }
	for tree in old new; do
		if [ $tree = old ]; then version=$old; else version=$new; fi
		echo "data: $package $version as src/$tree"
		deb=$("$scripts/apt-fetch" "$dir/apt" "$suites" "$package=$version")
		mkdir "$tree"
		dpkg-deb --fsys-tarfile "$deb" |
			tar -xO "./usr/src/$package.tar.xz" |
			tar -xJ -C "$tree" --strip-components=1 --no-same-owner
		rm -f "$deb"
	done
	echo "$package $old and $new" >"$note"
}

make_forest() {
	cp "$here/package.json" .
	npm install --ignore-scripts --no-audit --no-fund --no-package-lock \
		--legacy-peer-deps --loglevel=error --cache "$dir/npm-cache"
	echo 'node_modules of tests/bench/package.json' >"$note"
}

# The image holds the first part of /usr/lib in name order, at most 1.5 GB, so
# that it fits whatever is installed. The copy differs as a machine's disk does
# after a day: some files gone, some new, one of them large.
make_image() {
	mkdir tree
	(cd /usr/lib && find . -xdev \( -type f -o -type l \) -printf '%s\t%p\n') |
		LC_ALL=C sort -t '	' -k 2 |
		awk -F '\t' '{ sum += $1; if (sum > 1.5e9) exit; print $2 }' |
		(cd /usr/lib && tar -c --no-recursion -T - --verbatim-files-from) |
		tar -x -C tree
	# Fixed identifiers: the same tree gives the same image.
	uuid=6f1d2f0e-4f44-4f6a-9f5a-b10bc7100001
	SOURCE_DATE_EPOCH=1700000000 mkfs.ext4 -q -U $uuid -d tree \
		-E "hash_seed=$uuid,lazy_itable_init=0" old.img 3G
	cp --sparse=always old.img new.img
	head -c 20000000 /dev/urandom >large
	{
		find tree -type f -size -64k | LC_ALL=C sort | awk 'NR % 50 == 0' |
			head -n 400 | sed 's,^tree\(.*\)$,rm "\1",'
		echo 'write large large-new-file'
		find tree -type f -size -64k | LC_ALL=C sort | awk 'NR % 77 == 1' |
			head -n 200 | awk '{ printf "write \"%s\" new-%d\n", $0, NR }'
	} >edits
	debugfs -w -f edits new.img >edits.log 2>&1
	rm -rf tree large edits edits.log
	echo "3 GiB sparse ext4 image of /usr/lib, and an edited copy" >"$note"
}

make_rand() {
	head -c 1073741824 /dev/urandom >rand
	echo '1 GiB of random bytes' >"$note"
}

make_wide() {
	python3 - <<-'PY'
	for i in range(50000):
	    with open(f"record-{i:05}.txt", "w") as f:
	        f.write(f"record {i}\nvalue {i * 2654435761 % 2**32:08x}\n" * (1 + i % 3))
	PY
	echo '50,000 files of 30 to 100 bytes in one directory' >"$note"
}

for set; do
	case $set in
	src | forest | image | rand | wide) ;;
	*) echo "data: no set is called $set" >&2; exit 2 ;;
	esac
	[ -d "$dir/$set" ] && continue
	echo "data: making $set in $dir"
	rm -rf "$dir/$set.part"
	mkdir "$dir/$set.part"
	cd "$dir/$set.part"
	note=$dir/$set.txt
	"make_$set"
	cd "$dir"
	mv "$dir/$set.part" "$dir/$set"
done
