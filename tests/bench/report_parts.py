# SPDX-License-Identifier: Apache-2.0
"""The sections of docs/benchmarks.md on the figures of parts.py.

Each section is a function of one part's figures. It returns its goals, as
(what, where, measured, wanted, form, more is better), and its lines.
"""
import statistics

CLASSES = ["12 KB", "100 KB", "1 MB", "31 MB"]
CLASS_BYTES = {"12 KB": 12e3, "100 KB": 1e5, "1 MB": 1e6, "31 MB": 31e6}
# The reads asked for, those of fio they are compared with, and how many at once.
READS = [(4000, 4096, 1), (4000, 4096, 256), (65536, 65536, 1), (65536, 65536, 256)]


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def microseconds(v):
    return "-" if v is None else f"{v:,.0f}"


# ---- random reads -----------------------------------------------------------

def reads(part):
    rounds = part["rounds"]

    def of(what, key, field="p99"):
        return median([r[what][key][field] for r in rounds if key in r[what]])

    def against_fio(size, fio_size, depth, name):
        return median([r["ours"][f"{size} {depth} {name}"]["p99"] /
                       r["fio"][f"{fio_size} {depth}"]["p99"] for r in rounds])

    goals, rows = [], []
    for size, fio_size, depth in READS:
        label = f"{size:,} bytes, {depth} in flight"
        whole = [c for c in CLASSES if CLASS_BYTES[c] >= size]
        worst = max(whole, key=lambda c: against_fio(size, fio_size, depth, c))
        p99 = [of("ours", f"{size} {depth} {c}") for c in whole]
        goals += [(f"random reads, {label}: p99 against fio's, worst size", worst,
                   against_fio(size, fio_size, depth, worst), 1.5, "{:.2f}", False),
                  (f"random reads, {label}: p99 of the slowest size against the fastest",
                   "all sizes", max(p99) / min(p99), 2.5, "{:.2f}", False)]

        def row(who, what, key, ratio=None):
            return [label, who, microseconds(of(what, key, "p50")), microseconds(of(what, key)),
                    f"{of(what, key, 'iops'):,.0f}", "" if ratio is None else f"{ratio:.2f}"]

        rows.append(row(f"fio, {fio_size:,} bytes", "fio", f"{fio_size} {depth}", 1.0))
        for name in CLASSES:
            key = f"{size} {depth} {name}"
            rows.append(row(f"blobctl, objects of {name}", "ours", key,
                            against_fio(size, fio_size, depth, name)))
            rows.append(row(f"plain files of {name}", "ours", key + " plain"))
    lines = [f"""\
`blobctl bench get` in one process: objects of four sizes, 248 MB of random bytes in all, stored once; then reads of a
random place of a random object, verified as `cat --range` does it (docs/architecture.md, *Reading a range*). 5,000
reads one at a time and 8,000 with 256 in flight, the latter on all cores. Packs are read with O_DIRECT, so that the page cache does not
help; index and directories are in memory, as in a server. Plain files hold the same bytes, are read with O_DIRECT too
and opened for each read. fio: `randread`, io_uring, direct, as many reads, threads and requests in flight, from a file
of 256 MiB that it wrote before; its latency is that from before the submission, as ours is. All in one {part['fs']}
file system, fio and blobctl in turn; medians of {len(rounds)} rounds, microseconds. 65,536 bytes of an object of
12 KB are all of it: that row is shown, but is no part of the comparison of sizes.
""", *table(["read", "from", "p50 us", "p99 us", "reads/s", "p99 / fio's"], rows)]
    return goals, lines


# ---- writing ----------------------------------------------------------------

