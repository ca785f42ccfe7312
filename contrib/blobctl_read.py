#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a blobctl repository, knowing docs/format.md and nothing else.

usage: blobctl_read.py [--zstd-command] REPO ls [SNAP]
       blobctl_read.py [--zstd-command] REPO extract SNAP DEST
       blobctl_read.py [--zstd-command] REPO verify

SNAP is `latest`, a name (its newest snapshot) or the beginning of an id. DEST
must not exist or be empty. Needs Python 3.8 and libzstd or the zstd command;
--zstd-command insists on the latter. Writes nothing into the repository.
Status: 0 done, 1 failed or damage found, 2 usage.

The section numbers below are those of docs/format.md.
"""
import ctypes, ctypes.util, errno, hashlib, os, stat, struct, subprocess, sys
from collections import namedtuple

ZEROS = bytes(32)
BATCH = 64 << 20  # plain bytes of blocks that are decoded at once
DIR, FILE, LINK, FIFO, SOCKET, CHAR, BLOCK = 2, 1, 3, 4, 5, 6, 7
problems = []


class Damage(Exception):
    """What the repository says is not what it should be."""


def need(ok, what):
    if not ok:
        raise Damage(what)


def report(what):
    problems.append(what)
    print('damaged: %s' % what, file=sys.stderr)


# ---- section 1: numbers, checksums, digests ---------------------------------

CRC_TABLE = []
for v in range(256):
    for _ in range(8):
        v = v >> 1 ^ (0x82F63B78 if v & 1 else 0)
    CRC_TABLE.append(v)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def digest(data):
    return hashlib.sha256(data).digest()


def u(data, at, size):
    return int.from_bytes(data[at:at + size], 'little')


class Cursor:
    """Takes values from bytes in order; beyond the end is damage."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def span(self, n):
        need(self.at + n <= len(self.data), 'something is cut short')
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, size):
        return int.from_bytes(self.span(size), 'little')

    def varint(self):
        v = shift = 0
        while True:
            byte = self.u(1)
            v |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(v < 1 << 64 and (byte or shift == 7), 'a number is malformed')
                return v

    def svarint(self):
        v = self.varint()
        return v >> 1 ^ -(v & 1)

    def str(self):
        return self.span(self.varint())

    def many(self, *takes):
        """varint n, then n times what `takes` take."""
        return [tuple(take() for take in takes) for _ in range(self.varint())]


# ---- section 4: blocks and their codec --------------------------------------

