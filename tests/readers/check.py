#!/usr/bin/env python3
"""Gives profiles to readers that nobody here wrote, and compares what they make of them with ours.

    check.py --tally PRINT_TALLY [--make MAKE_PROFILE] READER [PROFILE...]

READER is austin-python (from PyPI), speedscope (from npm) or flamegraph (Debian's copy of FlameGraph, in
libdevel-nytprof-perl). They are installed into ${ECHION_CACHE:-~/.cache/echion}. Without a PROFILE, one of
each format is made by MAKE_PROFILE. Exit status 77: the reader cannot be installed here.
"""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("ECHION_CACHE") or os.path.expanduser("~/.cache/echion")
AUSTIN_PYTHON = "austin-python==2.4.0"
SPEEDSCOPE = "speedscope@1.20.0"  # the last one whose importer is a file of its own
FLAMEGRAPH = "libdevel-nytprof-perl"
SKIP = 77


class NotInstallable(Exception):
    pass


class Mismatch(Exception):
    pass


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def install(folder, step):
    """Runs `step` on a new folder beside `folder`, and puts it there if it succeeds."""
    if not os.path.isdir(folder):
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            new = os.path.join(scratch, "new")
            try:
                step(new)
            except (OSError, subprocess.SubprocessError) as error:
                raise NotInstallable(error) from error
            try:
                os.rename(new, folder)
            except OSError:
                if not os.path.isdir(folder):  # unless another run was faster
                    raise
    return folder


def austin_python_folder():
    def step(folder):
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q")
        run(*pip, "--root-user-action=ignore", "--target", folder, AUSTIN_PYTHON)

    return install(os.path.join(CACHE, "readers-austin-python-2.4.0"), step)


def speedscope_folder():
    def step(folder):
        os.mkdir(folder)
        run("npm", "pack", "--silent", SPEEDSCOPE, cwd=folder)
        run("tar", "xzf", *glob.glob("*.tgz", root_dir=folder), cwd=folder)

    folder = install(os.path.join(CACHE, "readers-speedscope-1.20.0"), step)
    return os.path.join(folder, "package", "dist", "release")


def flamegraph_program():
    def step(folder):
        os.mkdir(folder)
        run("apt-get", "download", "-q", FLAMEGRAPH, cwd=folder, stderr=subprocess.STDOUT)
        run("dpkg", "-x", *glob.glob("*.deb", root_dir=folder), ".", cwd=folder)

    folder = install(os.path.join(CACHE, "readers-flamegraph"), step)
    return os.path.join(folder, "usr/share/perl5/Devel/NYTProf/flamegraph.pl")


def our_reading(tally, profile):
    lines = run(tally, profile).splitlines()
    samples, total = map(int, lines[0].split("\t"))
    rows = [line.split("\t", 2) for line in lines[1:]]
    return {
        "samples": samples,
        "total": total,
        "own": {name: int(own) for own, _, name in rows},
        "inclusive": {name: int(inclusive) for _, inclusive, name in rows},
    }


def expect_equal(what, theirs, ours):
    if theirs != ours:
        raise Mismatch(f"{what}: they have {str(theirs)[:1000]}, we have {str(ours)[:1000]}")


def expect_equal_times(what, theirs, ours):
    """The same for times by name; a name without time may be missing."""
    differing = [name for name in theirs.keys() | ours.keys() if theirs.get(name, 0) != ours.get(name, 0)]
    if differing:
        name = differing[0]
        raise Mismatch(
            f"{what}: {len(differing)} differ; for {name!r} they have {theirs.get(name)}, we have {ours.get(name)}"
        )


def without_special(functions):
    return {name: time for name, time in functions.items() if not name.startswith(":")}


def stacks_only(profile, folder):
    """A copy of a text profile without metadata, which these readers take for stacks."""
    path = os.path.join(folder, "stacks.txt")
    with open(profile, encoding="utf-8") as source, open(path, "w", encoding="utf-8") as copy:
        copy.writelines(line for line in source if not line.startswith("#"))
    return path


