# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of blobctl for bash. The program itself knows the candidates.
_blobctl() {
	local line=${COMP_LINE:0:COMP_POINT} cur word=${COMP_WORDS[COMP_CWORD]} i
	local -a words
	read -ra words <<<"$line"
	[[ $line != *' ' ]] || words+=('')
	cur=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
	# bash replaces what follows the last : or = only.
	[[ $word != [:=] ]] || word=
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"${cur%"$word"}"}
	done
	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[=/] ]] || compopt -o nospace
}
complete -o default -F _blobctl blobctl
