"""Seeds for fuzz_profile_mojo: events of every kind, in every version, without the "MOJ"."""

import pathlib
import sys


def varint(value):
    rest = abs(value)
    data = [(0x40 if value < 0 else 0) | rest & 0x3F]
    rest >>= 6
    while rest:
        data[-1] |= 0x80
        data.append(rest & 0x7F)
        rest >>= 7
    return bytes(data)


def event(number, *fields):
    data = bytes([number])
    for field in fields:
        data += varint(field) if isinstance(field, int) else field.encode() + b"\0"
    return data


def metadata(key, value):
    return event(1, key, value)


def names(first=2):
    return event(11, first, "/srv/\xfc.py") + event(11, first + 1, "\u540d")


SEEDS = [
    varint(1) + event(2, 63, "7f") + names() + event(3, 9, 2, 1, 7) + event(5, 9) + event(9, 5),
    varint(2) + event(2, 63, "t") + names() + event(3, 9, 2, 3, 7, 8, 1, 2) + event(5, 9) + event(9, 64),
    varint(3)
    + metadata("mode", "wall")
    + event(2, 1, 0, "t")
    + names()
    + event(3, 1, 2, 3, 70, 70, 5, 9)
    + event(5, 1)
    + event(5, 1)
    + event(4)
    + event(9, 8192)
    + event(2, 1, 0, "t")
    + event(5, 1)
    + event(9, 0)
    + event(2, 2, -1, "t")
    + names(200)
    + event(3, 1, 200, 201, 1, 1, 1, 1)
    + event(5, 1)
    + event(9, 2**63 - 1)
    + metadata("duration", "12"),
    varint(3)
    + metadata("mode", "full")
    + event(2, 1, 0, "t")
    + event(6, "do_sys")
    + event(7)
    + event(9, 5)
    + event(8)
    + event(10, -131)
    + event(2, 1, 0, "t")
    + event(12, 5)
    + event(9, 6),
    varint(4) + event(2, 1, 0, "t") + event(9, 3) + event(13),
]

for number, data in enumerate(SEEDS):
    (pathlib.Path(sys.argv[1]) / f"seed{number:04}").write_bytes(data)