def check_austin_python(profile, ours, folder):
    path = austin_python_folder()
    theirs = json.loads(
        run(
            sys.executable,
            os.path.join(HERE, "read_austin_python.py"),
            profile,
            env={**os.environ, "PYTHONPATH": path},
        )
    )
    expect_equal("samples", theirs["samples"], ours["samples"])
    expect_equal("total", theirs["total"], ours["total"])
    is_mojo = profile.endswith(".mojo")
    if is_mojo:
        # It drops special frames there: their time goes to the frame below, or to no frame at all.
        ours["inclusive"].pop("(no frame)", None)
        theirs["inclusive"].pop("(no frame)", None)
    else:
        expect_equal_times("own", without_special(theirs["own"]), without_special(ours["own"]))
    expect_equal_times(
        "inclusive", without_special(theirs["inclusive"]), without_special(ours["inclusive"])
    )
    return theirs["metadata"]


def text_inclusive(path):
    """Time per element of a line's stack, counted once, as speedscope has it."""
    inclusive = Counter()
    for line in open(path, encoding="utf-8"):
        stack, _, metric = line.rpartition(" ")
        for element in set(stack.split(";")):
            inclusive[element] += int(metric)
    return dict(inclusive)


def check_speedscope(profile, ours, folder):
    if shutil.which("node") is None:
        raise NotInstallable("there is no node")
    stacks = stacks_only(profile, folder)
    theirs = json.loads(
        run("node", os.path.join(HERE, "read_speedscope.mjs"), speedscope_folder(), stacks)
    )
    expect_equal("total", theirs["total"], ours["total"])
    expect_equal_times("inclusive", theirs["inclusive"], text_inclusive(stacks))
    return None


def check_flamegraph(profile, ours, folder):
    stacks = stacks_only(profile, folder)
    result = subprocess.run(
        ["perl", flamegraph_program(), "--minwidth", "0", stacks],
        text=True,
        capture_output=True,
        check=True,
    )
    expect_equal("complaints", result.stderr, "")
    total = re.search(r"all \(([0-9,]+) samples, 100%\)", result.stdout)
    if total is None:
        raise Mismatch(f"no total in its graph: {result.stdout[:300]}")
    expect_equal("total", int(total[1].replace(",", "")), ours["total"])
    return None


CHECKS = {  # and the formats that they read
    "austin-python": (check_austin_python, (".austin", ".mojo")),
    "speedscope": (check_speedscope, (".austin",)),
    "flamegraph": (check_flamegraph, (".austin",)),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tally", required=True)
    parser.add_argument("--make")
    parser.add_argument("reader", choices=CHECKS)
    parser.add_argument("profiles", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        profiles = options.profiles
        if not profiles:
            profiles = [os.path.join(folder, f"made.{suffix}") for suffix in ("austin", "mojo")]
            for profile in profiles:
                run(options.make, profile.rpartition(".")[2], profile)
            readings = [our_reading(options.tally, profile) for profile in profiles]
            expect_equal_times("our two formats", readings[0]["inclusive"], readings[1]["inclusive"])
            expect_equal_times("our two formats", readings[0]["own"], readings[1]["own"])
        check, suffixes = CHECKS[options.reader]
        for profile in profiles:
            if not profile.endswith(suffixes):
                continue
            ours = our_reading(options.tally, profile)
            metadata = check(profile, ours, folder)
            if metadata is not None and "mode" not in metadata:
                raise Mismatch(f"no mode in the metadata: {metadata}")
            print(f"{options.reader}: {os.path.basename(profile)}: {ours['total']} in all, as we have it")


try:
    main()
except NotInstallable as error:
    print(f"SKIP: the reader cannot be installed here: {error}")
    sys.exit(SKIP)
except Mismatch as error:
    print(f"FAILED: {error}")
    sys.exit(1)
