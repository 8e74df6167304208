#!/usr/bin/env python3
"""Checks the decoders of line tables and code units against what CPythons say of their code.

    check_tables.py TABLES_CHECK [--all]    TABLES_CHECK is the built tests/decode/tables_check.c

For each interpreter that interpreters.find() knows, tables_dump.py runs inside it and TABLES_CHECK
compares: some thousand code objects of the standard library, all of them with --all, and those
alive. A minor that no interpreter was found for is named.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import interpreters  # noqa: E402

SOME = 4000


def check(tool, interpreter, count):
    """Whether this interpreter and the decoders agree; prints what the tool says."""
    with open(HERE / "tables_dump.py", "rb") as script:
        dump = subprocess.Popen(
            [*interpreter.argv_prefix, "-", str(count)], stdin=script, stdout=subprocess.PIPE
        )
    with dump:
        done = subprocess.run(
            [tool], stdin=dump.stdout, stdout=subprocess.PIPE, text=True, check=False
        )
    for line in done.stdout.splitlines():
        print("%s: %s" % (interpreter.name, line), flush=True)
    if dump.returncode != 0 or done.returncode != 0:
        print("FAIL %s: exit statuses %d and %d" % (interpreter.name, dump.returncode, done.returncode))
        return False
    print("ok   %s" % interpreter.name)
    return True


def main(arguments):
    if not arguments or set(arguments[1:]) - {"--all"}:
        print(__doc__, file=sys.stderr)
        return 64
    count = 0 if "--all" in arguments else SOME
    passed = failed = 0
    unseen = set(interpreters.MINORS)
    for interpreter in interpreters.find():
        if interpreter.missing:
            print("SKIP %s: %s" % (interpreter.name, interpreter.missing))
            continue
        unseen.discard(interpreter.minor)
        if check(arguments[0], interpreter, count):
            passed += 1
        else:
            failed += 1
    for minor in sorted(unseen):
        print("SKIP 3.%d: no interpreter here to check against" % minor)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