def writing(part):
    pairs = part["pairs"]
    ratio = median([x["packs"] / x["fio"] for x in pairs])
    goals = [("writing packs, times fio's rate", "rand", ratio, 0.9, "{:.2f}", True)]
    rows = []
    for name, got in part["per_stored"].items():
        if "error" in got:
            rows.append([name, got["error"], "", "", "", ""])
            continue
        per = got["written"] / got["stored"]
        goals.append(("bytes written for each byte stored", name, per, 1.05, "{:.3f}", False))
        device = got["device"]
        rows.append([name, f"{got['stored'] / 1e6:,.1f}", f"{got['written'] / 1e6:,.1f}", f"{per:.3f}",
                     "-" if device is None else f"{device / 1e6:,.1f}",
                     "-" if device is None else f"{device / got['stored']:.3f}"])
    lines = [f"""\
`bench_pack` puts {part['mib']} MiB of random bytes in chunks of 64 KiB through the pack writer, as a put does once it
has read, cut and hashed, until packs and names are durable. fio writes as much to a new file: in order, 1 MiB, four in
flight, io_uring, direct, space reserved before its clock starts, `--end_fsync=1`. Medians of {len(pairs)} pairs: fio
{median([x['fio'] for x in pairs]):,.0f} MB/s, packs {median([x['packs'] for x in pairs]):,.0f} MB/s with
{median([x['cpu'] for x in pairs]):.2f} CPU-s; the ratio is the median of the pairs' ratios.

Bytes written: one first put of the whole set into an empty repository on a fresh ext4. `write_bytes` of its
/proc/PID/io counts a page of a mapped or buffered file each time it is made dirty; the device's sectors count what the
file system and its journal wrote, up to a `sync`. Stored is what `stored MB` above is: allocated bytes without the
reserve.
""", *table(["set", "stored MB", "write_bytes MB", "per byte stored", "device MB", "per byte stored"], rows)]
    return goals, lines


# ---- index ------------------------------------------------------------------

def index(part):
    sizes = part["sizes"]
    large = sizes[max(sizes, key=int)]
    name = f"{max(map(int, sizes)):,} chunks"
    goals = [("index, bytes for each chunk", name, large["bytes_each"], 14, "{:.2f}", False),
             ("index, bytes read by a cold lookup (a page)", name, large["cold_bytes"], 4096, "{:.0f}", False),
             ("index, M warm lookups/s, one by one", name, large["hits"], 2, "{:.2f}", True),
             ("index, M warm lookups/s, one by one, absent", name, large["misses"], 2, "{:.2f}", True),
             ("index, time to open against that of 10,000 chunks", name,
              large["open_us"] / large["open_small_us"], 1.5, "{:.2f}", False)]
    rows = [[f"{int(chunks):,}", f"{s['bytes_each']:.2f}", f"{s['open_us']:.1f}",
             f"{s['hits']:.2f} / {s['misses']:.2f}", f"{s['many_hits']:.2f} / {s['many_misses']:.2f}",
             f"{s['cold_us']:.0f}, {s['cold_bytes']:.0f}", f"{s['merge']:.1f}", f"{s['rebuild']:.1f}"]
            for chunks, s in sorted(sizes.items(), key=lambda kv: int(kv[0]))]
    lines = ["""\
`bench_index` writes an index of sorted random ids, as large as asked, and asks it for up to a million of them in
another order. Warm: mapped and asked before, median of five, hits and ids that are absent, on one thread; one by one
is how a put asks today. Cold: opened anew after its pages were dropped, a thousand lookups; bytes are those that the
process had read from the device (/proc/self/io). At 10,000 chunks the whole file is 30 pages, so that lookups share
them. Open: median of 101, each in turn with an index of 10,000 chunks, to whose median the goal's
ratio is. Merge is with a run of a twentieth of its size; rebuild is of at most 10 million.
""", *table(["chunks", "bytes each", "open us", "M/s one by one: there / absent", "M/s by 256: there / absent",
             "cold: us, bytes read", "merge M/s", "rebuild M/s"], rows)]
    return goals, lines


# ---- many puts --------------------------------------------------------------

def puts(part):
    steps = part["steps"]
    first, last = steps[0], steps[-1]
    where = f"{last[0]:,.0f} puts"
    goals = [("many puts: the last tenth's median against the first's", where, last[1] / first[1],
              1.5, "{:.2f}", False),
             ("many puts: files in the repository at the end", where, last[3], 100, "{:.0f}", False)]
    rows = [[f"{s[0]:,.0f}", f"{s[1]:.2f}", f"{s[2]:.2f}", f"{s[3]:.0f}", f"{s[4] / 1024:.1f}",
             f"{s[4] * 1024 / s[0]:,.0f}"] for s in steps]
    after = part["after"]
    lines = [f"""\
`tests/bench/many_puts.sh`: {last[0]:,.0f} puts of one new file of 4 KiB that does not compress, each a process of its
own, timed by the shell from before its fork to its end, on the disk itself (no loop device). A row for each tenth.
`BENCH_PUTS=100000` makes them a hundred thousand. "Stays fast" is read as: the last tenth is at most 1.5 times as slow
as the first; "a bounded number of files" as: at most 100.

Afterwards: `ls` of all snapshots {after['ls']:.1f} ms, `cat` of the newest file {after['cat']:.1f} ms (medians of
five), `check` {after['check']:.0f} ms.
""", *table(["puts so far", "median ms", "p99 ms", "files", "MiB", "bytes a put"], rows)]
    return goals, lines


