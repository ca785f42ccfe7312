#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Validate the JSON lines of one run of blobctl.

usage: json_check.py SCHEMA STATUS < LINES

Each line is an object that schema/v1.json knows, with no key besides those it
names; `start` is the first, `summary` the last and only one, and its exit_code
is STATUS (128+N: its `signal` is N).
"""
import json
import re
import sys

import jsonschema


def definition(schema, line):
    """The definition that is for this line, so that errors say what is wrong."""
    if line.get("type") == "summary":
        name = "summary_" + (line.get("command") or "none")
    else:
        name = "line_" + str(line.get("type"))
    if name not in schema["$defs"]:
        raise SystemExit(f"the schema has no {name}: {line}")
    return schema["$defs"][name]


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    status = int(sys.argv[2])
    jsonschema.Draft202012Validator.check_schema(schema)
    raw = sys.stdin.buffer.read()
    if not raw.endswith(b"\n"):
        raise SystemExit("the last line is not whole")
    lines = []
    for text in raw.decode("utf-8").split("\n")[:-1]:
        line = json.loads(text, object_pairs_hook=unique)
        if list(line)[:2] != ["v", "type"]:
            raise SystemExit(f"v and type do not come first: {text}")
        one = definition(schema, line)
        check = jsonschema.Draft202012Validator(
            {"$ref": "#/$defs/one", "$defs": dict(schema["$defs"], one=one)})
        for error in check.iter_errors(line):
            raise SystemExit(f"{error.message}: {text}")
        extra = set(line) - set(one["properties"])
        if extra:
            raise SystemExit(f"keys that the schema does not name: {extra}: {text}")
        for key in line:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
                raise SystemExit(f"a key that is not snake_case: {key}")
        lines.append(line)
    if lines[0]["type"] != "start":
        raise SystemExit(f"the first line is a {lines[0]['type']}")
    if [x["type"] for x in lines].count("summary") != 1 or lines[-1]["type"] != "summary":
        raise SystemExit("the last line is not the only summary")
    last = lines[-1]
    if last["run_id"] != lines[0]["run_id"]:
        raise SystemExit("start and summary are of two runs")
    if last["exit_code"] != status:
        raise SystemExit(f"exit_code {last['exit_code']}, but the status is {status}")
    if last["ok"] != (status == 0):
        raise SystemExit("ok contradicts the status")
    if last["signal"] != (status - 128 if status > 128 else None):
        raise SystemExit(f"signal {last['signal']}, but the status is {status}")
    for kind in "warning", "error":
        n = [x["type"] for x in lines].count(kind)
        if n != last[kind + "s_count"]:
            raise SystemExit(f"{n} lines of {kind}, but the summary says {last[kind + 's_count']}")


def unique(pairs):
    keys = [k for k, _ in pairs]
    if len(set(keys)) != len(keys):
        raise SystemExit(f"a key stands twice: {keys}")
    return dict(pairs)


if __name__ == "__main__":
    main()
