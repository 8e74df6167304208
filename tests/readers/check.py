#!/usr/bin/env python3
"""Gives profiles to readers that nobody here wrote, and compares what they make of them with ours.

    check.py --tally PRINT_TALLY --make MAKE_PROFILE --report ECHION READER [PROFILE...]

READER is austin-python, speedscope or flamegraph (install.py says where they come from), or ours. Without
a PROFILE, one of each format is made by MAKE_PROFILE; and small ones, which are cut at every byte of their
last samples, as they are where the writer was killed: what is whole in them has to be read (cut.py).
Exit status 77: the reader cannot be installed here, which with CI=true is a failure.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

import cut
import install

HERE = os.path.dirname(os.path.abspath(__file__))
CI = os.environ.get("CI") == "true"
SKIP = 77


class Mismatch(Exception):
    pass


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


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


def read_austin_python(*arguments):
    program = os.path.join(HERE, "read_austin_python.py")
    environment = {**os.environ, "PYTHONPATH": install.austin_python()}
    return json.loads(run(sys.executable, program, *arguments, env=environment))


def check_austin_python(profile, ours, folder):
    theirs = read_austin_python(profile)
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


def read_speedscope(*paths):
    program = os.path.join(HERE, "read_speedscope.mjs")
    return json.loads(run(install.node_program(), program, install.speedscope(), *paths))


def check_speedscope(profile, ours, folder):
    stacks = stacks_only(profile, folder)
    (theirs,) = read_speedscope(stacks)
    expect_equal("total", theirs["total"], ours["total"])
    expect_equal_times("inclusive", theirs["inclusive"], text_inclusive(stacks))


def read_flamegraph(path):
    """The total in its graph, and what it complains of."""
    result = subprocess.run(
        ["perl", install.flamegraph(), "--minwidth", "0", path],
        text=True,
        errors="replace",
        capture_output=True,
        check=True,
    )
    total = re.search(r"all \(([0-9,]+) samples, 100%\)", result.stdout)
    if total is None:
        raise Mismatch(f"no total in its graph: {result.stdout[:300]}")
    return int(total[1].replace(",", "")), result.stderr


def check_flamegraph(profile, ours, folder):
    total, complaints = read_flamegraph(stacks_only(profile, folder))
    expect_equal("complaints", complaints, "")
    expect_equal("total", total, ours["total"])


def check_ours(profile, ours, folder):
    """The same as the other format: compared when both have been made."""


def cut_austin_python(profile, cuts, folder, options):
    """It has every whole sample, and ends with an error at most then. Of a .mojo file it holds the last one
    back until it knows that no more belongs to it: if the cut goes through what tells it, that one alone is
    missing."""
    is_mojo = profile.endswith(".mojo")
    errors = {None, "MojoParseError"} if is_mojo else {None, "InvalidSample", "InvalidFrame", "ValueError"}
    readings = read_austin_python("--cut", str(cuts[0].size), profile)
    expect_equal("cuts", [reading["size"] for reading in readings], [each.size for each in cuts])
    for each, reading in zip(cuts, readings):
        wanted = each.whole - each.between
        if reading["same"] < wanted or reading["yielded"] > each.whole + 1:
            raise Mismatch(f"of the first {each.size} bytes, with {each.whole} samples: {reading}")
        if reading["error"] not in errors or (each.clean and reading["error"]):
            raise Mismatch(f"of the first {each.size} bytes: {reading}")


def cut_stacks(profile, cuts, folder):
    """For each cut through stacks: the path of a copy of the last of them, their total as far as metrics are
    there, and whether the very last line has one."""
    with open(profile, "rb") as source:
        data = source.read()
    seen = set()
    for each in cuts:
        lines = [line for line in data[: each.size].splitlines(keepends=True) if line[:1] != b"#"][-10:]
        text = b"".join(lines)
        if text not in seen:  # and not cut through the metadata behind them
            seen.add(text)
            path = os.path.join(folder, f"cut-{each.size}.txt")
            with open(path, "wb") as copy:
                copy.write(text)
            metrics = [re.search(rb" (\d+)\n?\Z", line) for line in lines]
            yield path, sum(int(metric[1]) for metric in metrics if metric), metrics[-1] is not None


def cut_speedscope(profile, cuts, folder, options):
    paths, totals, _ = zip(*cut_stacks(profile, cuts, folder))
    expect_equal("totals", [theirs["total"] for theirs in read_speedscope(*paths)], list(totals))


def cut_flamegraph(profile, cuts, folder, options):
    for path, total, has_metric in cut_stacks(profile, cuts, folder):
        expected = (total, "" if has_metric else "Ignored 1 lines with invalid format\n")
        expect_equal(f"total and complaints for {path}", read_flamegraph(path), expected)


def cut_ours(profile, cuts, folder, options):
    with open(profile, "rb") as source:
        data = source.read()
    path = os.path.join(folder, "cut" + os.path.splitext(profile)[1])
    for each in cuts:
        with open(path, "wb") as copy:
            copy.write(data[: each.size])
        expect_equal(f"of {each}: samples", our_reading(options.tally, path)["samples"], each.whole)
        page = run(options.report, "report", path)
        expect_equal(f"of {each}: the note", "the last record was cut off" in page, not each.clean)


CHECKS = {  # of a profile, of one that is cut, and the formats that the reader reads
    "austin-python": (check_austin_python, cut_austin_python, (".austin", ".mojo")),
    "speedscope": (check_speedscope, cut_speedscope, (".austin",)),
    "flamegraph": (check_flamegraph, cut_flamegraph, (".austin",)),
    "ours": (check_ours, cut_ours, (".austin", ".mojo")),
}


def made(folder, options, *rounds):
    """A profile of each format, small ones with a number of rounds."""
    for suffix in ("austin", "mojo"):
        profile = os.path.join(folder, f"made{''.join(rounds)}.{suffix}")
        run(options.make, suffix, profile, *rounds)
        yield profile


def check_cuts(check_cut, profile, folder, options):
    with open(profile, "rb") as source:
        cuts = list(cut.everywhere(source.read(), os.path.splitext(profile)[1]))
    check_cut(profile, cuts, folder, options)
    print(f"{options.reader}: {os.path.basename(profile)}: cut at {len(cuts)} bytes, what is whole is read")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tally", required=True)
    parser.add_argument("--make", required=True)
    parser.add_argument("--report", required=True)
    parser.add_argument("reader", choices=CHECKS)
    parser.add_argument("profiles", nargs="*")
    options = parser.parse_args()
    check, check_cut, suffixes = CHECKS[options.reader]
    with tempfile.TemporaryDirectory() as folder:
        profiles, small = options.profiles, []
        if not profiles:
            profiles, small = list(made(folder, options)), list(made(folder, options, "1"))
            readings = [our_reading(options.tally, profile) for profile in profiles]
            expect_equal_times("our two formats", readings[0]["inclusive"], readings[1]["inclusive"])
            expect_equal_times("our two formats", readings[0]["own"], readings[1]["own"])
        for profile in profiles:
            if profile.endswith(suffixes):
                ours = our_reading(options.tally, profile)
                metadata = check(profile, ours, folder)
                if metadata is not None and "mode" not in metadata:
                    raise Mismatch(f"no mode in the metadata: {metadata}")
                print(f"{options.reader}: {os.path.basename(profile)}: {ours['total']} in all, as we have it")
        for profile in small:
            if profile.endswith(suffixes):
                check_cuts(check_cut, profile, folder, options)


try:
    main()
except install.NotInstallable as error:
    print(f"{'FAIL' if CI else 'SKIP'} the reader cannot be installed here: {error}")
    sys.exit(1 if CI else SKIP)
except Mismatch as error:
    print(f"FAILED: {error}")
    sys.exit(1)
