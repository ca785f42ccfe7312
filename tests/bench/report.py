#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/benchmarks.md from the figures of bench.py and parts.py.

usage: report.py RESULTS PARTS [TITLE=FILE]...        the page goes to stdout

PARTS that is not there is left out of the page.

A ratio is the median of the rounds' ratios: both sides of one come from the
same round. Who joins the figures of two runs says so in RESULTS' "note". FILEs are added at the end as they are, each under its TITLE.
"""
import json
import os
import statistics
import sys

from report_parts import sections

STEPS = ["put", "dup", "same", "cat", "ls", "get", "small"]
HEADS = {"put": "first put", "dup": "put again, no cache", "same": "unchanged put",
         "cat": "one file", "ls": "ls", "get": "get", "small": "put of 4 KiB"}
MEANING = """\
first put: everything of the set into an empty repository. Put again, no cache:
one tree of it, every byte read, all duplicate. Unchanged put: the same tree,
caches allowed. One file: 10 KB (wide: one tiny file) to /dev/null. ls: the list
of snapshots. get: that tree out of a repository whose pages were dropped from
the cache, into an empty file system. Put of 4 KiB: one new file into the same
repository. Rows of baselines stand under the step they are to be compared with.
Cells are wall seconds / CPU seconds; milliseconds where it says ms; `+n` is the
time of the `sync` afterwards, where it took more than 0.1 s."""

# step, other, sets, wanted, sign: ours against the other's, by the project's goals.
GOALS = [
    ("put", "restic", "src forest image", 5.0), ("put", "borg", "src forest", 8.0),
    ("put", "cp+sync", "rand", 0.8), ("dup", "restic", "src forest image rand wide", 3.0),
    ("same", "restic", "src forest image rand wide", 10.0), ("same", "walk", "src forest wide", 0.5),
    ("get", "restic", "src forest image rand wide", 3.0),
    ("get", "cp", "src forest image wide", 1.0), ("get", "tar", "src forest wide", 1.0),
]
LIMITS_MS = [("cat", "src", 10), ("small", "src", 5), ("ls", "src", 5)]
STORED = [("blobctl", 0.85), ("blobctl-16k", 0.75)]
ANON_MIB = [("put", 64), ("get", 128)]
AGAINST = {"walk": "same", "find": "same", "cp": "get", "tar": "get", "cp+sync": "put"}


def runs_of(entry, who, step):
    """One figure a round, None where it failed; baselines have one step."""
    if who in entry["tools"]:
        return [r.get(step) for r in entry["tools"][who]]
    return entry["baselines"].get(who, [])


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def field(runs, name):
    return median([r.get(name) for r in runs if r])


def ratio(entry, ours, other, step, get=lambda r: r["wall"]):
    """How many times faster than the other we are: its figure over ours."""
    pairs = zip(runs_of(entry, ours, step), runs_of(entry, other, step))
    return median([get(b) / get(a) for a, b in pairs if a and b and get(a)])


def cell(runs):
    wall = field(runs, "wall")
    if wall is None:
        return "-"
    if wall < 0.1:
        return f"{wall * 1e3:.1f} ms"
    flush = field(runs, "flush") or 0
    return f"{wall:.2f} / {field(runs, 'cpu'):.2f}" + (f" +{flush:.1f}" if flush > 0.1 else "")


def number(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def set_section(name, entry):
    size, tree = entry["size"], entry["tree_size"]
    yield f"### {name}: {entry['about']}\n"
    yield (f"{size['files']:,} files, {size['bytes'] / 1e6:,.0f} MB in all; `{entry['tree']}`: "
           f"{tree['files']:,} files, {tree['bytes'] / 1e6:,.0f} MB.\n")
    yield "| tool | " + " | ".join(HEADS[s] for s in STEPS) + " | stored MB | put: CPU-s/GB | put: RSS, anonymous MiB | get: RSS, anonymous MiB |"
    yield "|---" * (len(STEPS) + 5) + "|"
    for tool, rounds in entry["tools"].items():
        row = [tool] + [cell(runs_of(entry, tool, s)) for s in STEPS]
        put, get = runs_of(entry, tool, "put"), runs_of(entry, tool, "get")
        stored, cpu = median([r.get("stored") for r in rounds]), field(put, "cpu")
        row.append(number(stored and stored / 1e6, "{:.1f}"))
        row.append(number(cpu and cpu / (size["bytes"] / 1e9)))
        for runs in (put, get):
            rss, anon = field(runs, "rss_kib"), field(runs, "anon_kib")
            row.append("-" if rss is None else f"{rss / 1024:.0f}, {anon / 1024:.0f}")
        yield "| " + " | ".join(row) + " |"
    for who in entry["baselines"]:
        row = [f"*{who}*"] + [cell(runs_of(entry, who, "")) if AGAINST[who] == s else ""
                              for s in STEPS] + [""] * 4
        yield "| " + " | ".join(row) + " |"
    for tool, rounds in entry["tools"].items():
        for text in sorted({r["error"] for r in rounds if "error" in r}):
            yield f"\n{tool} failed: `{text}`"
    yield ""


def goals(sets):
    """(what, set, measured, wanted, form, more is better) of what peers do, too."""
    for step, other, names, wanted in GOALS:
        for name in names.split():
            if name in sets:
                yield (f"{HEADS[step]}, times as fast as {other}", name,
                       ratio(sets[name], "blobctl", other, step), wanted, "{:.2f}", True)
    for name, entry in sets.items():
        if name not in ("src", "forest", "image"):
            continue
        for who, wanted in STORED:
            ours = median([r.get("stored") for r in entry["tools"].get(who, [])])
            theirs = median([r.get("stored") for r in entry["tools"].get("restic", [])])
            yield (f"stored bytes of {who}, against restic's", name,
                   ours and theirs and ours / theirs, wanted, "{:.2f}", False)
    for step, name, wanted in LIMITS_MS:
        if name in sets:
            wall = field(runs_of(sets[name], "blobctl", step), "wall")
            yield f"{HEADS[step]}, ms", name, wall and wall * 1e3, wanted, "{:.1f}", False
    for step, wanted in ANON_MIB:
        for name, entry in sets.items():
            anon = field(runs_of(entry, "blobctl", step), "anon_kib")
            yield f"{HEADS[step]}, anonymous MiB", name, anon and anon / 1024, wanted, "{:.0f}", False


def is_met(goal):
    _, _, got, wanted, _, more = goal
    return None if got is None else got >= wanted if more else got <= wanted


def goal_row(goal):
    what, name, got, wanted, form, more = goal
    met = {None: "-", True: "yes", False: "**no**"}[is_met(goal)]
    return f"| {what} | {name} | {number(got, form)} | {'≥' if more else '≤'} {form.format(wanted)} | {met} |"


def missed(all_goals):
    """What is not reached, by how much; what was not measured."""
    yield "## What is missed\n"
    some = [g for g in all_goals if is_met(g) is False]
    for what, name, got, wanted, form, more in some:
        factor = wanted / got if more and got else got / wanted
        yield (f"- {what} ({name}): {number(got, form)}, wanted {'≥' if more else '≤'} "
               f"{form.format(wanted)}; by a factor of {factor:.2f}")
    unknown = sum(is_met(g) is None for g in all_goals)
    yield (("" if some else "Nothing of what was measured.\n") +
           (f"\nNot measured in this run: {unknown} of {len(all_goals)} goals.\n" if unknown else ""))


def command_lines(results):
    yield "## Command lines\n"
    for tool, steps in results["commands"].items():
        yield f"{tool}:\n"
        yield "\n".join(f"    {step:6} {words}" for step, words in steps.items()) + "\n"
    yield "baselines:\n"
    yield "\n".join(f"    {k:8} {v!r}"[:200].replace("'", "") for k, v in results["baselines"].items()) + "\n"


def page(results, parts, extras):
    part_goals, part_lines = sections(parts)
    all_goals = [*goals(results["sets"]), *part_goals]
    m = results["machine"]
    yield "# Benchmarks\n"
    yield "Written by `make bench`; do not edit. docs/testing.md says how to repeat them.\n"
    yield (f"{m['date']}, {m['system']}, Linux {m['kernel']}, {m['cores']} cores of {m['cpu']}, "
           f"{m['memory']}.\n")
    versions = [v if k in v else f"{k} {v}" for k, v in results["versions"].items() if k != "blobctl-16k"]
    yield "Versions: " + "; ".join(versions + [parts["fio"]] if "fio" in parts else versions) + ".\n"
    if "note" in results:
        yield results["note"] + "\n"
    yield "## Goals\n"
    yield "| what | set | measured | wanted | met |\n|---|---|---|---|---|"
    yield from map(goal_row, all_goals)
    yield ""
    yield from missed(all_goals)
    if results["sets"]:
        yield "## Beside other programs\n"
        yield (f"Medians of {results['rounds']} rounds; in each round every tool did every step in turn. "
               "Sources in the page cache; "
               + ("repository and restore each on a freshly made ext4.\n" if results.get("fresh_ext4") else
                  "no fresh file systems could be made here, so restores went to a tmpfs or a new directory.\n"))
        yield ("restic and rustic always encrypt; borg and blobctl ran without encryption. "
               "Every tool's restore was compared with its source byte for byte in the first round.\n")
        yield MEANING + "\n"
    for name, entry in results["sets"].items():
        yield from set_section(name, entry)
    yield from part_lines
    if results["sets"]:
        yield from command_lines(results)
    for extra in extras:
        title, _, path = extra.partition("=")
        with open(path, errors="replace") as f:
            text = f.read().rstrip()
        yield f"## {title}\n\n```\n{text}\n```\n"


def figures(path, otherwise):
    if not os.path.exists(path):
        return otherwise
    with open(path) as f:
        return json.load(f)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    results = figures(sys.argv[1], None)
    if results is None:
        sys.exit(f"report.py: {sys.argv[1]} is not there")
    parts = figures(sys.argv[2], {})
    print("\n".join(page(results, parts, sys.argv[3:])).rstrip())


if __name__ == "__main__":
    main()