# ---- chunker ----------------------------------------------------------------

def chunk(part):
    tables = part["tables"]
    edits = tables["chunks that change with an insertion"]
    ours = next(iter(edits))
    goals = [("chunks that change with an insertion, median", "random", edits[ours][0], 2, "{:.0f}", False),
             ("chunks that change with an insertion, p99", "random", edits[ours][1], 8, "{:.0f}", False)]
    files = tables.get("files", {})
    rows = []
    for name, (speed, chunks, mean, zeros, _) in tables["random bytes"].items():
        cell = files.get(name)
        edit = edits.get(name)
        rows.append([name + (" (chosen here)" if name == ours else ""), f"{speed:.2f}", f"{mean:,.0f}",
                     *([f"{cell[0]:.2f}", f"{cell[1]:,.0f}", f"{cell[4]:.3f}"] if cell else ["-"] * 3),
                     "as the chosen one" if edit is None else "{:.0f}, {:.0f}, {:.0f}".format(*edit)])
    lines = [f"""\
`bench_chunk` ({part['params'].split(',')[0]}): the chunker's kernels, which all cut alike, plain Gear (one mask, no
normalisation) and a Rabin fingerprint over 64 bytes, with the same least and greatest length; one thread, data in
memory, nothing done to the chunks, median of nine. Random: 64 MiB. Trees: both source trees, every file by itself, for
chunks and dedup ratio (bytes / distinct bytes); most of its files are shorter than the least chunk, so the speed
is that of the first 256 MiB of them behind one another. Insertion: 1 to 1000 bytes put into 4 MiB of random data, 400
times; how many chunks are others than before, counted from that in which the bytes were put. `blobctl bench chunk`
sets the same ones beside one another on 64 MiB of random bytes and an edited copy, without files.
""", *table(["method", "random GB/s", "mean bytes", "trees GB/s", "trees: chunks", "trees: dedup",
             "insertion: median, p99, most"], rows)]
    return goals, lines


# ---- commands of milliseconds -----------------------------------------------

TINY_GOALS = {"cat of 10 KB": 10, "put of 4 KiB": 5, "ls": 5}


def tiny(part):
    goals, rows = [], []
    for name, step in part["steps"].items():
        def field(key, runs=step["runs"]):
            return median([r[key] for r in runs])

        wall = sorted(r["wall"] * 1e3 for r in step["runs"])
        if name in TINY_GOALS:
            goals.append((f"{name}, ms from process start to end", f"{part['files']:,} files",
                          median(wall), TINY_GOALS[name], "{:.1f}", False))
        calls = f"{step['calls']:,}, {step['syncs']}" if "calls" in step else "-"
        rows.append([name, f"{median(wall):.2f}", f"{wall[0]:.2f}", f"{wall[-1]:.2f}", calls,
                     f"{field('minor'):.0f}, {field('major'):.0f}", f"{field('written') / 1024:.0f}"])
    lines = [f"""\
A repository on a fresh ext4 with one snapshot of the newer source tree ({part['files']:,} files); {len(wall)} runs of
each command, milliseconds from before the fork until the process has ended, its output thrown away. System calls and
syncs (fsync, fdatasync) are one run's under `strace -f -c`; what a ring does is not among them. Page faults (minor,
major) and `write_bytes` of /proc/PID/io are medians. "Not in memory": the repository's pages are dropped before every
run, the program's own are not. A put of 4 KiB is durable when it ends.
""", *table(["command", "median ms", "least", "most", "system calls, syncs", "page faults", "written KiB"], rows)]
    return goals, lines


SECTIONS = [("Random reads", "reads", reads), ("Writing", "writing", writing), ("Index", "index", index),
            ("Many puts", "puts", puts), ("Chunker", "chunk", chunk), ("Tiny steps", "tiny", tiny)]


def sections(parts):
    """(goals, lines) of all parts that were measured."""
    goals, lines = [], []
    for title, name, make in SECTIONS:
        if name not in parts:
            continue
        lines.append(f"## {title}\n")
        if "error" in parts[name]:
            lines.append(f"Not measured: `{parts[name]['error']}`\n")
            continue
        more_goals, more_lines = make(parts[name])
        goals += more_goals
        lines += more_lines
        lines.append(f"This part took {parts[name]['seconds']:.0f} s.\n")
    return goals, lines
