# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured, and every command line that is used.

A command is a list of words. {repo}, {dest}, {tree} and {file} are filled in;
{all} stands for the words of everything that the first put stores. Commands
run in the folder of the data set; `get` runs in an empty directory {dest}.
"""
import os
import shutil


class Tool:
    """One program. `how` maps a step to a command, or to none."""

    def __init__(self, name, program, version, how, env=None, reserve=()):
        self.name = name
        self.program = program
        self.version = version
        self.how = how
        self.env = env or {}
        self.reserve = reserve  # names in the repository that are not data

    def available(self, path):
        return shutil.which(self.program, path=path) is not None


def blobctl(name, *init):
    run = ["blobctl", "-q", "-R", "{repo}"]
    return Tool(
        name, "blobctl", ["blobctl", "version"],
        {
            "init": ["blobctl", "-q", "init", "--no-remember", *init, "{repo}"],
            "put": run + ["put", "--name", "all", "{all}"],
            "dup": run + ["put", "--name", "tree", "--no-cache", "{tree}"],
            "same": run + ["put", "--name", "tree", "{tree}"],
            "ls": run + ["ls"],
            "cat": run + ["cat", "tree:{tree}/{file}"],
            "get": run + ["get", "tree", "{dest}"],
            "small": run + ["put", "--name", "small", "{small}"],
        },
        reserve=("reserve",))


RESTIC = ["restic", "-q", "-r", "{repo}"]
BORG_CREATE = ["borg", "create", "--compression", "zstd,1"]
RUSTIC = ["rustic", "--no-progress", "--log-level", "error", "-r", "{repo}"]

TOOLS = [
    blobctl("blobctl"),
    # Only its stored bytes and its first put are of interest.
    blobctl("blobctl-16k", "--chunker", "cdc:16KiB"),
    Tool("restic", "restic", ["restic", "version"],
         {
             "init": RESTIC + ["init"],
             "put": RESTIC + ["backup", "{all}"],
             "dup": RESTIC + ["backup", "--force", "{tree}"],
             "same": RESTIC + ["backup", "{tree}"],
             "ls": RESTIC + ["snapshots"],
             "cat": RESTIC + ["dump", "latest", "/{tree}/{file}"],
             "get": RESTIC + ["restore", "latest", "--target", "{dest}"],
             "small": RESTIC + ["backup", "{small}"],
         },
         {"RESTIC_PASSWORD": "bench"}),
    Tool("rustic", "rustic", ["rustic", "--version"],
         {
             "init": RUSTIC + ["init"],
             "put": RUSTIC + ["backup", "{all}"],
             "dup": RUSTIC + ["backup", "--force", "{tree}"],
             "same": RUSTIC + ["backup", "{tree}"],
             "ls": RUSTIC + ["snapshots"],
             "cat": RUSTIC + ["dump", "latest:{tree}/{file}"],
             "get": RUSTIC + ["restore", "latest", "{dest}"],
             "small": RUSTIC + ["backup", "{small}"],
         },
         {"RUSTIC_PASSWORD": "bench"}),
    Tool("borg", "borg", ["borg", "--version"],
         {
             "init": ["borg", "init", "-e", "none", "{repo}"],
             "put": BORG_CREATE + ["{repo}::all", "{all}"],
             "dup": BORG_CREATE + ["--files-cache=disabled", "{repo}::dup", "{tree}"],
             "same": BORG_CREATE + ["{repo}::same", "{tree}"],
             "ls": ["borg", "list", "{repo}"],
             "cat": ["borg", "extract", "--stdout", "{repo}::same", "{tree}/{file}"],
             "get": ["borg", "extract", "{repo}::same"],
             "small": BORG_CREATE + ["{repo}::small-{n}", "{small}"],
         },
         {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
          "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}),
]

# What a machine does without any archive. Same fields, other steps; `sync` is
# counted in where the copy would otherwise only be in memory.
BASELINES = {
    "walk": ["walk", "{tree}"],
    "find": ["find", "{tree}", "-printf", "%s\n"],
    "cp": ["cp", "-a", "{tree}", "{dest}/"],
    "cp+sync": ["sh", "-c", 'cp "$1" "$2/" && sync -f "$2"', "sh", "{tree}", "{dest}"],
    "tar": ["tar", "-x", "-C", "{dest}", "-f", "{tar}"],
}


class Set:
    """A data set: where it is, what is put first, which part is put again."""

    def __init__(self, name, cwd, everything, tree, file_size=None,
                 baselines=("walk", "find", "cp", "tar"), disk_gib=6):
        self.name = name
        self.cwd = cwd  # below the data directory
        self.all = everything
        self.tree = tree
        self.file_size = file_size  # of the one file that `cat` prints
        self.baselines = baselines
        self.disk_gib = disk_gib


SETS = [
    Set("src", "src", ["old", "new"], "new", 10000),
    Set("forest", "forest", ["node_modules"], "node_modules", 10000),
    Set("image", "image", ["old.img", "new.img"], "new.img",
        baselines=("cp",), disk_gib=8),
    Set("rand", "rand", ["rand"], "rand", baselines=("cp+sync",)),
    Set("wide", ".", ["wide"], "wide", 50, disk_gib=3),
]


def fill(command, values):
    """The words of a command with the places filled in."""
    words = []
    for word in command:
        if word == "{all}":
            words += values["all"]
        else:
            words.append(word.format(**values))
    return words


def environment(tool, home, path):
    """A clean environment: none of the user's settings, caches in `home`."""
    env = {"HOME": home, "PATH": path, "LANG": "C.UTF-8", "TZ": "UTC",
           "XDG_CACHE_HOME": os.path.join(home, "cache"),
           "XDG_STATE_HOME": os.path.join(home, "state"),
           "XDG_CONFIG_HOME": os.path.join(home, "config"),
           "BORG_BASE_DIR": home}
    env.update(tool.env if tool else {})
    return env
