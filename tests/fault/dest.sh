#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each call with which `get` changes its destination fails once, or is the
# moment of a stop or of a SIGKILL: what is there under a name is whole, what is
# not as it was is told, and the same command then brings the rest: all of it
# after a stop and a SIGKILL.
#
# usage: dest.sh
# shellcheck source=tests/tools/campaign.bash
. "$(dirname "$0")/../tools/campaign.bash"

case $(nm -D "$BLOBCTL" 2>/dev/null) in
*__asan_init* | *__tsan_init*) skip "a sanitizer does not go below a preloaded library" ;;
esac
${CC:-cc} -O1 -shared -fPIC -o "$T/fail.so" tests/testing/fail_dest.c \
	2>"$T/said" || skip "no compiler"

mkdir -p "$T/src/sub/deep"
python3 - "$T/src" <<'PY'
import os, random, sys
top = sys.argv[1]
rng = random.Random(7)
def put(name, data):
    with open(os.path.join(top, name), "wb") as f:
        f.write(data)
put("empty", b"")
put("small", b"small\n")
put("big", rng.randbytes(700000))
put("zeros", bytes(600000))
put("sub/linked", rng.randbytes(300000))
os.link(os.path.join(top, "sub/linked"), os.path.join(top, "sub/linked too"))
put("sub/deep/f", b"deep\n" * 1000)
with open(os.path.join(top, "sub/sparse"), "wb") as f:
    f.write(b"x" * 5000)
    f.seek(2000000)
    f.write(b"y" * 5000)
    f.truncate(3000000)
os.symlink("small", os.path.join(top, "sub/link"))
os.mkfifo(os.path.join(top, "sub/fifo"))
if os.geteuid() == 0:
    for name in "sub/link", "sub/fifo", "sub/sparse":
        os.chown(os.path.join(top, name), 4321, 4321, follow_symlinks=False)
os.chmod(os.path.join(top, "sub/fifo"), 0o640)
os.chmod(os.path.join(top, "sub/deep/f"), 0o400)
os.chmod(os.path.join(top, "sub/deep"), 0o750)
try:
    os.setxattr(os.path.join(top, "small"), "user.x", b"1")
except OSError:
    pass
PY
find "$T/src" -exec touch -h -d 2026-01-02 {} +

# compare whole|same: whole: all that is there has its content, but for names
# that say that it has not. same: all is there, with its attributes. below: the
# same but for the top's own.
cat >"$T/compare.py" <<'PY'
import os, stat, sys
what, src, dest = sys.argv[1:]
def tree(top):
    out = {}
    for folder, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(folder, name)
            if what != "whole" or not name.startswith(".blobctl-"):
                out[os.path.relpath(path, top)] = os.lstat(path)
    out["."] = os.lstat(top)
    return out
a, b = tree(src), tree(dest)
bad = ["%s: not in the source" % p for p in b if p not in a]
for p, sa in a.items():
    if p not in b:
        if what != "whole":
            bad.append("%s: missing" % p)
        continue
    sb = b[p]
    if stat.S_IFMT(sa.st_mode) != stat.S_IFMT(sb.st_mode):
        bad.append("%s: another type" % p)
    elif stat.S_ISREG(sa.st_mode):
        with open(os.path.join(src, p), "rb") as f, open(os.path.join(dest, p), "rb") as g:
            if f.read() != g.read():
                bad.append("%s: another content, %d bytes" % (p, sb.st_size))
    elif stat.S_ISLNK(sa.st_mode) and os.readlink(os.path.join(src, p)) != os.readlink(os.path.join(dest, p)):
        bad.append("%s: another target" % p)
    if what == "same" or what == "below" and p != ".":
        for key in "st_mode", "st_mtime_ns", "st_uid", "st_gid", "st_nlink":
            if key == "st_nlink" and not stat.S_ISREG(sa.st_mode):
                continue
            if getattr(sa, key) != getattr(sb, key):
                bad.append("%s: %s" % (p, key))
        if not stat.S_ISLNK(sa.st_mode):
            xa, xb = (dict((n, os.getxattr(os.path.join(t, p), n)) for n in os.listxattr(os.path.join(t, p)))
                      for t in (src, dest))
            if xa != xb:
                bad.append("%s: attributes" % p)
print("\n".join(bad))
sys.exit(bool(bad))
PY

compare() {
	python3 "$T/compare.py" "$1" "$T/src" "$T/got" >"$T/differs" && return
	cat "$T/differs" >>"$T/said"
	return 1
}

# few N COMMAND: with so many descriptors, unless N is empty.
cat >"$T/few" <<'SH'
#!/bin/bash
[ -z "$1" ] || ulimit -n "$1"
shift
exec "$@"
SH
chmod +x "$T/few"

