#!/usr/bin/env python3
"""Checks the tables in daemon/decode/opcodes_*.c against installed CPythons, or prints a new one.

    check.py PRINT_TOOL [PYTHON...]   compare; PRINT_TOOL is the built opcodes_print. Without
                                      PYTHON, every interpreter that the integration tests know
    check.py --print COMMAND...       to standard output, the file opcodes_3XX.c for the
                                      interpreter that COMMAND starts

Numbers, families and cache lengths come from the interpreter's own modules (and headers, where
installed); flags from classes.py. A minor that has a table here and no interpreter is named.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]

import classes  # noqa: E402
import interpreters  # noqa: E402


def instructions_of(command):
    """What instructions.py says when `command` runs it."""
    with open(os.path.join(HERE, "instructions.py"), "rb") as script:
        output = subprocess.run(
            command + ["-"], stdin=script, stdout=subprocess.PIPE, check=True
        ).stdout
    return json.loads(output)


def table_of(answer):
    table = {}
    for number, name, base, caches in answer["rows"]:
        flags = classes.flags_of(answer["minor"], name, base)
        table[number] = (name, base, caches, [flag for flag in classes.FLAGS if flag in flags])
    return table


def print_table(answer):
    table = table_of(answer)
    numbers = {row[0]: number for number, row in table.items()}
    minor = answer["minor"]
    lines = [
        "/* opcodes_3%02d: the instructions of CPython 3.%d, "
        "printed by tests/opcodes/check.py and checked" % (minor, minor),
        " * by it against %s. Columns: name, base, caches, flags. */" % answer["version"],
        '#include "daemon/decode/opcodes_rows.h"',
        "",
        "const struct opcode_table opcode_table_3%02d = {" % minor,
        "    .minor = %d," % minor,
        "    .ops = {",
    ]
    for number, (name, base, caches, flags) in sorted(table.items()):
        lines.append(
            '[%d] = {"%s", %d, %d, %s},'
            % (number, name, numbers[base], caches, " | ".join(flags) or "0")
        )
    lines.append("}};")
    source = "\n".join(lines) + "\n"
    subprocess.run(
        ["clang-format", "--assume-filename=%s/x.c" % HERE], input=source, text=True, check=True
    )


def tables_of(tool):
    tables = {}
    for line in subprocess.run(
        [tool], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines():
        minor, number, name, base, caches, *flags = line.split()
        tables.setdefault(int(minor), {})[int(number)] = (name, base, int(caches), flags)
    return tables


def check(tool, commands):
    tables = tables_of(tool)
    unseen = set(tables)
    failures = 0
    for command in commands:
        answer = instructions_of(command)
        minor, version = answer["minor"], answer["version"]
        if minor not in tables:
            print("SKIP %s: no table" % version)
            continue
        ours, theirs = tables[minor], table_of(answer)
        wrong = [number for number in range(256) if ours.get(number) != theirs.get(number)]
        for number in wrong:
            print(
                "%s: number %d is %s, in our table %s"
                % (version, number, theirs.get(number), ours.get(number))
            )
        unseen.discard(minor)
        failures += bool(wrong)
        print(
            "%s %s: %d instructions%s: %s"
            % (
                "FAIL" if wrong else "ok  ",
                version,
                len(theirs),
                ", with headers" if answer["headers"] else "",
                "DIFFERENT" if wrong else "same",
            )
        )
    for minor in sorted(unseen):
        print("SKIP 3.%d: no interpreter here to check against" % minor)
    return 1 if failures or len(unseen) == len(tables) else 0


def main(arguments):
    if len(arguments) > 1 and arguments[0] == "--print":
        print_table(instructions_of(arguments[1:]))
        return 0
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 64
    commands = [[python] for python in arguments[1:]]
    if not commands:
        for interpreter in interpreters.find():
            if interpreter.missing:
                print("SKIP %s: %s" % (interpreter.name, interpreter.missing))
            else:
                commands.append(list(interpreter.argv_prefix))
    return check(arguments[0], commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
