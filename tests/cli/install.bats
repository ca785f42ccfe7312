# SPDX-License-Identifier: Apache-2.0
# make install puts every file where prefix and DESTDIR say; make uninstall
# takes them away again and nothing else.

setup() {
	ROOT=${ROOT:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
	BUILD=${BUILD:-$ROOT/build}
	dest="$BATS_TEST_TMPDIR/a root"
	mkdir "$dest"
}

# -o: the program counts as up to date, whatever else is going on in the tree.
in_tree() {
	env -u MAKEFLAGS make -s -C "$ROOT" BUILD="$BUILD" \
		-o "$BUILD/blobctl" DESTDIR="$dest" "$@"
}

files() { (cd "$dest" && find . -type f -printf '%m %P\n' | LC_ALL=C sort); }

@test "install goes below DESTDIR and /usr/local" {
	in_tree install
	[ -x "$dest/usr/local/bin/blobctl" ]
	[ -f "$dest/usr/local/share/doc/blobctl/format.md" ]
	for page in "$ROOT"/man/*.1; do
		[ -f "$dest/usr/local/share/man/man1/${page##*/}" ]
	done
	[ -z "$(find "$dest" -path "$dest/usr/local" -prune -o -type f -print)" ]
}

@test "prefix moves everything, and each folder can be moved alone" {
	in_tree install prefix=/opt/blobctl mandir=/elsewhere/man
	[ -x "$dest/opt/blobctl/bin/blobctl" ]
	[ -f "$dest/opt/blobctl/share/doc/blobctl/format.md" ]
	[ -f "$dest/elsewhere/man/man1/blobctl.1" ]
	[ ! -e "$dest/usr" ]
}

@test "the installed program is the built one, and runs" {
	in_tree install prefix=/usr
	cmp "$BUILD/blobctl" "$dest/usr/bin/blobctl"
	run "$dest/usr/bin/blobctl" version
	[ "$status" = 0 ]
	[[ $output == *"$(cat "$ROOT/VERSION")"* ]]
}

@test "modes: the program is executable, the rest is readable by all" {
	umask 077
	in_tree install prefix=/usr
	[ -z "$(files | grep -v '^755 usr/bin/' | grep -v '^644 ' || :)" ]
}

@test "completions go where each shell looks" {
	in_tree install prefix=/usr
	for pair in blobctl.bash:bash-completion/completions/blobctl \
		_blobctl:zsh/site-functions/_blobctl \
		blobctl.fish:fish/vendor_completions.d/blobctl.fish; do
		[ -e "$ROOT/completions/${pair%%:*}" ] || continue
		cmp "$ROOT/completions/${pair%%:*}" "$dest/usr/share/${pair#*:}"
	done
}

@test "uninstall removes what install put there, and nothing else" {
	in_tree install prefix=/usr
	touch "$dest/usr/bin/other" "$dest/usr/share/doc/blobctl/notes-of-the-user"
	in_tree uninstall prefix=/usr
	run files
	[ "$(wc -l <<<"$output")" = 2 ]
	[[ $output == *usr/bin/other* && $output == *notes-of-the-user* ]]
}

@test "uninstall where nothing is installed succeeds" {
	in_tree uninstall
}
