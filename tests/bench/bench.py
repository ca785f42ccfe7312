#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures every tool on every data set, in turn, and keeps the figures.

usage: bench.py DATA WORK RESULTS      (scripts/bench calls it)

DATA holds the sets that data.sh made; WORK is scratch, best on the disk that
is to be measured; RESULTS is the JSON file to write, by which report.py makes
docs/benchmarks.md. BENCH_SETS and BENCH_TOOLS select, BENCH_ROUNDS (3) repeats.

One round of one tool: two freshly made ext4 file systems in image files, one
for the repository and one to restore into (ext4 passes over recently deleted
inodes for up to minutes: restoring where something was deleted would measure
that); sources read once into the page cache; then init, put, dup, same, ls,
cat, get (the repository's pages dropped first), small. Without root the
repository is in WORK and restores go to a tmpfs or to WORK.
"""
import json
import os
import platform
import resource
import select
import shutil
import signal
import subprocess
import sys
import time

from tools import BASELINES, SETS, TOOLS, environment, fill

SHORT_RUNS = 10  # commands of milliseconds are run so often in a round
POLL_MS = 20     # how often a run's anonymous memory is looked at
PAGE = 1 << 20


class Failed(Exception):
    pass


def note(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


# ---- one run ----------------------------------------------------------------

def memory_kib(pid):
    """A running process's peak resident and present anonymous memory."""
    peak = anon = 0
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1])
                elif line.startswith("RssAnon:"):
                    anon = int(line.split()[1])
    except (OSError, ValueError):
        pass  # it has just ended
    return peak, anon


def measure(argv, cwd, env, log):
    """Runs a command: wall and CPU seconds, peak RSS, peak anonymous memory.

    The clock runs from before the spawn to the process's end. wait4() counts
    the children that the command waited for.
    """
    program = shutil.which(argv[0], path=env["PATH"])
    if not program:
        raise Failed(f"{argv[0]}: not found")
    os.chdir(cwd)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
             (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
             (os.POSIX_SPAWN_OPEN, 2, log, flags, 0o644)]
    began = time.perf_counter()
    pid = os.posix_spawn(program, argv, env, file_actions=files)
    try:
        peak = anon = 0
        fd = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while not poll.poll(POLL_MS):
            now_peak, now_anon = memory_kib(pid)
            peak, anon = max(peak, now_peak), max(anon, now_anon)
        ended = time.perf_counter()
        os.close(fd)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    _, status, use = os.wait4(pid, 0)
    os.chdir("/")  # not to keep a file system busy
    if status != 0:
        with open(log, errors="replace") as f:
            tail = " | ".join(f.read().strip().splitlines()[-3:])
        raise Failed(f"{' '.join(argv)}: status {os.waitstatus_to_exitcode(status)}: {tail}")
    # A child begins with our own memory, so below that ru_maxrss is ours.
    if use.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
        peak = use.ru_maxrss
    return {"wall": ended - began, "cpu": use.ru_utime + use.ru_stime,
            "rss_kib": peak, "anon_kib": anon}


# ---- places -----------------------------------------------------------------

class Disk:
    """A fresh file system, for as long as the `with` block runs."""

    loop_works = None  # whether this machine lets us mount an image

    def __init__(self, work, name, gib, memory=False):
        self.image = os.path.join(work, name + ".img")
        self.dir = os.path.join(work, name)
        self.gib = gib
        self.memory = memory  # without root: in memory if it fits there

    def __enter__(self):
        if Disk.loop_works is None:
            Disk.loop_works = False
            try:
                if os.geteuid() == 0:
                    self.mount()
                    Disk.loop_works = True
                    return self.dir
            except (OSError, subprocess.CalledProcessError) as e:
                self.unmount()
                note(f"no fresh file systems, using directories: {e}")
        if Disk.loop_works:
            self.mount()
            return self.dir
        if self.memory and os.access("/dev/shm", os.W_OK):
            room = os.statvfs("/dev/shm")
            if room.f_bavail * room.f_frsize > self.gib << 30:
                self.dir = f"/dev/shm/blobctl-bench-{os.getpid()}"
        os.makedirs(self.dir)
        return self.dir

    def mount(self):
        os.makedirs(self.dir, exist_ok=True)
        def run(*words):
            return subprocess.run(words, check=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True).stdout.strip()
        run("fallocate", "-l", f"{self.gib}G", self.image)
        run("mkfs.ext4", "-q", "-m", "0", "-E",
            "lazy_itable_init=0,lazy_journal_init=0", self.image)
        run("mount", "-o", "loop,noatime", self.image, self.dir)
        device = run("findmnt", "-no", "SOURCE", self.dir)
        # Once through the page cache, not twice. Not every disk can do it.
        subprocess.run(["losetup", "--direct-io=on", device], check=False,
                       stderr=subprocess.DEVNULL)

    def unmount(self):
        subprocess.run(["umount", self.dir], check=False, stderr=subprocess.DEVNULL)
        if os.path.exists(self.image):
            os.unlink(self.image)
        if os.path.isdir(self.dir):
            os.rmdir(self.dir)

    def __exit__(self, *error):
        if Disk.loop_works:
            self.unmount()
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def all_files(path):
    if not os.path.isdir(path):
        yield path
        return
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            if not os.path.islink(full):
                yield full


