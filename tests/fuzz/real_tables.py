"""Line tables and bytecode of real code objects, for seeds, from every interpreter found here."""

import pathlib
import struct
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "integration"))

import interpreters  # noqa: E402

COUNT = 60  # code objects of each interpreter's sources, about
KEPT = 400  # code objects at most, the smaller ones


def records(data):
    """(minor, first line, line table, live bytecode) from the output of tables_dump.py."""
    (minor,) = struct.unpack_from("<I", data, 13)
    at = 17
    while at < len(data):
        (first_line,) = struct.unpack_from("<i", data, at)
        at += 4
        parts = []
        for _ in range(3):
            (size,) = struct.unpack_from("<I", data, at)
            parts.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        at += 4 + 20 * (len(parts[1]) // 2)
        yield minor, first_line, parts[0], parts[2]


def real_tables():
    dumper = TESTS / "decode" / "tables_dump.py"
    for interpreter in interpreters.find():
        if interpreter.missing or interpreter.bits != 64:
            continue
        with open(dumper, "rb") as script:
            done = subprocess.run(
                [*interpreter.argv_prefix, "-", str(COUNT)],
                stdin=script,
                stdout=subprocess.PIPE,
                check=True,
            )
        found = sorted(records(done.stdout), key=lambda record: len(record[3]))
        yield from found[: KEPT * 4 : 4]


def write(folder, number, content):
    """One seed."""
    (pathlib.Path(folder) / ("seed-%06d" % number)).write_bytes(content)
