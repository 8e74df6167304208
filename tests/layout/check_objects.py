"""Follows the daemon's rows through the memory of every interpreter that is installed: see
objects_probe.py, which runs inside each. It finds what headers do not say (which way a tag goes, how
digits are stored) and what no installed header has (the tables of dict keys up to 3.10).

What cannot be run is named in a line that begins with SKIP; 77 if that is everything, 1 if anything
differs."""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE)]

import interpreters  # noqa: E402
import rows  # noqa: E402


def check(label, print_row, interpreter, jit=False):
    """Whether the interpreter's memory is as its row says; `jit` turns its JIT on."""
    row = rows.read(print_row, interpreter.minor, interpreter.bits // 8, interpreter.runtime)
    packed = ",".join(f"{n}={'absent' if v is None else v}" for n, v in row.items())
    options = ["-s", "-B"] if jit else ["-I", "-B"]
    command = interpreters.command(interpreter, HERE / "objects_probe.py", packed, options=options)
    environment = {**os.environ, "PYTHON_JIT": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    *wrong, count = done.stdout.splitlines() or [""]
    if done.returncode != 0 or not count.isdecimal():
        wrong.append((done.stderr.strip() or f"status {done.returncode}").replace("\n", " | "))
    for line in wrong:
        print(f"FAIL {label}: {line}")
    if not wrong:
        print(f"ok   {label}: {count} comparisons")
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print-row", required=True, help="the program layout_print_row")
    options = parser.parse_args()

    compared, failed = 0, 0
    for interpreter in interpreters.find():
        if interpreter.missing:
            print(f"SKIP {interpreter.name}: {interpreter.missing}")
            continue
        if interpreter.flags & {"free-threaded", "trace-refs"}:
            print(f"SKIP {interpreter.name}: there are no rows for such a build")
            continue
        version = ".".join(map(str, interpreter.version))
        label = f"{interpreter.name} ({version}), {interpreter.bits} bits"
        compared += 1
        failed += not check(label, options.print_row, interpreter)
        if "jit-off" in interpreter.flags:
            compared += 1
            failed += not check(label + ", JIT on", options.print_row, interpreter, jit=True)
    if compared == 0:
        return 77
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