# get [VARIABLE=VALUE...]: into $T/got, disturbed.
get() {
	env "$@" LD_PRELOAD="$T/fail.so" DEST="$T/got" \
		"$T/few" "${few:-}" \
		"$TESTING" -R "$R" get -j2 ${only:+"$only"} latest "$T/got" >"$T/out" 2>"$T/said" </dev/null
}

new_repo --reserve=64KiB
# With a root of nobody's, and with one that has attributes; and with folders
# that are only on the way.
(cd "$T" && b put -q src) || fail "put"
rm -rf "$T/got"
for n in 5 50; do
	get NTH=$n HOW=kill
	get
	again=$?
	[ $again = 0 ] || fail "nobody's root, killed at call $n: again $again"
	python3 "$T/compare.py" same "$T/src" "$T/got/src" >"$T/said" ||
		fail "nobody's root, killed at call $n"
	left=$(find "$T/got" -name '.blobctl-*')
	[ -z "$left" ] || fail "nobody's root, killed at call $n, left: $left"
	rm -rf "$T/got"
done
b put -q "$T/src/" || fail "put"
for n in 8 12; do
	only='--include=linked*'
	get NTH=$n HOW=kill
	get
	again=$?
	[ $again = 0 ] || fail "a part, killed at call $n: again $again"
	for at in sub sub/linked; do
		[ "$(stat -c "%a %Y" "$T/src/$at")" = "$(stat -c "%a %Y" "$T/got/$at")" ] ||
			fail "a part, killed at call $n: $at"
	done
	only=
	rm -rf "$T/got"
done
get DEST_LOG="$T/calls" || fail "undisturbed: status $?"
compare same || fail "undisturbed"
calls=$(stat -c %s "$T/calls")
[ "$calls" -gt 40 ] || fail "only $calls calls were seen"

# 28: no space; 5: I/O error; 13: no rights. Behind the colon: how old the file
# system is.
for what in 28: 5: 13: stop: short: kill: kill:1 kill:2 kill:3 28:1 kill:few; do
	before=$failed
	how=${what%:*}
	export OLD=${what#*:}
	# With few descriptors files are closed that are not whole.
	few=
	[ "$OLD" != few ] || few=40
	case $what in
	kill:) step=1 ;;
	28: | 5:) step=$(every 3) ;;
	*) step=$(every 8) ;;
	esac
	rm -rf "$T/got" "$T/calls"
	get DEST_LOG="$T/calls"
	status=$?
	# Where there are no hard links further names cannot be had.
	if [ "$OLD" = 3 ]; then
		[ $status = 3 ] || fail "$what, undisturbed: status $status"
	else
		[ $status = 0 ] || fail "$what, undisturbed: status $status"
		compare same || fail "$what, undisturbed"
	fi
	calls=$(stat -c %s "$T/calls")
	for ((n = 1; n <= calls; n += step)); do
		rm -rf "$T/got"
		get NTH=$n HOW="$how"
		status=$?
		where="call $n, $what: status $status"
		[ -d "$T/got" ] || { # its own mkdir is not below it
			fail "$where, nothing is there"
			break
		}
		case $status in
		0) compare same || fail "$where" ;;
		1 | 3 | 14) [ -s "$T/said" ] || fail "$where, nothing is said" ;;
		143) [ "$how" = stop ] || [ "$how" = short ] || fail "$where" ;;
		137) [ "$how" = kill ] || fail "$where" ;;
		*) fail "$where" ;;
		esac
		compare whole || fail "$where"
		# Of what is killed when it was all but done the top lacks its own
		# attributes.
		same=same
		case $how:$(find "$T/got" -maxdepth 1 -name '.blobctl-get-*') in
		kill:) [ -z "$(ls -A "$T/got")" ] || [ "$OLD" = 3 ] || same=below ;;
		esac
		[ $same = same ] || ! compare same || same=same
		[ $same = same ] || compare below || fail "$where, not all but done"
		get
		again=$?
		case $how:$OLD in
		*:3) [ $again = 3 ] || fail "$where, again $again" ;;
		stop:* | short:* | kill:*)
			[ $again = 0 ] || fail "$where, again $again"
			compare $same || fail "$where, not the same again"
			;;
		*) # What was told may lack attributes, its time among them.
			[ $again = 0 ] || [ $again = 3 ] || fail "$where, again $again"
			;;
		esac
		compare whole || fail "$where, again"
		left=$(find "$T/got" -name '.blobctl-*')
		[ -z "$left" ] || fail "$where, left: $left"
		missing=$(cd "$T/src" && find . -mindepth 1 | while read -r p; do
			[ -e "$T/got/$p" ] || [ -L "$T/got/$p" ] || echo "$p"
		done)
		[ "$OLD" = 3 ] || [ -z "$missing" ] || fail "$where, still missing: $missing"
		[ "$failed" = "$before" ] || break
	done
	[ "$failed" != "$before" ] || ok "$what $calls calls, one in $step"
done
plan
