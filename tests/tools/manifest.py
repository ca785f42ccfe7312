#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A line for every entry below a directory: all that a restore brings back.

usage: manifest.py [--plain] DIR

Two trees are the same if their manifests are. --plain leaves out what only
root, or only some file systems, can restore: owners, device nodes, attributes.
"""
import hashlib
import os
import stat
import sys


def main():
    plain = sys.argv[1] == '--plain'
    top = os.fsencode(sys.argv[-1])
    groups = {}  # a file of several names, by the first of them
    for folder, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files) + ([b'.'] if folder == top else []):
            path = os.path.join(folder, name)
            s = os.lstat(path)
            what = b''
            if stat.S_ISREG(s.st_mode):
                with open(path, 'rb') as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            elif stat.S_ISLNK(s.st_mode):
                what = os.readlink(path)
            attrs = sorted((a, os.getxattr(path, a, follow_symlinks=False))
                           for a in os.listxattr(path, follow_symlinks=False))
            links = 0 if stat.S_ISDIR(s.st_mode) else s.st_nlink
            same = groups.setdefault((s.st_dev, s.st_ino), os.path.relpath(path, top))
            if plain and (stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode)):
                continue
            line = [os.path.relpath(path, top), oct(s.st_mode), s.st_mtime_ns,
                    s.st_size if links else 0, links, same, s.st_rdev, what]
            print(*(line if plain else line + [s.st_uid, s.st_gid, attrs]))


main()
