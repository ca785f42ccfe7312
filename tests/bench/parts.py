#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the parts of blobctl that no peer has a counterpart of.

usage: parts.py DATA WORK RESULTS      (scripts/bench calls it)

Writes the JSON file RESULTS, which report.py reads:

  reads    `blobctl bench get` beside fio, in turn, in the same file system
  writing  packs beside fio; bytes that a put writes for each byte it stores
  index    bench_index at 1e4 chunks and at BENCH_INDEX_CHUNKS (100000000:
           half a minute, 2.5 GB of scratch)
  puts     many_puts.sh: BENCH_PUTS (20000) puts of one file each
  chunk    bench_chunk on random bytes and on the two source trees
  tiny     commands of milliseconds: time, system calls, page faults

BENCH_PARTS selects, BENCH_ROUNDS (3) repeats. A part that fails is an error
text, and the others go on; everything is given a time after which it ends.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from bench import Disk, Failed, chosen, drop, note, pick_file, save, stored_bytes, warm
from tools import SETS, environment

PARTS = ["reads", "writing", "index", "puts", "chunk", "tiny"]
MIB = 1 << 20
READ_FILE_MIB = 256   # that fio reads from: as much as the objects have
READS = {1: 5000, 256: 8000}  # as many as bench get does
READ_SIZES = [4096, 65536]
PACK_MIB = 512
PACK_PAIRS = 3        # in a round
TINY_RUNS = 20
MINUTES = 60
FIO = ["fio", "--name=b", "--direct=1", "--ioengine=io_uring", "--output-format=json"]


class Place:
    """Where everything is, and how programs are run."""

    def __init__(self, data, work):
        self.data = data
        self.work = work
        self.home = os.path.join(work, "home")
        self.path = os.environ["PATH"]
        self.rounds = int(os.environ.get("BENCH_ROUNDS", "3"))

    def environment(self, **more):
        return dict(environment(None, self.home, self.path), TMPDIR=self.work, **more)

    def run(self, argv, limit=10 * MINUTES, cwd=None, **more):
        """The output of a program, which is ended with all its children when
        it takes too long or when this one is stopped."""
        p = subprocess.Popen(argv, cwd=cwd or self.work, env=self.environment(**more), text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, err = p.communicate(timeout=limit)
        except BaseException as e:
            os.killpg(p.pid, signal.SIGTERM)
            try:
                p.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.communicate()
            if isinstance(e, subprocess.TimeoutExpired):
                raise Failed(f"{argv[0]}: not done after {limit} s") from None
            raise
        if p.returncode != 0:
            tail = " | ".join(err.strip().splitlines()[-3:])
            raise Failed(f"{' '.join(argv)}: status {p.returncode}: {tail}")
        return out

    def need(self, name):
        """The folder of a data set."""
        at = next(s for s in SETS if s.name == name)
        if not os.path.isdir(os.path.join(self.data, name)):
            raise Failed(f"needs the data set {name}")
        return os.path.join(self.data, at.cwd), at

    def fio(self, folder, *args):
        out = self.run([*FIO, f"--directory={folder}", *args])
        jobs = json.loads(out[out.index("{"):])["jobs"]
        return jobs[0]


# ---- random reads -----------------------------------------------------------

def fio_reads(p, folder, size, depth):
    """As many threads as bench get has, and their requests together. The time
    of a request begins before it is submitted, as ours does."""
    jobs = 1 if depth == 1 else min(os.cpu_count(), 16)
    job = p.fio(folder, "--filename=read", "--rw=randread", "--readonly", "--norandommap",
                "--randrepeat=0", f"--size={READ_FILE_MIB}M", f"--bs={size}",
                f"--iodepth={depth // jobs}", f"--numjobs={jobs}", "--thread",
                "--group_reporting", f"--io_size={READS[depth] // jobs * size}",
                "--lat_percentiles=1", "--clat_percentiles=0",
                "--percentile_list=50:99")["read"]
    per = job["lat_ns"]["percentile"]
    return {"iops": job["iops"], "p50": per["50.000000"] / 1e3, "p99": per["99.000000"] / 1e3}


def object_reads(p):
    """{"4000 1 12 KB": ...}; plain files have " plain" behind it."""
    found = {}
    pattern = re.compile(r"(\d+) bytes of ([\d]+ \w+), (\d+) in flight(, plain files)?$")
    for line in p.run(["blobctl", "--json", "bench", "get"], 20 * MINUTES).splitlines():
        row = json.loads(line)
        match = row.get("stage") == "get" and pattern.match(row["variant"])
        if match:
            size, of, depth, plain = match.groups()
            found[f"{size} {depth} {of}" + (" plain" if plain else "")] = {
                "iops": row["operations_per_second"],
                "p50": row["p50_microseconds"], "p99": row["p99_microseconds"]}
    if not found:
        raise Failed("bench get printed no rows")
    return found


def reads(p):
    """In WORK itself, where no loop device comes between."""
    rounds = []
    folder = os.path.join(p.work, "reads")
    os.mkdir(folder)
    try:
        p.fio(folder, "--filename=read", "--rw=write", "--bs=1M", "--iodepth=4",
              f"--size={READ_FILE_MIB}M", "--refill_buffers", "--end_fsync=1")
        for n in range(p.rounds):
            note(f"reads {n + 1}/{p.rounds}")
            rounds.append({"fio": {f"{size} {depth}": fio_reads(p, folder, size, depth)
                                   for size in READ_SIZES for depth in READS},
                           "ours": object_reads(p)})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    kind = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", p.work], stdout=subprocess.PIPE,
                          text=True, check=False).stdout.strip()
    return {"rounds": rounds, "fs": kind or "?"}


