# SPDX-License-Identifier: Apache-2.0
# Completion of blobctl for fish. The program itself knows the candidates.
function __blobctl_complete
	set -l words (commandline -opc) (commandline -ct)
	$words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c blobctl -a '(__blobctl_complete)'