def warm(paths):
    """Reads everything once: files, entries, bytes."""
    files = entries = size = 0
    for path in paths:
        for folder, folders, names in os.walk(path):
            entries += len(folders) + len(names)
        for name in all_files(path):
            files += 1
            with open(name, "rb", buffering=0) as f:
                while True:
                    got = f.read(PAGE)
                    if not got:
                        break
                    size += len(got)
    return {"files": files, "entries": max(entries, files), "bytes": size}


def drop(path):
    """Makes the files below path cold again, and only these."""
    subprocess.run(["sync", "-f", path], check=True)
    for name in all_files(path):
        fd = os.open(name, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def stored_bytes(repo, leave_out):
    """Allocated bytes below repo, hard links once."""
    seen, total = set(), 0
    for folder, _, names in os.walk(repo):
        for name in names:
            st = os.lstat(os.path.join(folder, name))
            if folder == repo and name in leave_out or st.st_ino in seen:
                continue
            seen.add(st.st_ino)
            total += st.st_blocks * 512
    return total


def pick_file(cwd, tree, size):
    """The file nearest in size, by path where several are; below the tree."""
    top = os.path.join(cwd, tree)
    best = min((abs(os.lstat(name).st_size - size), name)
               for name in all_files(top))
    return os.path.relpath(best[1], top)


def compare(source, dest, cwd, tree):
    """Every byte of the restored tree; tools differ in where they put it."""
    for place in (tree, os.path.join(cwd, tree).lstrip("/"), ""):
        restored = os.path.join(dest, place)
        if os.path.exists(restored) and os.path.isdir(restored) == os.path.isdir(source):
            break
    else:
        raise Failed(f"nothing restored in {dest}")
    done = subprocess.run(["diff", "-rq", "--no-dereference", source, restored],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"the restored tree differs: {done.stdout[:300]}")


# ---- one round --------------------------------------------------------------

class Round:
    def __init__(self, data, work, path, data_set, number):
        self.set = data_set
        self.work = work
        self.path = path
        self.number = number
        self.cwd = os.path.normpath(os.path.join(data, data_set.cwd))
        self.tar = os.path.join(data, data_set.name + ".tar")
        self.log = os.path.join(work, "stderr")
        self.home = os.path.join(work, "home")
        self.values = {"all": data_set.all, "tree": data_set.tree,
                       "file": "", "tar": self.tar, "n": 0,
                       "small": os.path.join(self.home, "small-file")}
        if data_set.file_size:
            self.values["file"] = pick_file(self.cwd, data_set.tree, data_set.file_size)

    def step(self, tool, step, cwd=None):
        argv = fill(tool.how[step], self.values)
        return measure(argv, cwd or self.cwd,
                       environment(tool, self.home, self.path), self.log)

    def many(self, tool, step, before=None):
        """The run of median wall time among SHORT_RUNS."""
        runs = []
        for n in range(SHORT_RUNS):
            self.values["n"] = n
            if before:
                before(n)
            runs.append(self.step(tool, step))
        return sorted(runs, key=lambda r: r["wall"])[len(runs) // 2]

    def new_small_file(self, n):
        with open(self.values["small"], "wb") as f:
            f.write(os.urandom(4096))

    def flushed(self, result, place):
        """Adds the time to bring to the disk what the command left in memory."""
        began = time.perf_counter()
        subprocess.run(["sync", "-f", place], check=True)
        result["flush"] = time.perf_counter() - began
        return result

    def tool(self, tool):
        """All steps of one tool; a step that fails is an error text."""
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(self.home)
        out = {}
        try:
            with Disk(self.work, "repo-disk", self.set.disk_gib) as disk:
                repo = os.path.join(disk, "repo")
                self.values["repo"] = repo
                warm(os.path.join(self.cwd, p) for p in self.set.all)
                self.step(tool, "init")
                out["put"] = self.flushed(self.step(tool, "put"), disk)
                out["stored"] = stored_bytes(repo, tool.reserve)
                if tool.name == "blobctl-16k":
                    return out
                out["dup"] = self.step(tool, "dup")
                out["same"] = self.step(tool, "same")
                out["ls"] = self.many(tool, "ls")
                if self.values["file"]:
                    out["cat"] = self.many(tool, "cat")
                with Disk(self.work, "dest-disk", self.set.disk_gib, True) as dest:
                    drop(repo)
                    dest_dir = os.path.join(dest, "out")
                    os.mkdir(dest_dir)
                    self.values["dest"] = dest_dir
                    out["get"] = self.flushed(self.step(tool, "get", dest_dir), dest)
                    if self.number == 0:
                        compare(os.path.join(self.cwd, self.set.tree), dest_dir,
                                self.cwd, self.set.tree)
                out["small"] = self.many(tool, "small", self.new_small_file)
        except Failed as e:
            out["error"] = str(e)
            note(f"  {tool.name}: {e}")
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
        return out

    def baseline(self, name):
        os.makedirs(self.home, exist_ok=True)
        with Disk(self.work, "dest-disk", self.set.disk_gib, True) as dest:
            warm([os.path.join(self.cwd, self.set.tree)])
            self.values["dest"] = dest
            if name == "tar":
                if not os.path.exists(self.tar):
                    subprocess.run(["tar", "-c", "-C", self.cwd, "-f", self.tar,
                                    self.set.tree], check=True)
                warm([self.tar])
            argv = fill(BASELINES[name], self.values)
            result = measure(argv, self.cwd, environment(None, self.home, self.path),
                             self.log)
            return self.flushed(result, dest)


# ---- the whole --------------------------------------------------------------

def machine():
    def first(path, key):
        with open(path) as f:
            return next((line.split(":", 1)[1].strip() for line in f
                         if line.startswith(key)), "?")
    return {"cpu": first("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory": first("/proc/meminfo", "MemTotal"),
            "kernel": platform.release(),
            "system": first_os_name(), "date": time.strftime("%Y-%m-%d", time.gmtime())}


def first_os_name():
    with open("/etc/os-release") as f:
        for line in f:
            if line.startswith("PRETTY_NAME="):
                return line.split("=", 1)[1].strip().strip('"')
    return "?"


def chosen(names, variable):
    words = os.environ.get(variable, "").replace(",", " ").split()
    if words == ["none"]:
        return []
    unknown = set(words) - set(names)
    if unknown:
        sys.exit(f"bench: {variable}: there is no {' '.join(sorted(unknown))};"
                 f" there are {' '.join(names)}, and none")
    return [n for n in names if not words or n in words]


def save(figures, path):
    """All of it or what was there before."""
    with open(path + ".part", "w") as f:
        json.dump(figures, f, indent=1)
    os.replace(path + ".part", path)


def version_of(tool, path):
    done = subprocess.run(tool.version, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, env=environment(tool, "/nonexistent", path))
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "?"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    data, work, results = map(os.path.abspath, sys.argv[1:])
    path = os.environ["PATH"]
    rounds = int(os.environ.get("BENCH_ROUNDS", "3"))
    names = chosen([t.name for t in TOOLS], "BENCH_TOOLS")
    tools = []
    for tool in TOOLS:
        if tool.name in names:
            if tool.available(path):
                tools.append(tool)
            else:
                note(f"{tool.name} is left out: no {tool.program} here")
    set_names = chosen([s.name for s in SETS], "BENCH_SETS")
    sets = [s for s in SETS if s.name in set_names]
    os.makedirs(work, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    out = {"machine": machine(), "rounds": rounds,
           "versions": {t.name: version_of(t, path) for t in tools},
           "commands": {t.name: {k: " ".join(v) for k, v in t.how.items()} for t in tools},
           "baselines": {k: " ".join(v) for k, v in BASELINES.items()}, "sets": {}}
    for s in sets:
        with open(os.path.join(data, s.name + ".txt")) as f:
            about = f.read().strip()
        here = os.path.normpath(os.path.join(data, s.cwd))
        entry = {"about": about, "all": s.all, "tree": s.tree,
                 "size": warm(os.path.join(here, p) for p in s.all),
                 "tree_size": warm([os.path.join(here, s.tree)]),
                 "tools": {t.name: [] for t in tools},
                 "baselines": {b: [] for b in s.baselines}}
        out["sets"][s.name] = entry
        for n in range(rounds):
            one = Round(data, work, path, s, n)
            for name in s.baselines:
                note(f"{s.name} {n + 1}/{rounds} {name}")
                try:
                    entry["baselines"][name].append(one.baseline(name))
                except Failed as e:
                    note(f"  {name}: {e}")
                    entry["baselines"][name].append(None)
            # Each round begins with another tool: none always comes first.
            for tool in tools[n % len(tools):] + tools[:n % len(tools)] if tools else []:
                note(f"{s.name} {n + 1}/{rounds} {tool.name}")
                entry["tools"][tool.name].append(one.tool(tool))
            out["fresh_ext4"] = bool(Disk.loop_works)
            save(out, results)
    save(out, results)


if __name__ == "__main__":
    main()
