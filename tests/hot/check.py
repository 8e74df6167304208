#!/usr/bin/env python3
"""Counts what sampling allocates and calls, with a CPython of each minor and in each mode.

    check.py HOT_ALLOCATIONS

Prints a line for each: "ok", "FAIL", or "SKIP" and why. The exit status is 1 if one failed.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import interpreters  # noqa: E402

CORES = len(os.sched_getaffinity(0))


def runs():
    """What to run, as (mode, interpreter); and whether the counting itself notices anything."""
    first = None
    for minor in interpreters.MINORS:
        found = [each for each in interpreters.find() if each.minor == minor]
        there = [each for each in found if not each.missing]
        for mode in ("wall", "cpu") if there else ():
            yield mode, there[0]
        if there:
            first = first or there[0]
        else:
            why = found[0].missing if found else "none is known here"
            print(f"SKIP CPython 3.{minor}: {why}", flush=True)
    if first:
        yield "spoilt", first


def check(tool, mode, interpreter):
    done = subprocess.run(
        [tool, mode, *interpreter.argv_prefix],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wrong = done.returncode != 0
    told = " / ".join(done.stdout.splitlines())
    print(f"{'FAIL' if wrong else 'ok  '} {interpreter.name}, {mode}: {told}", flush=True)
    return wrong


def main(tool):
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        wrong = list(pool.map(lambda run: check(tool, *run), runs()))
    return 1 if any(wrong) or not wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
