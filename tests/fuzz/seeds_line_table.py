"""Seeds for fuzz_line_table: real line tables of every format, asked for their middle."""

import struct
import sys

import real_tables

FORMATS = {8: 0, 9: 0, 10: 1}  # as enum line_format counts; PEP 657 from 3.11 on

for number, (minor, first_line, table, bytecode) in enumerate(real_tables.real_tables()):
    head = struct.pack("<BiI", FORMATS.get(minor, 2), first_line, len(bytecode) // 4 * 2)
    real_tables.write(sys.argv[1], number, head + table)
