#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What verify_repo proves, by code that has nothing of the program's.

usage: verify_reader.py REPO MANIFEST SCRATCH

Restores every snapshot that the manifest promises with contrib/blobctl_read.py,
which knows docs/format.md alone, into SCRATCH, and compares with its source;
what was removed must not be there. A line of the manifest: `+ID full DIR`,
`+ID data DIR` (bytes only) or `-ID`.
"""
import os
import shutil
import stat
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../../contrib'))
sys.dont_write_bytecode = True
import blobctl_read  # noqa: E402

wrong = []


def entries(top):
    """What must be the same, by path: type and content, and the rest."""
    out = {}
    for folder, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(folder, name)
            s = os.lstat(path)
            what = b''
            if stat.S_ISREG(s.st_mode):
                with open(path, 'rb') as f:
                    what = f.read()
            elif stat.S_ISLNK(s.st_mode):
                what = os.fsencode(os.readlink(path))
            out[os.path.relpath(path, top)] = (
                (stat.S_IFMT(s.st_mode), what),
                (s.st_mode, s.st_uid, s.st_gid, s.st_mtime_ns))
    return out


def compare(id, kind, source, restored):
    a, b = entries(source), entries(restored)
    for path in sorted(set(a) | set(b)):
        if path not in a or path not in b:
            where = 'source' if path in a else 'snapshot'
            wrong.append('%s: %s: in the %s only' % (id, path, where))
        elif a[path][0] != b[path][0]:
            wrong.append('%s: %s: another type or other bytes' % (id, path))
        elif kind == 'full' and a[path][1] != b[path][1]:
            wrong.append('%s: %s: %s, not %s' % (id, path, b[path][1], a[path][1]))


def main(repo, manifest, scratch):
    reader = blobctl_read.Repo(repo, False)
    there = {s.hex() for s in reader.snapshots}
    with open(manifest) as f:
        lines = [line.rstrip('\n') for line in f]
    for line in lines:
        id, _, rest = line[1:].partition(' ')
        if (id in there) != (line[0] == '+'):
            wrong.append('%s is %s' % (id, 'missing' if line[0] == '+' else 'there again'))
        elif line[0] == '+':
            kind, _, source = rest.partition(' ')
            shutil.rmtree(scratch, ignore_errors=True)
            blobctl_read.extract(reader, id, scratch)
            compare(id, kind, source, scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    for what in wrong + blobctl_read.problems:
        print('the reader: ' + what)
    return 1 if wrong or blobctl_read.problems else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