# ---- writing ----------------------------------------------------------------

def device_written(folder):
    """Bytes written to the device below a mounted folder, None if unknown."""
    source = subprocess.run(["findmnt", "-no", "SOURCE", "-T", folder], check=False, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    try:
        subprocess.run(["sync", "-f", folder], check=True)
        with open(f"/sys/block/{os.path.basename(source)}/stat") as f:
            return int(f.read().split()[6]) * 512
    except (OSError, ValueError, IndexError, subprocess.CalledProcessError):
        return None


def counted(p, argv, cwd):
    """Runs argv: wall seconds, page faults, bytes it had written."""
    began = time.perf_counter()
    child = subprocess.Popen(argv, cwd=cwd, env=p.environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - began
        # It is over, but its counters stay until someone waits for it.
        with open(f"/proc/{child.pid}/io") as f:
            counters = dict(line.split(": ") for line in f.read().splitlines())
        _, status, use = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        child.kill()
        child.wait()
        raise
    text = child.stderr.read().decode(errors="replace").strip()
    child.stderr.close()
    if child.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {child.returncode}: {text[-300:]}")
    return {"wall": wall, "minor": use.ru_minflt, "major": use.ru_majflt,
            "written": int(counters["write_bytes"])}


def new_repository(p, disk):
    repo = os.path.join(disk, "repo")
    p.run(["blobctl", "-q", "init", "--no-remember", repo])
    return repo


def written_per_stored(p, name):
    cwd, data_set = p.need(name)
    warm(os.path.join(cwd, w) for w in data_set.all)
    with Disk(p.work, "repo-disk", data_set.disk_gib) as disk:
        repo = new_repository(p, disk)
        before, device = stored_bytes(repo, ("reserve",)), device_written(disk)
        put = counted(p, ["blobctl", "-q", "-R", repo, "put", "--name", "all", *data_set.all], cwd)
        after = device_written(disk)
        return {"written": put["written"], "stored": stored_bytes(repo, ("reserve",)) - before,
                "device": after - device if device is not None and Disk.loop_works else None}


def writing(p):
    pairs = []
    for n in range(p.rounds * PACK_PAIRS):
        note(f"writing {n + 1}/{p.rounds * PACK_PAIRS}")
        fio = p.fio(p.work, "--filename=fio-write", "--rw=write", "--bs=1M", "--iodepth=4",
                    f"--size={PACK_MIB}M", "--fallocate=native", "--end_fsync=1", "--unlink=1")
        out = p.run(["bench_pack", p.work, str(PACK_MIB)]).split("\t")
        pairs.append({"fio": PACK_MIB * MIB / 1e6 / (fio["write"]["runtime"] / 1e3),
                      "packs": float(out[2].split()[0]),
                      "cpu": float(out[3].split()[0])})
    out = {"pairs": pairs, "mib": PACK_MIB, "per_stored": {}}
    for name in ("rand", "src"):
        try:
            out["per_stored"][name] = written_per_stored(p, name)
        except Failed as e:
            out["per_stored"][name] = {"error": str(e)}
    return out


# ---- index, chunker, many puts ----------------------------------------------

INDEX_FIELDS = {
    "bytes_each": r"size +([\d.]+) bytes", "hits": r"warm single +([\d.]+)",
    "misses": r"warm single .*, ([\d.]+) M/s misses", "many_hits": r"warm batched +([\d.]+)",
    "many_misses": r"warm batched .*, ([\d.]+) M/s misses", "open_us": r"open +([\d.]+)",
    "open_small_us": r"open .*in turn, ([\d.]+)",
    "cold_us": r"cold single +([\d.]+)", "cold_bytes": r"cold single .*, (\d+) bytes",
    "merge": r"merge +([\d.]+)", "rebuild": r"rebuild +([\d.]+)"}


def index(p):
    large = str(int(float(os.environ.get("BENCH_INDEX_CHUNKS") or 1e8)))
    sizes = {}
    for chunks in ("10000", large):
        note(f"index of {int(chunks):,} chunks")
        text = p.run(["bench_index", "-d", p.work, chunks], 30 * MINUTES)
        sizes[chunks] = {k: float(re.search(v, text).group(1)) for k, v in INDEX_FIELDS.items()}
    return {"sizes": sizes}


def puts(p):
    n = os.environ.get("BENCH_PUTS") or "20000"
    note(f"{n} puts")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "many_puts.sh")
    rows = [line.split("\t") for line in
            p.run([script, p.work], 120 * MINUTES, BENCH_PUTS=n).splitlines()]
    return {"steps": [[float(v) for v in r] for r in rows if len(r) == 5],
            "after": {r[0]: float(r[1]) for r in rows if len(r) == 2}}


def chunk(p):
    note("chunk")
    cwd, data_set = p.need("src")
    trees = [os.path.join(cwd, w) for w in data_set.all]
    out, title = {}, None
    for line in p.run(["bench_chunk", *trees], 20 * MINUTES).splitlines():
        if not line.startswith("  "):
            title = out[line] = {}
        elif line.strip() and line[2] != " ":
            name, values = line[2:16].strip(), line[16:].split()
            title[name] = [float(v.rstrip("%")) for v in values]
    return {"params": next(iter(out)), "tables": {k: v for k, v in out.items() if v}}


# ---- commands of milliseconds -----------------------------------------------

def system_calls(p, argv, cwd):
    """How many, and how many of them are syncs. A ring's are not seen."""
    if not shutil.which("strace", path=p.path):
        return {}
    log = os.path.join(p.work, "strace")
    p.run(["strace", "-f", "-c", "-S", "name", "-o", log, *argv], cwd=cwd)
    calls = {}
    with open(log) as f:
        for line in f:
            words = line.split()
            if len(words) >= 5 and words[0][0].isdigit():
                calls[words[-1]] = int(words[3])
    os.unlink(log)
    calls.pop("total", None)
    return {"calls": sum(calls.values()),
            "syncs": sum(calls.get(n, 0) for n in ("fsync", "fdatasync", "sync_file_range", "syncfs")),
            "rings": calls.get("io_uring_setup", 0)}


def tiny(p):
    cwd, data_set = p.need("src")
    os.makedirs(p.home, exist_ok=True)
    small = os.path.join(p.home, "small-file")
    one = pick_file(cwd, data_set.tree, data_set.file_size)
    steps = {}

    def new_file():
        with open(small, "wb") as f:
            f.write(os.urandom(4096))

    with Disk(p.work, "repo-disk", data_set.disk_gib) as disk:
        repo = new_repository(p, disk)
        run = ["blobctl", "-q", "-R", repo]
        p.run(run + ["put", "--name", "tree", data_set.tree], cwd=cwd)
        cat = run + ["cat", f"tree:{data_set.tree}/{one}"]
        commands = {
            "version": (["blobctl", "version"], None),
            "ls": (run + ["ls"], None),
            "cat of 10 KB": (cat, None),
            "cat, repository not in memory": (cat, lambda: drop(repo)),
            "put of 4 KiB": (run + ["put", "--name", "small", small], new_file),
        }
        for name, (argv, before) in commands.items():
            note(f"tiny: {name}")
            runs = []
            for _ in range(TINY_RUNS):
                if before:
                    before()
                runs.append(counted(p, argv, cwd))
            if before:
                before()
            steps[name] = dict(system_calls(p, argv, cwd), runs=runs)
    return {"steps": steps, "files": warm([os.path.join(cwd, data_set.tree)])["files"]}


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    data, work, results = map(os.path.abspath, sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    p = Place(data, work)
    os.makedirs(p.home, exist_ok=True)
    out = {"rounds": p.rounds}
    try:
        for name in chosen(PARTS, "BENCH_PARTS"):
            began = time.monotonic()
            try:
                out[name] = globals()[name](p)
            except (Failed, OSError, ValueError, LookupError, AttributeError,
                    subprocess.SubprocessError) as e:
                out[name] = {"error": f"{type(e).__name__}: {e}"}
                note(f"  {name}: {e}")
            note(f"{name} took {time.monotonic() - began:.0f} s")
            out[name]["seconds"] = time.monotonic() - began
            save(out, results)
        if shutil.which("fio", path=p.path):
            out["fio"] = p.run(["fio", "--version"]).strip()
        save(out, results)
    finally:
        shutil.rmtree(p.home, ignore_errors=True)


if __name__ == "__main__":
    main()
