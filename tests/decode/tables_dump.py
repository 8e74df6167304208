"""Writes what the CPython that runs this says of its own code objects, for tables_check.

Every code object of the standard library's sources, fresh from the compiler; every function that is
alive, specialised as it is; and (3.12 on) functions with every instruction instrumented. Standard
library only, 3.8 on.

    tables_dump.py [COUNT]      of the sources only about COUNT code objects; 0 or nothing: all

To standard output, little-endian: "echion tables" and the minor; then for each code object: first
line; size and bytes of the line table, of the plain bytecode, of the live bytecode; whether that is
instrumented; then for each code unit: distance to its instruction's first unit, line, last line,
column, column after the end. A line is -1 where Python says None, -2 where this minor cannot tell;
columns are Python's plus one, 0 for None, and -2 where this minor cannot tell.
"""

import dis
import gc
import os
import struct
import sys
import sysconfig
import types

MINOR = sys.version_info[1]
SKIPPED_FOLDERS = {
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "site-packages",
    "dist-packages",
    "turtledemo",
}
UNTOLD = -2


def plus_one(number):
    return 0 if number is None else number + 1


def positions(code):
    """(line, last line, column, column after the end) for each code unit."""
    units = len(code.co_code) // 2
    if MINOR >= 11:
        return [
            (
                -1 if line is None else line,
                0 if end is None else end,
                plus_one(column),
                plus_one(column_end),
            )
            for line, end, column, column_end in code.co_positions()
        ]
    lines = [-1] * units
    if MINOR == 10:
        for start, end, line in code.co_lines():
            for unit in range(start // 2, min(end // 2, units)):
                lines[unit] = -1 if line is None else line
    else:
        starts = dict(dis.findlinestarts(code))
        line = code.co_firstlineno
        for unit in range(units):
            line = starts.get(2 * unit, line)
            lines[unit] = line
    return [(line, UNTOLD, UNTOLD, UNTOLD) for line in lines]


def distances(code):
    starts = {instruction.offset // 2 for instruction in dis.get_instructions(code)}
    found = []
    for unit in range(len(code.co_code) // 2):
        found.append(0 if unit in starts else found[-1] + 1)
    return found


def write(code, instrumented=False):
    table = code.co_linetable if MINOR >= 10 else code.co_lnotab
    live = code._co_code_adaptive if MINOR >= 11 else code.co_code
    out = sys.stdout.buffer
    out.write(struct.pack("<i", code.co_firstlineno))
    for part in (table, code.co_code, live):
        out.write(struct.pack("<I", len(part)) + part)
    out.write(struct.pack("<I", instrumented))
    for distance, place in zip(distances(code), positions(code)):
        out.write(struct.pack("<5i", distance, *place))


def nested(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


def sources():
    for folder, folders, files in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.join(folder, name)


def compiled(count):
    """Code objects of the sources, spread over all of them when only some are wanted."""
    paths = list(sources())
    step = max(1, len(paths) * 30 // count) if count else 1
    for path in paths[::step]:
        with open(path, "rb") as file:
            text = file.read()
        try:
            yield from nested(compile(text, path, "exec", dont_inherit=True))
        except (SyntaxError, ValueError):
            pass  # made to be wrong, for tests of the library's own


def many_lines():
    """What the library's sources have not: long jumps between lines and over columns."""
    gap = "\n" * 300
    yield compile("def f(a):\n    return (a +%sa.b(%s1))\n" % (gap, gap), "<gap>", "exec")
    yield compile("x = %s + y\n" % " + ".join("a%d" % n for n in range(500)), "<wide>", "exec")
    yield compile("def f():\n" + "    g()\n" * 500, "<long>", "exec")
    yield compile("if a:\n" + "    b = a.c[d](e)\n" * 900 + "f()\n", "<extended>", "exec")


def alive():
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType):
            yield function


def busy():
    """Has the interpreter specialise a part of its own library."""
    import json
    import re
    import textwrap

    text = json.dumps([{"a": [n, str(n), n / 3, None]} for n in range(300)])
    for _ in range(20):
        json.loads(text)
        re.sub(r"(\d+)", lambda match: match.group(1) * 2, text)
        textwrap.fill(text[:2000], 40)


def instrumented(functions):
    """Code objects with lines and instructions instrumented, while they are looked at."""
    monitoring = sys.monitoring
    tool = monitoring.DEBUGGER_ID
    events = monitoring.events
    monitoring.use_tool_id(tool, "tables_dump")
    for number, function in enumerate(functions):
        if function.__module__ in ("json.decoder", "re", "textwrap", "enum", "dis", "collections"):
            wanted = (
                events.LINE,
                events.INSTRUCTION,
                events.CALL | events.PY_RETURN | events.BRANCH,
                events.LINE | events.INSTRUCTION,
            )[number % 4]
            monitoring.set_local_events(tool, function.__code__, wanted)
            yield function.__code__
            monitoring.set_local_events(tool, function.__code__, 0)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    sys.stdout.buffer.write(b"echion tables" + struct.pack("<I", MINOR))
    for code in many_lines():
        for part in nested(code):
            write(part)
    for code in compiled(count):
        write(code)
    for _ in range(3):
        busy()
    functions = list(alive())
    for function in functions:
        write(function.__code__)
    if MINOR >= 12:
        for code in instrumented(functions):
            write(code, True)


main()