class Zstd:
    """Frames to plain bytes, by libzstd, or many at a time by the command."""

    def __init__(self, command):
        name = None if command else ctypes.util.find_library('zstd')
        self.lib = name and ctypes.CDLL(name)
        if self.lib:
            self.lib.ZSTD_decompress.restype = ctypes.c_size_t
            self.lib.ZSTD_decompress.argtypes = [
                ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

    def many(self, frames):
        """[(frame, plain length)] to a list of bytes, None where damaged."""
        if self.lib:
            return [self.one(*f) for f in frames]
        if not frames:
            return []
        # Frames one after the other decode to their plain bytes likewise.
        run = subprocess.run(['zstd', '-dcq'], input=b''.join(f for f, _ in frames),
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if run.returncode == 0 and len(run.stdout) == sum(n for _, n in frames):
            c = Cursor(run.stdout)
            return [c.span(n) for _, n in frames]
        if len(frames) == 1:
            return [None]
        half = len(frames) // 2  # find the one that is to blame
        return self.many(frames[:half]) + self.many(frames[half:])

    def one(self, frame, length):
        out = ctypes.create_string_buffer(max(length, 1))
        got = self.lib.ZSTD_decompress(out, length, frame, len(frame))
        return out.raw[:length] if got == length else None


Block = namedtuple('Block', 'path offset stored plain chunks kind codec')


def block_header(raw, path, offset):
    """The block whose header `raw` is; None if it is none."""
    if len(raw) < 64 or raw[:4] != b'BLK1' or u(raw, 60, 4) != crc32c(raw[:60]):
        return None
    need(raw[4] in range(1, 7) and raw[5] < 2, 'a block of a newer format')
    need(raw[6] == 0, 'the repository is encrypted')
    return Block(path, offset, u(raw, 8, 4), u(raw, 12, 4), u(raw, 16, 2), raw[4], raw[5])


def plain_of(block, stored, zstd):
    """A single block, such as a directory; None if it is damaged."""
    if len(stored) != block.stored:
        return None
    return zstd.many([(stored, block.plain)])[0] if block.codec else stored


def split(block, plain):
    """The chunks of a block: (place, length) each."""
    n = block.chunks
    lengths = [u(plain, 4 * i, 4) for i in range(n)] if n > 1 else [len(plain)] * n
    at = 4 * n if n > 1 else 0
    out = []
    for length in lengths:
        out.append((at, length))
        at += length
    need(at == len(plain), 'the lengths in a block do not add up')
    return out


# ---- sections 3, 5, 6: superblock, packs, log -------------------------------

class Repo:
    def __init__(self, path, command=False):
        self.path, self.zstd = path, Zstd(command)
        self.blocks = []       # Block
        self.chunks = {}       # digest: (number of its block, place, length)
        self.cache = {}        # number of a block: its plain bytes
        self.cached = 0        # plain bytes of these
        self.parts = {}        # (path, offset) of a raw block: CRCs of its parts
        self.snapshots = {}    # digest: what its record says, in order of making
        self.retagged = []     # (digest, {to set}, [to remove])
        self.id = self.superblock()
        packs = self.replay_all()
        if problems:  # in a gap packs may have been added: take them all
            known = {pack for pack, _ in packs.values()}
            for name in os.listdir(os.path.join(path, 'packs')):
                if name.endswith('.pack') and bytes.fromhex(name[:32]) not in known:
                    packs[name] = bytes.fromhex(name[:32]), None
        for pack in packs.values():
            try:
                self.read_pack(*pack)
            except (Damage, OSError) as e:
                report('pack %s: %s' % (pack[0].hex(), e))
        self.read_records()

    def read(self, name, offset=0, size=-1):
        with open(os.path.join(self.path, name), 'rb') as f:
            f.seek(offset)
            return f.read(size)

    def superblock(self):
        best = None
        for name in 'superblock', 'superblock.copy':
            try:
                raw = self.read(name, 0, 4097)
            except FileNotFoundError:
                continue
            if len(raw) != 4096 or raw[:8] != b'BLOBREPO' or digest(raw[:4064]) != raw[4064:]:
                report(name)
            elif best is None or u(raw, 12, 4) > u(best, 12, 4):
                best = raw
        need(best, 'no superblock: not a repository')
        need(u(best, 8, 4) == 1 and best[72] == 1 and u(best, 16, 8) == 0,
             'the repository has a newer format')
        need(best[73] == 0, 'the repository is encrypted')
        return best[48:64]

    # -- the log

    def log_headers(self):
        """{SEQ: [header]} of all logs that are whole."""
        logs = {}
        for name in sorted(os.listdir(os.path.join(self.path, 'log'))):
            raw = self.read('log/' + name, 0, 4097)
            whole = raw[128:136] == b'BLOBLOG1' and u(raw, 4092, 4) == crc32c(raw[:4092])
            if (whole and raw[32:48] == self.id and
                    name == '%016x-%s' % (u(raw, 136, 8), raw[16:32].hex())):
                logs.setdefault(u(raw, 136, 8), []).append(raw)
            elif len(raw) > 4096:  # else its maker died before the first group
                report('header of log/' + name)
        return logs

    def replay_all(self):
        """Every group of every log, in order. Returns the added packs."""
        logs, packs = self.log_headers(), {}
        need(1 in logs, 'the beginning of the log is missing')
        head, seq, chain, generation = logs[1][0], 1, ZEROS, 0
        while head:
            name = 'log/%016x-%s' % (seq, head[16:32].hex())
            after = next((h for h in logs.get(seq + 1, []) if h[160:176] == head[16:32]), None)
            end = u(after, 176, 8) if after else None
            if head[184:216] != chain:
                report('%s does not follow generation %d' % (name, generation))
            chain, generation = self.replay_log(name, head, end, chain, generation, packs)
            head, seq = after, seq + 1
        return packs

    def replay_log(self, name, head, end, chain, generation, packs):
        size = os.path.getsize(os.path.join(self.path, name))
        at = 4096
        while at < (size if end is None else end):
            found = self.group(name, head, at, end is None)
            if found is None:
                # The end, or damage: then a later group lies beyond.
                last = size if end is None else end
                at = next((a for a in range(at + 4096, last, 4096) if self.group(
                    name, head, a, end is None, generation)), None)
                if at is None:
                    if end is not None:
                        report('%s lacks groups after generation %d' % (name, generation))
                    break
                found = self.group(name, head, at, end is None)
            number, previous, mine, ops, blocks, length = found
            if number != generation + 1 or previous != chain:
                report('%s: generation %d does not follow %d' % (name, number, generation))
            self.add_blocks(blocks)
            self.apply(ops, packs)
            chain, generation = mine, number
            at += -(-length // 4096) * 4096
        return chain, generation

    def group(self, name, head, at, may_be_torn, above=0):
        """The group at this place, or None."""
        raw = self.read(name, at, 128)
        if len(raw) < 128 or raw[:8] != b'BLOBGRUP' or u(raw, 124, 4) != crc32c(raw[:124]):
            return None
        need(u(raw, 8, 4) == 1, 'a log group of a newer format')
        length, generation = u(raw, 16, 8), u(raw, 24, 8)
        if raw[32:48] != head[16:32] or length > 32 << 20 or generation <= above:
            return None
        raw = self.read(name, at, length)
        parts, place = [], 128
        for kind, size in (5, u(raw, 72, 4)), (4, u(raw, 76, 4)):
            block = size and block_header(raw[place:place + 64], name, at + place)
            plain = block and plain_of(block, raw[place + 64:place + size], self.zstd)
            if size and (plain is None or block.kind != kind):
                return None
            parts.append(plain or b'')
            place += size
        record, listing = parts
        c = Cursor(record)
        need(c.u(1) == 1, 'a generation record of a newer format')
        if c.u(8) != generation:
            return None
        previous, of_listing = c.span(32), c.span(32)
        c.span(16 + 8)  # session, time
        ops = c.many(lambda: c.u(1), c.str)
        if of_listing != (digest(listing) if listing else ZEROS):
            return None
        blocks = self.listed(name, listing) if listing else []
        # Only the last group of all can be torn: are its blocks whole?
        if may_be_torn and at + -(-length // 4096) * 4096 >= os.path.getsize(
                os.path.join(self.path, name)):
            if any(block_header(raw[b.offset - at:][:64], name, b.offset) is None or
                   self.decode([b])[0] is None for b, _ in blocks):
                return None
        return generation, previous, digest(record), ops, blocks, length

    def apply(self, ops, packs):
        for code, body in ops:
            c = Cursor(body)
            if code == 1:
                need(body == self.id, 'the log is of another repository')
            elif code == 2:
                self.snapshots[body] = None
            elif code == 3:
                self.snapshots.pop(body, None)
            elif code == 4:
                snapshot, sets = c.span(32), c.many(c.str, c.str)
                self.retagged.append((snapshot, sets, c.many(c.str)))
            elif code == 5:
                number, pack = c.u(4), c.span(16)
                c.span(1 + 2 + 8 + 4 + 4 + 8)
                packs[number] = (pack, c.span(32))
            elif code == 8:
                number, ordinals = c.u(4), c.many(c.varint)
                if not ordinals:
                    packs.pop(number, None)
            else:  # condemned, resurrected: still there; moved: perhaps
                need(code in (6, 7, 9, 10) or code >= 128, 'the log has a newer format')

    # -- packs

    def listed(self, path, listing):
        """A directory's plain bytes to [(Block, [(digest, place, length)])]."""
        c = Cursor(listing)
        n_blocks, n_chunks = c.u(4), c.u(4)
        rows, lengths = c.span(24 * n_blocks), c.span(4 * n_chunks)
        ids, out, k = c.span(32 * n_chunks), [], 0
        for i in range(n_blocks):
            offset, stored, plain, _, n, kind, codec = struct.unpack_from(
                '<IIIHHBB', rows, 24 * i)
            at, chunks = 4 * n if n > 1 else 0, []
            for j in range(k, k + n):
                length = u(lengths, 4 * j, 4)
                chunks.append((ids[32 * j:32 * j + 32], at, length))
                at += length
            need(at == plain, 'a directory contradicts itself')
            out.append((Block(path, offset, stored, plain, n, kind, codec), chunks))
            k += n
        need(k == n_chunks, 'a directory contradicts itself')
        if c.at < len(listing):
            for block, _ in out:
                if block.codec == 0 and block.stored > 4096:
                    first, last = block.offset + 64, block.offset + 63 + block.stored
                    self.parts[path, block.offset] = [
                        c.u(4) for _ in range(first // 4096, last // 4096 + 1)]
            need(c.at == len(listing), 'a directory contradicts itself')
        return out

    def add_blocks(self, listed):
        for block, chunks in listed:
            for chunk in chunks:
                self.chunks.setdefault(chunk[0], (len(self.blocks),) + chunk[1:])
            self.blocks.append(block)

    def read_pack(self, pack, of_listing):
        name = 'packs/%s.pack' % pack.hex()
        size = os.path.getsize(os.path.join(self.path, name))
        foot = self.read(name, max(size - 64, 0))
        listing = None
        if (len(foot) == 64 and foot[:8] == b'BLOBFOOT' and foot[40:56] == pack and
                u(foot, 60, 4) == crc32c(foot[:60])):
            raw = self.read(name, u(foot, 8, 8), u(foot, 16, 4))
            block = block_header(raw[:64], name, u(foot, 8, 8))
            listing = block and plain_of(block, raw[64:], self.zstd)
        if listing and of_listing in (None, digest(listing)):
            self.add_blocks(self.listed(name, listing))
        else:
            report('directory of %s; its blocks are read one by one' % name)
            self.add_blocks(self.salvage(name))

    def salvage(self, name):
        """The blocks of a pack by their own headers."""
        raw, at = self.read(name), 128
        while at >= 0:
            block = block_header(raw[at:at + 64], name, at)
            if block is None:
                at = raw.find(b'BLK1', at + 1)
                continue
            at += 64 + block.stored
            plain = self.decode([block])[0] if block.kind in (1, 2, 3, 6) else None
            if plain is not None:
                yield block, [(digest(plain[a:a + n]), a, n) for a, n in split(block, plain)]

    # -- chunks

    def decode(self, blocks):
        """Plain bytes of blocks, None for each that is damaged."""
        out, frames = [], []
        for block in blocks:
            stored = self.read(block.path, block.offset + 64, block.stored)
            ok = len(stored) == block.stored
            if ok and block.codec:
                frames.append((len(out), (stored, block.plain)))
            out.append(stored if ok else None)
        for (i, _), plain in zip(frames, self.zstd.many([f for _, f in frames])):
            out[i] = plain
        return out

    def load(self, numbers):
        """Blocks into the cache, in the order of the disk."""
        missing = sorted((n for n in numbers if n not in self.cache),
                         key=lambda n: (self.blocks[n].path, self.blocks[n].offset))
        for n, plain in zip(missing, self.decode([self.blocks[n] for n in missing])):
            self.cache[n] = plain
            self.cached += self.blocks[n].plain
        for n in list(self.cache) if self.cached > 2 * BATCH else ():
            if n not in numbers and self.cached > BATCH:
                del self.cache[n]
                self.cached -= self.blocks[n].plain

    def each(self, wants):
        """(digest, what) in, (bytes or None, what) out, in about that order.

        Collects until the blocks would fill a batch, so that each block is
        decoded once a batch and the zstd command is started once a batch.
        """
        batch, numbers, total = [], set(), 0
        for id, what in wants:
            place = self.chunks.get(id)
            if place and place[0] not in numbers:
                plain = self.blocks[place[0]].plain
                if total + plain > BATCH and batch:
                    yield from self.give(batch, numbers)
                    batch, numbers, total = [], set(), 0
                numbers.add(place[0])
                total += plain
            batch.append((id, place, what))
        yield from self.give(batch, numbers)

    def give(self, batch, numbers):
        self.load(numbers)
        for id, place, what in batch:
            plain = place and self.cache[place[0]]
            data = plain and plain[place[1]:place[1] + place[2]]
            if not data or digest(data) != id:
                report('chunk %s is %s' % (id.hex(), 'damaged' if place else 'missing'))
                data = None
            yield data, what

    # ---- section 8: snapshots

    def read_records(self):
        for data, snapshot in self.each([(s, s) for s in self.snapshots]):
            try:
                self.snapshots[snapshot] = record(data)
            except Damage as e:
                report('snapshot %s: %s' % (snapshot.hex(), e))
                del self.snapshots[snapshot]
        for snapshot, sets, removes in self.retagged:
            if snapshot in self.snapshots:
                tags = self.snapshots[snapshot]['tags']
                for key, in removes:
                    tags.pop(key, None)
                tags.update(sets)

    def find(self, text):
        """The root of the snapshot that SNAP means."""
        made = list(self.snapshots)
        if text != 'latest':
            named = [s for s in made if self.snapshots[s]['name'] == os.fsencode(text)]
            made = named or [s for s in made if len(text) >= 6 and s.hex().startswith(text)]
            need(named or len(made) < 2, 'several ids begin with %s' % text)
        need(made, 'there is no snapshot %s' % text)
        return self.snapshots[max(made, key=lambda s: self.snapshots[s]['time'])]['root']

    def walk(self, root):
        """(path, entry) of all below a directory; a directory before what is in
        it. Contents are whole: [(what, offset, length, digest)]."""
        todo = [(root.node, b'')]
        while todo:
            batch, todo = todo[-1024:], todo[:-1024]
            lists, sets, entries = [], [], []
            for data, path in self.each(batch):
                kind, rows = node(data) if data else (1, [])
                if kind == 2:
                    todo += [(id, path) for _, _, id in rows]
                    continue
                for e in rows:
                    e.path = path + b'/' + e.name if path else e.name
                    entries.append(e)
                    if e.type == DIR:
                        todo.append((e.node, e.path))
                    elif e.type == FILE:
                        lists += [(i[3], (e, i)) for i in e.content if i[0] == 3]
                    if e.attrs_id:
                        sets.append((e.attrs_id, e))
            while lists:  # level by level
                parts, lists = lists, []
                for data, (e, item) in self.each(parts):
                    e.content.remove(item)
                    new = content_list(data, item[1], item[2]) if data else []
                    e.content += new
                    lists += [(i[3], (e, i)) for i in new if i[0] == 3]
                    e.whole &= data is not None
            for data, e in self.each(sets):
                need(data is None or data[0] == 4, 'no set of attributes')
                c = Cursor(data or b'\4\0', 1)
                e.attrs = c.many(c.str, c.str)
            for e in entries:
                if e.type == FILE:
                    e.content.sort(key=lambda i: i[1])
                yield e.path, e


# ---- section 7: nodes of trees ----------------------------------------------

class Entry:
    attrs, attrs_id, group, flags, node, whole = (), None, None, 0, None, True


def items(c, size, in_entry):
    """Content: [what, length] each."""
    n = c.varint()
    out = [[v & 3, v >> 2] for v in (c.varint() for _ in range(n))]
    if in_entry and n == 1:
        need(out[0][1] == 0, 'a length where none should be')
        out[0][1] = size
    need(all(length for _, length in out) and sum(length for _, length in out) == size,
         'the lengths of a content do not add up')
    return out


def with_ids(parts, ids, offset=0):
    out = []
    for what, length in parts:
        out.append((what, offset, length, ids.span(32) if what in (0, 3) else None))
        offset += length
    return out


def content_list(data, offset, length):
    c = Cursor(data)
    need(c.u(1) == 3, 'no content list')
    return with_ids(items(c, length, False), c, offset)


def node(data, root=False):
    """(1, entries) of a leaf, (2, [(name, entries below, digest)]) of others."""
    c = Cursor(data)
    kind = c.u(1)
    if kind == 2:
        need(c.u(1) > 0, 'a node of no level')
        rows = c.many(c.str, c.varint)
        return 2, [row + (c.span(32),) for row in rows]
    need(kind == 1, 'no node of a directory')
    users, groups = c.many(c.varint, c.str), c.many(c.varint, c.str)
    base, out, last = c.svarint(), [], b''
    for _ in range(c.varint()):
        e = Entry()
        e.name, e.type, has, e.mode = c.str(), c.u(1), c.varint(), c.varint()
        need(root or (e.name not in (b'', b'.', b'..') and len(e.name) < 256 and
                      b'/' not in e.name and b'\0' not in e.name and e.name > last),
             'a name in a directory is not valid')
        last = e.name
        e.user, e.owners = users[c.varint()], groups[c.varint()]
        seconds = (base + c.svarint() + (1 << 63)) % (1 << 64) - (1 << 63)
        e.mtime = seconds * 10**9 + c.varint()
        if has & 1:
            e.attrs = c.many(c.str, c.str)
        if has & 4:
            e.group = c.u(8)
        if has & 8:
            e.flags = c.varint()
        e.ids = has & 2
        e.size = e.below = 0
        if e.type == FILE:
            e.size = c.varint()
            e.content = items(c, e.size, True)
        elif e.type == DIR:
            e.below, e.size = c.varint(), c.varint()
        elif e.type == LINK:
            e.target = c.str()
        elif e.type in (CHAR, BLOCK):
            e.device = c.varint(), c.varint()
        else:
            need(e.type in (FIFO, SOCKET), 'an entry of a newer format')
        out.append(e)
    for e in out:
        e.attrs_id = c.span(32) if e.ids else None
        if e.type == FILE:
            e.content = with_ids(e.content, c)
        elif e.type == DIR:
            e.node = c.span(32)
    need(c.at == len(data), 'bytes are left over in a directory')
    return 1, out


def record(data):
    c = Cursor(data or b'')
    need(c.u(1) == 1, 'a snapshot record of a newer format')
    r = {key: c.str() for key in ('name', 'host', 'user', 'program')}
    r['time'], _ = struct.unpack('<qq', c.span(16))
    r['tags'] = dict(c.many(c.str, c.str))
    r['roots'] = c.many(lambda: c.u(1), c.str, c.str)
    r['flags'] = c.varint()
    r['root'] = node(c.str(), root=True)[1][0]
    r['files'], r['dirs'], r['others'], r['bytes'] = (c.varint() for _ in range(4))
    return r


# ---- commands ---------------------------------------------------------------

def out(*fields):
    sys.stdout.buffer.write(b'\t'.join(
        f if isinstance(f, bytes) else str(f).encode() for f in fields) + b'\n')


def ls(repo, text=None):
    if text is None:
        for s, r in sorted(repo.snapshots.items(), key=lambda x: x[1]['time']):
            out(s.hex(), r['time'], r['name'], r['host'], r['files'], r['bytes'],
                b' '.join(k + b'=' + v for k, v in sorted(r['tags'].items())))
        return
    for path, e in sorted(repo.walk(repo.find(text)), key=lambda x: x[0].split(b'/')):
        out(' -dlpscb'[e.type] + '%04o' % e.mode, e.user[1] or e.user[0],
            e.owners[1] or e.owners[0], e.size, e.mtime, path)


def make(full, e, links):
    """One entry, still without its metadata. False: a further name of a file."""
    if e.group is not None and e.type != DIR:
        first = links.setdefault(e.group, full)
        if first is not full:
            return False
    if e.type == DIR:
        os.mkdir(full, 0o700)
    elif e.type == FILE:
        fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.ftruncate(fd, e.size)
        for what, offset, length, _ in e.content:
            if what == 2:
                os.posix_fallocate(fd, offset, length)
        os.close(fd)
    elif e.type == LINK:
        os.symlink(e.target, full)
    elif e.type in (CHAR, BLOCK):
        os.mknod(full, 0o600 | (stat.S_IFCHR if e.type == CHAR else stat.S_IFBLK),
                 os.makedev(*e.device))
    else:
        os.mknod(full, 0o600 | (stat.S_IFIFO if e.type == FIFO else stat.S_IFSOCK))
    return True


def finish(full, e):
    """Owner, attributes, mode, times: in this order, as each may undo the next."""
    if os.geteuid() == 0:
        os.lchown(full, e.user[0], e.owners[0])
    for name, value in e.attrs:
        try:
            os.setxattr(full, name, value, follow_symlinks=False)
        except OSError as err:
            if err.errno not in (errno.EPERM, errno.ENOTSUP):
                raise
            print('note: %s: attribute %s not set' % (os.fsdecode(full), os.fsdecode(name)),
                  file=sys.stderr)
    if e.type != LINK:
        os.chmod(full, e.mode)
    os.utime(full, ns=(e.mtime, e.mtime), follow_symlinks=False)


def extract(repo, text, dest):
    root, dest = repo.find(text), os.fsencode(dest)
    os.makedirs(dest, exist_ok=True)
    need(not os.listdir(dest), '%s is not empty' % os.fsdecode(dest))
    links, made, again = {}, [(dest, root)], []

    def wants():
        for path, e in repo.walk(root):
            full = os.path.join(dest, path)
            try:
                if not make(full, e, links):
                    again.append((links[e.group], full))
                    continue
            except OSError as err:
                report('%s cannot be made: %s' % (os.fsdecode(full), err.strerror))
                continue
            made.append((full, e))
            if not e.whole:
                report('%s: its content list' % os.fsdecode(full))
            for what, offset, _, id in e.content if e.type == FILE else ():
                if what == 0:
                    yield id, (full, offset)

    now, fd = None, -1
    for data, (full, offset) in repo.each(wants()):
        if data is None:
            report('%s: bytes from %d' % (os.fsdecode(full), offset))
            continue
        if full != now:
            if fd >= 0:
                os.close(fd)
            now, fd = full, os.open(full, os.O_WRONLY | os.O_NOFOLLOW)
        os.pwrite(fd, data, offset)
    if fd >= 0:
        os.close(fd)
    for first, full in again:
        os.link(first, full, follow_symlinks=False)
    # Backwards: what lies in a directory before the directory.
    for full, e in reversed(made):
        finish(full, e)


def verify_parts(repo):
    for block in repo.blocks:
        sums = repo.parts.get((block.path, block.offset), ())
        at = block.offset + 64
        stored = repo.read(block.path, at, block.stored) if sums else b''
        for i, crc in enumerate(sums):
            lo, hi = (max((at // 4096 + k) * 4096 - at, 0) for k in (i, i + 1))
            if crc32c(stored[lo:hi]) != crc:
                report('part %d of the block at %d of %s' % (i, block.offset, block.path))


def verify(repo):
    verify_parts(repo)
    count = sum(1 for _ in repo.each((id, None) for id in sorted(
        repo.chunks, key=lambda id: repo.chunks[id])))
    for s, r in repo.snapshots.items():
        files = size = 0
        for path, e in repo.walk(r['root']):
            if e.type == FILE:
                files, size = files + 1, size + e.size
                for what, _, length, id in e.content:
                    if what == 0 and repo.chunks.get(id, (0, 0, -1))[2] != length:
                        report('%s in %s' % (os.fsdecode(path), s.hex()))
        if (files, size) != (r['files'], r['bytes']):
            report('%s holds %d files of %d bytes, not what its record says' %
                   (s.hex(), files, size))
    print('%d snapshots, %d chunks, %d blocks, %d problems' %
          (len(repo.snapshots), count, len(repo.blocks), len(problems)))


def main(args):
    command = args[:1] == ['--zstd-command']
    args = args[command:]
    commands = {('ls', 0): ls, ('ls', 1): ls, ('extract', 2): extract, ('verify', 0): verify}
    do = commands.get((args[1], len(args) - 2)) if len(args) > 1 else None
    if do is None:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        do(Repo(args[0], command), *args[2:])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing more to say
        return 1
    except (Damage, OSError) as e:
        print('blobctl_read: %s' % e, file=sys.stderr)
        return 1
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
