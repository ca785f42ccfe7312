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

# build MAKE-ARGUMENTS...: builds, and shows those who wait how far it is; what
# the compilers say goes through.
build() {
	{
		make --no-print-directory -n "$@" 2>/dev/null | grep -c "echo '  [A-Z]" || :
		make --no-print-directory -j"$(nproc)" "$@" 2>&1 || echo 'make failed'
	} | {
		read -r all
		step=0
		while IFS= read -r line; do
			case $line in
			'make failed') exit 1 ;;
			'make: Nothing to be done '*) continue ;;
			'  '[A-Z]*' '*) step=$((step + 1)) ;;
			*) echo "$line"; continue ;;
			esac
			if [ -t 1 ]; then
				printf '\r  %d of %d' "$step" "$all"
				[ "$step" != "$all" ] || echo
			elif [ $((step % 20)) = 0 ] || [ "$step" = "$all" ]; then
				echo "  $step of $all"
			fi
		done
	}
}

# Sub-makes get their settings from the environment alone, and never look for
# the job server of a make that called a script.
unset MAKEFLAGS MFLAGS MAKELEVEL
