"""Seeds for fuzz_text: names as str objects store them, for each use."""

import struct
import sys

import real_tables

NAMES = [
    "main",
    "<string>",
    "caf\xe9",
    "\u540d\u524d",
    "\U0001f40d",
    "a;b:c\n",
    "dead",
    "0x1_f",
    "\ud800",
    "\u0663",
    "x" * 5000,
    "\u2028\x85",
    "<frozen importlib._bootstrap>",
]

number = 0
for name in NAMES:
    for use in range(3):
        widest = max(map(ord, name))
        kind = 1 if widest < 0x100 else 2 if widest < 0x10000 else 4
        units = b"".join(ord(letter).to_bytes(kind, "little") for letter in name)
        real_tables.write(sys.argv[1], number, struct.pack("<BBH", kind, use, 4096) + units)
        number += 1
