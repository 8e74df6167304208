"""Measures where the queue of pending calls lies in the headers of every CPython 3.8 to 3.13 that is
installed, and compares it with the daemon's rows.

What cannot be measured is named in a line that begins with SKIP; 77 if that is everything, 1 if
anything differs."""

import argparse
import subprocess
import sys
import tempfile

import check_rows
import interpreters
import rows

LAST = 13


def compare(label, print_pending, minor, bits, measured):
    """Whether the row is what was measured; says what is not."""
    done = subprocess.run(
        [print_pending, str(minor), str(bits // 8)], capture_output=True, text=True, check=True
    )
    row = rows.parse(done.stdout)
    wrong = [n for n in sorted({*row, *measured}) if row.get(n) != measured.get(n)]
    for name in wrong:
        print(f"FAIL {label}: {name} is {measured.get(name)}, the row has {row.get(name)}")
    if not wrong:
        print(f"ok   {label}")
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print-pending", required=True, help="the program layout_print_pending")
    parser.add_argument("--cc", default="cc", help="the compiler that measures")
    options = parser.parse_args()

    compared, failed = 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        both = check_rows.can_build_32(options.cc, scratch)
        for interpreter in interpreters.find():
            why = interpreter.missing
            if not why and interpreter.minor > LAST:
                continue
            if not why and not interpreter.internal_headers:
                why = "it has no headers of internal structures"
            if not why and interpreter.flags & {"free-threaded", "trace-refs"}:
                why = "there are no rows for such a build"
            if why:
                print(f"SKIP {interpreter.name}: {why}")
                continue
            for bits in sorted({interpreter.bits, 32 if interpreter.kind == "pyenv" else 0} - {0}):
                version = ".".join(map(str, interpreter.version))
                label = f"{interpreter.name} ({version}), {bits} bits"
                if bits == 32 and not both:
                    print(f"SKIP {label}: {options.cc} -m32 does not work: install gcc-multilib")
                    continue
                text = check_rows.measure(
                    interpreter, bits, options.cc, scratch, ["print_pending.c"]
                )
                measured = rows.parse(text)
                failed += not compare(
                    label, options.print_pending, interpreter.minor, bits, measured
                )
                compared += 1
    if compared == 0:
        return 77
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
