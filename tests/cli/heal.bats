#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2012,SC2086,SC2103
#
# What is lost of a repository is stored again by a put of the same source: a
# put never takes for stored what is not there, neither because it looks
# unchanged nor because the index says so. The old snapshots are whole again
# too.

load helpers

setup() {
	common_setup
	requires python3
	new_repo --compression=none
	mkdir -p src/sub/deep
	random_bytes 6000000 1 >src/data
	random_bytes 300000 2 >src/sub/file
	for i in $(seq 300); do echo "number $i" >src/sub/deep/$i; done
	sleep 0.05
	blobctl -q put src
	pack=$(ls -S repo/packs/* | head -1)
}

# whole [SNAP...] - these snapshots restore to what src is.
whole() {
	local snap

	for snap in "${@:-latest}"; do
		rm -rf out
		blobctl -q get "$snap" out
		same_tree src out/src
	done
}

# ---- packs that are lost -------------------------------------------------------

@test "a put of an unchanged tree sees that a pack is gone or cut short" {
	cp "$pack" keep
	for harm in "rm" "truncate -s 1000000" "truncate -s 0" "truncate -s +4096"; do
		cp keep "$pack"
		blobctl -q put src
		$harm "$pack"
		run --separate-stderr blobctl put src
		status_is 0
		err_has "${pack##*/}"
		err_has "blobctl check"
		err_has "stored again"
		[ "$(grep -c "every file is read" <<<"$stderr")" -eq 1 ]
		whole latest 'latest~1'
		cp keep "$pack"
		rm -f repo/cache/* "$XDG_CACHE_HOME"/blobctl/*/*
		rm -rf repo
		new_repo --compression=none
		blobctl -q put src
		pack=$(ls -S repo/packs/* | head -1)
		cp "$pack" keep
	done
}

@test "once stored again, an unchanged tree is recognised again" {
	rm "$pack"
	blobctl -q put src
	run --separate-stderr blobctl --json put src
	status_is 0
	has '"new_bytes":0'
	[[ $stderr$output != *"every file is read"* ]]
	err_has "nothing in this put needs it"
	whole latest
	# Nothing is lost any more: nothing is said any more.
	blobctl -q put src
}

@test "--no-cache and a first put store what a lost pack had" {
	rm "$pack"
	run --separate-stderr blobctl put --no-cache src
	status_is 0
	err_has "blobctl check"
	whole latest 'latest~1'
	rm $(ls -S repo/packs/* | head -1)
	mv src src2
	run --separate-stderr blobctl put src2
	status_is 0
	mv src2 src
	rm -rf out
	blobctl -q get latest out
	same_tree src out/src2
}

@test "put --if-changed stores what is lost, and makes no snapshot" {
	blobctl -q put src
	rm "$pack"
	n=$(blobctl ls | wc -l)
	run --separate-stderr blobctl put --if-changed src
	status_is 0
	[ "$(blobctl ls | wc -l)" -eq "$n" ]
	whole latest
	run --separate-stderr blobctl --json put --if-changed src
	status_is 0
	[[ $stderr$output != *"every file is read"* ]]
	whole latest
}
