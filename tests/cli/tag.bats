#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2012,SC2086,SC2103
#
# tag: adding, changing, removing.

load helpers

setup() {
	common_setup
	new_repo
	echo x >f
	put_quietly f --tag=a=1
}

tags() { blobctl ls --format='{tags}'; }

@test "tags are added, changed and taken away" {
	run --separate-stderr blobctl tag latest b=2 c='some text'
	status_is 0
	[ -z "$output" ]
	[ "$(tags)" = "a=1 b=2 c=some text" ]
	blobctl -q tag latest a=9
	[ "$(tags)" = "a=9 b=2 c=some text" ]
	blobctl -q tag latest --remove=a --remove c d=4
	[ "$(tags)" = "b=2 d=4" ]
	blobctl -q tag latest --remove=nonesuch
	[ "$(tags)" = "b=2 d=4" ]
	run --separate-stderr blobctl --json tag latest --remove=nonesuch --remove=b
	status_is 0
	err_has "has no tag nonesuch to remove"
	has '"removed_tags":1'
	blobctl -q tag latest b=2
	[ "$(blobctl ls --format='{id}')" = "$id" ]
	[ "$(blobctl cat latest:tag=b=2:f)" = x ]
	run blobctl cat latest:tag=a=1:f
	status_is 4
}

@test "what is wrong is said before anything changes" {
	run blobctl tag latest
	status_is 2
	run blobctl tag latest b=2 nonsense
	status_is 2
	run blobctl tag latest:f b=2
	status_is 2
	run blobctl tag nonesuch b=2
	status_is 4
	[ "$(tags)" = a=1 ]
}

@test "-n changes nothing; --json" {
	run blobctl -n tag latest b=2
	status_is 0
	[ "$(tags)" = a=1 ]
	run --separate-stderr blobctl --json tag latest b=2
	status_is 0
	json_ok
	has "\"snapshot_id\":\"$id\""
}

@test "a key given twice is refused" {
	run --separate-stderr blobctl tag latest zz=1 b=2 zz=2
	status_is 2
	err_has "zz is given twice"
	[[ $(blobctl ls --format='{tags}') != *zz=* ]]
}

@test "a tag is not set and removed at once" {
	echo x >f
	blobctl -q put f
	run --separate-stderr blobctl tag latest q=r --remove=q
	status_is 2
	err_has "both set and removed"
}
