"""Measures the layouts of CPython's structs in the headers of every CPython that is installed, and
compares them with the daemon's rows.

Each installation is measured in its own word size, and pyenv's once more as i386 (i386_pyconfig.h).
What cannot be measured is named in a line that begins with SKIP; 77 if that is everything, 1 if
anything differs."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE)]

import interpreters  # noqa: E402
import rows  # noqa: E402

# Moves from one patch release to the next, and nothing in the target tells where it is: the daemon
# knows some releases (debug_offsets.c) and says `absent` for the others.
KNOWN_FOR_SOME = "interpreter.jit"


def include_dirs(interpreter, scratch):
    """Its headers, and for Debian's the folder with the architecture's own pyconfig.h. Links, because
    beside them a root has the headers of its libc."""
    include = interpreter.include
    links = pathlib.Path(scratch) / interpreter.name
    links.mkdir(exist_ok=True)
    for other in (include, *include.parent.glob(f"*-linux-gnu/{include.name}")):
        name = other.relative_to(include.parent)
        (links / name).parent.mkdir(exist_ok=True)
        if not (links / name).exists():
            (links / name).symlink_to(other)
    return [f"-I{links / include.name}", f"-I{links}"]


def measure(interpreter, bits, cc, scratch, names=("print_headers.c", "layout_print.c")):
    """The row as the headers have it; the sizes of structs are keys that begin with `sizeof`."""
    program = pathlib.Path(scratch) / "print_headers"
    sources = [HERE / name for name in names]
    flags = ["-std=gnu11", "-w", f"-I{SOURCE}", *include_dirs(interpreter, scratch)]
    if bits == 32:
        flags.append("-m32")
    if interpreter.flags & {"jit", "jit-off"}:
        flags += ["-D_Py_JIT", "-D_Py_TIER2=1"]  # Not in pyconfig.h: configure puts it in CFLAGS.
    if bits != interpreter.bits:
        flags += ["-include", HERE / "i386_pyconfig.h"]
    done = subprocess.run(
        [cc, *flags, "-o", program, *sources], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        first = next((line for line in done.stderr.splitlines() if "error" in line), "")
        raise RuntimeError(first or done.stderr.strip())
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def can_build_32(cc, scratch):
    source = pathlib.Path(scratch) / "empty.c"
    source.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
    done = subprocess.run(
        [cc, "-m32", "-o", source.with_suffix(""), source], capture_output=True, check=False
    )
    return done.returncode == 0


def compare(label, print_row, interpreter, bits, text):
    """Whether the row is what was measured; says what is not."""
    runtime = interpreter.runtime if bits == interpreter.bits else None
    row = rows.read(print_row, interpreter.minor, bits // 8, runtime)
    measured = rows.parse(text)
    wrong = []
    for name, value in measured.items():
        own = row[name]
        if own == value:
            continue
        if name == KNOWN_FOR_SOME and own is None:
            sizes = next(line for line in text.splitlines() if line.startswith("#"))
            print(f"NOTE {label}: {name} is {value}, which the daemon does not know ({sizes[2:]})")
        elif runtime is None and interpreter.minor >= rows.FIRST_WITH_TABLE and is_state(name):
            continue  # No table to take it from: another patch release's.
        else:
            wrong.append(f"{name} is {value} in the headers, the row has {own}")
    for line in wrong:
        print(f"FAIL {label}: {line}")
    if not wrong:
        print(f"ok   {label}")
    return not wrong


def is_state(name):
    return name.split(".")[0] in ("runtime", "interpreter", "thread")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print-row", required=True, help="the program layout_print_row")
    parser.add_argument("--cc", default="cc", help="the compiler that measures")
    options = parser.parse_args()

    compared, failed, seen = 0, 0, set()
    with tempfile.TemporaryDirectory() as scratch:
        both = can_build_32(options.cc, scratch)
        for interpreter in interpreters.find():
            if interpreter.missing:
                print(f"SKIP {interpreter.name}: {interpreter.missing}")
                continue
            if not interpreter.internal_headers:
                print(f"SKIP {interpreter.name}: it has no headers of internal structures")
                continue
            if interpreter.flags & {"free-threaded", "trace-refs"}:
                print(f"SKIP {interpreter.name}: there are no rows for such a build")
                continue
            for bits in sorted({interpreter.bits, 32 if interpreter.kind == "pyenv" else 0} - {0}):
                version = ".".join(map(str, interpreter.version))
                label = f"{interpreter.name} ({version}), {bits} bits"
                if bits == 32 and not both:
                    print(f"SKIP {label}: {options.cc} -m32 does not work: install gcc-multilib")
                    continue
                text = measure(interpreter, bits, options.cc, scratch)
                failed += not compare(label, options.print_row, interpreter, bits, text)
                compared += 1
                seen.add((interpreter.minor, bits))
    for minor in interpreters.MINORS:
        for bits in (64, 32):
            if (minor, bits) not in seen:
                print(f"SKIP the row of 3.{minor} with {bits} bits: no headers to measure it in")
    if compared == 0:
        return 77
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
