"""Seeds for fuzz_code_units: the live bytecode of real functions."""

import sys

import real_tables

for number, (minor, _, _, bytecode) in enumerate(real_tables.real_tables()):
    real_tables.write(sys.argv[1], number, bytes([minor]) + bytecode)
