"""The rows that the daemon has, for the tests beside this file: asks layout_print_row.

For CPython 3.13 and later a row is one target's: the table of offsets that the interpreter carries in
its .PyRuntime section goes into it, as it would in a session."""

import pathlib
import subprocess
import tempfile

FIRST_WITH_TABLE = 13


def parse(text):
    """The `name=value` lines as a dict; None where the value is `absent`."""
    pairs = (line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: None if value == "absent" else int(value) for name, value in pairs}


def runtime_section(path):
    """The bytes of .PyRuntime in an ELF file, with _PyRuntime at their start."""
    with tempfile.TemporaryDirectory() as scratch:
        section = pathlib.Path(scratch) / "section"
        subprocess.run(
            ["objcopy", "-O", "binary", "--only-section=.PyRuntime", path, section],
            check=True,
            capture_output=True,
        )
        return section.read_bytes()


def read(print_row, minor, word_size, runtime=None):
    """The row of 3.`minor`; `runtime` is the file that holds the interpreter's _PyRuntime. A
    RuntimeError says why there is none."""
    command = [print_row, "3", str(minor), str(word_size)]
    with tempfile.NamedTemporaryFile() as table:
        if minor >= FIRST_WITH_TABLE and runtime is not None:
            table.write(runtime_section(runtime))
            table.flush()
            command.append(table.name)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return parse(done.stdout)
