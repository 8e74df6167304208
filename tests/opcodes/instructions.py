"""Prints, as JSON, the instructions of the CPython that runs this: number, name, base, caches.

Runs under every supported CPython (3.8 on): standard library only, old syntax only.
"""

import dis
import json
import opcode
import os
import re
import sys
import sysconfig


def from_modules():
    names = dict(opcode.opmap)
    families = {}
    if sys.version_info >= (3, 11):
        names.update(dis._all_opmap)
        for base, members in opcode._specializations.items():
            for member in members:
                families[member] = base
    if sys.version_info >= (3, 13):
        names.update(opcode._specialized_opmap)
        caches = dict(opcode._inline_cache_entries)
    elif sys.version_info >= (3, 11):
        caches = {opcode.opname[n]: c for n, c in enumerate(opcode._inline_cache_entries)}
    else:
        caches = {}
    return names, families, caches


def header_text(*names):
    for folder in (sysconfig.get_path("include"), sysconfig.get_path("platinclude")):
        paths = [os.path.join(folder, name) for name in names]
        found = [path for path in paths if os.path.exists(path)]
        if found:
            return "".join(open(path).read() for path in found)
    return ""


def from_headers():
    """Numbers, families and caches as the development headers tell them; empty without headers."""
    text = header_text("opcode.h", "opcode_ids.h")
    defines = re.findall(r"^#define +([A-Z][A-Z0-9_]*) +(\d+)$", text, re.MULTILINE)
    no_instructions = re.compile("NB_|HAVE_ARGUMENT|M(IN|AX)_.*OPCODE|ENABLE_SPECIALIZATION")
    names = {name: int(number) for name, number in defines if not no_instructions.match(name)}

    text = header_text("internal/pycore_opcode.h", "internal/pycore_opcode_metadata.h")

    def array(array_name):
        found = re.search(r"%s\[256\] = \{(.*?)\};" % array_name, text, re.DOTALL)
        return re.findall(r"\[(\w+)\] = (\w+)", found.group(1)) if found else []

    families = {member: base for member, base in array("_PyOpcode_Deopt") if member != base}
    caches = {name: int(count) for name, count in array("_PyOpcode_Caches")}
    return names, families, caches


def rows():
    names, families, caches = from_modules()
    header_names, header_families, header_caches = from_headers()
    for name, number in header_names.items():
        if number < 256 and name != "DO_TRACING":  # 3.11: in a register only, never in memory
            if names.setdefault(name, number) != number:
                sys.exit("%s: %d in the modules, %d in the headers" % (name, names[name], number))
    if (
        header_families
        and {m: b for m, b in families.items() if m in header_families} != header_families
    ):
        sys.exit("modules and headers disagree on families")
    if header_caches and header_caches != {n: c for n, c in caches.items() if c}:
        sys.exit("modules and headers disagree on caches")
    for name in list(names):
        plain = name[len("INSTRUMENTED_") :]
        if name.startswith("INSTRUMENTED_") and plain in names:
            families[name] = plain
    for name, number in sorted(names.items(), key=lambda item: item[1]):
        base = families.get(name, name)
        if number < 256:
            yield [number, name, base, caches.get(base, 0)]


answer = {
    "version": sys.version.split()[0],
    "minor": sys.version_info[1],
    "headers": bool(from_headers()[0]),
    "rows": list(rows()),
}
json.dump(answer, sys.stdout)
