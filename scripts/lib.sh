# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the scripts share; sourced from the root of the tree.

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# The files of the tree, one per line: as git sees them (new ones too), or all
# but what was built where there is no git or no repository.
tree_files() {
	git ls-files --cached --others --exclude-standard 2>/dev/null |
		while IFS= read -r f; do [ ! -e "$f" ] || echo "$f"; done |
		grep . ||
		find . \( -path ./.git -o -path ./build -o -path ./bench-data \) \
			-prune -o -type f -print | sed 's,^\./,,'
}

# Sub-makes get their settings from the environment alone, and never look for
# the job server of a make that called a script.
unset MAKEFLAGS MFLAGS MAKELEVEL
