"""The CPythons that the integration tests sample, and how to start a target with each.

    for interpreter in interpreters.find():
        if interpreter.missing:
            ...skip, and say why: interpreter.missing
        with interpreters.spawn(interpreter, TARGETS / "busy.py") as target:
            ...sample target.pid

find() lists what is there of 3.8 to 3.15, and also what should be there and is not, so that a
skipped interpreter shows:

    pyenv-3.N   the newest 3.N that pyenv installed (a suffix "t" is a free-threaded build)
    debian-3.N  this machine's own /usr/bin/python3.N
    ROOT-3.N    inside a root that tests/roots/make builds, for example sid-i386-3.14

ECHION_TEST_PYTHONS=pyenv-3.13,sid-3.14 restricts find() to those. Run as a program, this prints the
table. Standard library only, for the python3 of Debian 12.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = HERE.parent / "targets"
ROOTS = HERE.parent / "roots"
MINORS = range(8, 16)
PYENV_MINORS = range(8, 14)
SELECTION = "ECHION_TEST_PYTHONS"

# Runs inside each interpreter, 3.8 included. "runtime" is the file that holds _PyRuntime.
PROBE = r"""
import json, os, sys, sysconfig
v = sysconfig.get_config_vars()
config = v.get("CONFIG_ARGS") or ""
flags = []
if v.get("Py_GIL_DISABLED"): flags.append("free-threaded")
if v.get("Py_DEBUG"): flags.append("debug")
if v.get("Py_TRACE_REFS"): flags.append("trace-refs")
jit = getattr(sys, "_jit", None)
if jit.is_available() if jit else "--enable-experimental-jit" in config:
    flags.append("jit" if jit is None or jit.is_enabled() else "jit-off")
if v.get("Py_TAIL_CALL_INTERP") or v.get("_Py_TAIL_CALL_INTERP"): flags.append("tail-call")
if "-fno-omit-frame-pointer" in (v.get("PY_CFLAGS") or ""): flags.append("frame-pointers")
if v.get("Py_REMOTE_DEBUG"): flags.append("remote-debug")
if v.get("WITH_DTRACE"): flags.append("dtrace")
runtime = os.path.realpath("/proc/self/exe")
with open("/proc/self/maps") as maps:
    for line in maps:
        path = line.split(None, 5)[-1].strip()
        if os.path.basename(path).startswith("libpython3."): runtime = path
name = v.get("INSTSONAME") or ""
places = [v.get("LIBDIR") or "", os.path.join(v.get("LIBDIR") or "", v.get("MULTIARCH") or "")]
paths = [os.path.join(place, name) for place in places if ".so" in name]
paths = [os.path.realpath(path) for path in paths if os.path.exists(path)]
print(json.dumps({
    "version": sys.version_info[:3], "text": sys.version,
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "executable": os.path.realpath("/proc/self/exe"), "flags": flags, "runtime": runtime,
    "libpython": paths[0] if paths else None,
    "include": sysconfig.get_paths()["include"], "cpython": sys.implementation.name == "cpython"}))
"""


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """One CPython. Paths are this machine's own, also those of an interpreter in a root. Where
    `missing` says why it cannot be used, only name, kind, minor, bits and root mean anything."""

    name: str
    kind: str  # "pyenv", "debian" or "root"
    minor: int
    bits: int  # 32 or 64
    root: str | None = None  # the name of its root
    missing: str | None = None
    version: tuple[int, int, int] | None = None
    text: str = ""  # its sys.version
    argv_prefix: tuple[str, ...] = ()  # what to put before the interpreter's arguments
    executable: pathlib.Path | None = None
    runtime: pathlib.Path | None = None  # the file with _PyRuntime: executable or libpython
    libpython: pathlib.Path | None = None  # a shared libpython to embed, even where static
    include: pathlib.Path | None = None  # its headers, if they are installed
    flags: frozenset[str] = frozenset()  # free-threaded, jit, jit-off, tail-call, debug, ...
    stripped: bool = False  # runtime has no .symtab

    @property
    def shared(self):
        """Whether the interpreter itself runs from a shared libpython."""
        return self.runtime != self.executable

    @property
    def internal_headers(self):
        """Whether headers with the layouts of internal structures are installed."""
        return self.include is not None and (self.include / "internal").is_dir()

    @property
    def root_path(self):
        return None if self.root is None else roots_dir() / self.root


def roots_dir():
    cache = os.environ.get("ECHION_CACHE")
    if cache:
        return pathlib.Path(cache) / "roots"
    home_cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home_cache) / "echion" / "roots"


def elf_has_section(path, wanted):
    """Whether an ELF file has a section of that name. Both of the word sizes that are tested."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF":
        raise ValueError(f"{path}: not an ELF file")
    word = 8 if data[4] == 2 else 4

    def number(offset, size):
        return int.from_bytes(data[offset : offset + size], "little")

    table, entry, count, names = (
        (number(0x28, 8), number(0x3A, 2), number(0x3C, 2), number(0x3E, 2))
        if word == 8
        else (number(0x20, 4), number(0x2E, 2), number(0x30, 2), number(0x32, 2))
    )
    if count == 0:
        return False
    strings = number(table + names * entry + (0x18 if word == 8 else 0x10), word)
    for index in range(count):
        start = strings + number(table + index * entry, 4)
        if data[start : data.index(b"\0", start)] == wanted.encode():
            return True
    return False


def probe(interpreter, prefix):
    """The same interpreter with everything filled in, or with `missing` saying why not."""
    root = interpreter.root_path
    try:
        done = subprocess.run(
            [*prefix, "-I", "-S", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return dataclasses.replace(interpreter, missing=f"does not run: {error}")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return dataclasses.replace(interpreter, missing=f"does not run: {last}")
    facts = json.loads(done.stdout)
    if not facts["cpython"] or facts["version"][1] != interpreter.minor:
        return dataclasses.replace(interpreter, missing=f"is another Python: {facts['text']}")

    def outside(path):
        if path is None:
            return None
        return pathlib.Path(path) if root is None else root / path.lstrip("/")

    include = outside(facts["include"])
    runtime = outside(facts["runtime"])
    return dataclasses.replace(
        interpreter,
        version=tuple(facts["version"]),
        text=facts["text"],
        bits=facts["bits"],
        argv_prefix=tuple(prefix),
        executable=outside(facts["executable"]),
        runtime=runtime,
        libpython=outside(facts["libpython"]),
        include=include if (include / "Python.h").exists() else None,
        flags=frozenset(facts["flags"]),
        stripped=not elf_has_section(runtime, ".symtab"),
    )


def pyenv_interpreters():
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    newest = {}
    for path in (pyenv / "versions").glob("3.*"):
        match = re.fullmatch(r"3\.(\d+)\.(\d+)(t?)(-debug)?", path.name)
        if match and int(match[1]) in MINORS:
            key = (int(match[1]), match[3] + (match[4] or ""))
            newest[key] = max(newest.get(key, (-1, None)), (int(match[2]), path))
    for minor in PYENV_MINORS:
        newest.setdefault((minor, ""), None)
    for (minor, suffix), found in sorted(newest.items()):
        interpreter = Interpreter(f"pyenv-3.{minor}{suffix}", "pyenv", minor, 64)
        if found is None:
            missing = f"pyenv has no 3.{minor}: pyenv install 3.{minor}"
            yield dataclasses.replace(interpreter, missing=missing)
        else:
            yield probe(interpreter, [str(found[1] / "bin" / "python3")])


def debian_interpreters():
    found = [m for m in MINORS if pathlib.Path(f"/usr/bin/python3.{m}").is_file()]
    for minor in found:
        interpreter = Interpreter(f"debian-3.{minor}", "debian", minor, 64)
        yield probe(interpreter, [f"/usr/bin/python3.{minor}"])
    if not found:
        missing = "there is no /usr/bin/python3.11: apt-get install python3.11"
        yield Interpreter("debian-3.11", "debian", 11, 64, missing=missing)


def root_interpreters():
    recipes = subprocess.run([ROOTS / "make", "--list"], capture_output=True, text=True, check=True)
    for line in recipes.stdout.splitlines():
        root, suite, architecture, *pythons = line.split()
        for python in pythons:
            minor = int(python.partition(".")[2])
            bits = 32 if architecture == "i386" else 64
            interpreter = Interpreter(f"{root}-{python}", "root", minor, bits, root=root)
            missing = None
            if not interpreter.root_path.is_dir():
                missing = f"the root is not built: tests/roots/make {root}"
            elif not (interpreter.root_path / f"usr/bin/python{python}").exists():
                missing = f"{suite} ({architecture}) had no package python{python} for the root"
            elif os.geteuid() != 0:
                missing = "entering a root takes root"
            if missing:
                yield dataclasses.replace(interpreter, missing=missing)
            else:
                yield probe(interpreter, [str(ROOTS / "enter"), root, f"/usr/bin/python{python}"])


@functools.lru_cache(maxsize=None)
def find_all():
    """Every interpreter, whatever ECHION_TEST_PYTHONS says."""
    return (*pyenv_interpreters(), *debian_interpreters(), *root_interpreters())


def find():
    """The interpreters to test with. A name in ECHION_TEST_PYTHONS that is none of them is an
    error: a slip must not make a run that tests nothing."""
    names = [name.strip() for name in os.environ.get(SELECTION, "").split(",") if name.strip()]
    if not names:
        return list(find_all())
    known = {interpreter.name for interpreter in find_all()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{SELECTION}: {', '.join(unknown)} is none of {', '.join(sorted(known))}")
    return [interpreter for interpreter in find_all() if interpreter.name in names]


def get(name):
    """The interpreter of that name, selected or not; KeyError if there is none."""
    for interpreter in find_all():
        if interpreter.name == name:
            return interpreter
    raise KeyError(name)


def command(
    interpreter,
    script,
    *arguments,
    options=(),
    user=None,
    tmp=None,
    pidns=False,
    pidfile=None,
    switch_root=False,
):
    """The argv that runs a script, or a list such as ["-c", code] or ["-m", module], with `options`
    for the interpreter itself. The script's path is this machine's, and so is any argument that is
    a pathlib.Path: for a root they are translated, and their directories show there below /mnt.
    `user` is a numeric id. The other options are for roots only: see tests/roots/enter."""
    if interpreter.missing:
        raise ValueError(f"{interpreter.name}: {interpreter.missing}")
    if isinstance(script, (str, os.PathLike)):
        script = [pathlib.Path(script).resolve(strict=True)]
    rest = [*options, *script, *arguments]
    if interpreter.root is None:
        if tmp or pidns or pidfile or switch_root:
            raise ValueError(f"{interpreter.name}: tmp, pidns, pidfile, switch_root need a root")
        prefix = list(interpreter.argv_prefix)
        if user is not None:
            prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *prefix]
        return [*prefix, *map(str, rest)]

    enter, root, executable = interpreter.argv_prefix
    extra = []
    if user is not None:
        extra += ["--user", user]
    if tmp:
        extra += ["--tmp", tmp]
    if pidns:
        extra += ["--pidns"]
    if pidfile:
        extra += ["--pidfile", pidfile]
    if switch_root:
        extra += ["--switch-root"]
    for index, argument in enumerate(rest):
        if isinstance(argument, pathlib.Path):
            if TARGETS in argument.parents:
                rest[index] = pathlib.Path("/mnt/echion") / argument.relative_to(TARGETS)
            else:
                extra += ["--bind", argument.parent, f"script{index}"]
                rest[index] = pathlib.Path(f"/mnt/script{index}") / argument.name
    return [str(word) for word in (enter, *extra, root, executable, *rest)]


class Target:
    """A running target; leaving the `with` kills it. `pid` is what to attach to: this namespace's
    number of the interpreter's own process. `process` is the Popen: the same process, or with pidns
    its parent."""

    def __init__(self, interpreter, process, pid):
        self.interpreter = interpreter
        self.process = process
        self.pid = pid
        self.pidfd = None  # only where the process is not our own child

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def outside(self, path):
        """This machine's path of a file that the target knows as `path`, while the target lives."""
        return pathlib.Path(f"/proc/{self.pid}/root/{str(path).lstrip('/')}")

    def kill(self):
        """Ends the target and reaps it."""
        if self.pidfd is not None:
            # Its parent reaps it and ends in turn; killed first, it would leave a zombie to PID 1.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.close(self.pidfd)
            self.pidfd = None
        elif self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def spawn(interpreter, script, *arguments, options=(), timeout=30, popen=None, **how):
    """Starts a target as command() says, and returns once its process is the interpreter (which may
    not have initialised yet). `popen` is a dict of more arguments for subprocess.Popen."""
    scratch = tempfile.mkdtemp(prefix="echion-spawn-") if how.get("pidns") else None
    try:
        if scratch:
            how["pidfile"] = os.path.join(scratch, "pid")
        argv = command(interpreter, script, *arguments, options=options, **how)
        process = subprocess.Popen(argv, **(popen or {}))
        target = Target(interpreter, process, None if scratch else process.pid)
        try:
            wait_for_interpreter(target, argv, how.get("pidfile") if scratch else None, timeout)
        except BaseException:
            target.kill()
            raise
        return target
    finally:
        if scratch:
            shutil.rmtree(scratch)


def wait_for_interpreter(target, argv, pidfile, timeout):
    wanted = os.stat(target.interpreter.executable)
    deadline = time.monotonic() + timeout
    while True:
        # Asked before the look at /proc: one that is gone by then has failed or was very short.
        status = target.process.poll()
        if target.pid is None and os.path.exists(pidfile):
            pid = int(pathlib.Path(pidfile).read_text())
            # Where it has ended already there is nothing to open, and `status` tells it.
            with contextlib.suppress(ProcessLookupError):
                target.pidfd = os.pidfd_open(pid)
                target.pid = pid
        if target.pid is not None:
            try:
                if os.path.samestat(os.stat(f"/proc/{target.pid}/exe"), wanted):
                    return
            except OSError:
                pass  # Between two programs, or gone.
        if status is not None:
            raise RuntimeError(f"{shlex.join(argv)}: ended early, with status {status}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{shlex.join(argv)}: not the interpreter after {timeout} s")
        time.sleep(0.001)


def main():
    rows = [("NAME", "VERSION", "BITS", "LINKED", "SYMBOLS", "HEADERS", "FLAGS")]
    for it in find():
        if it.missing:
            rows.append((it.name, f"3.{it.minor}", str(it.bits), "MISSING: " + it.missing))
            continue
        rows.append(
            (
                it.name,
                ".".join(map(str, it.version)),
                str(it.bits),
                "shared" if it.shared else "static" + (" (+.so)" if it.libpython else ""),
                "stripped" if it.stripped else "yes",
                "internal" if it.internal_headers else "public" if it.include else "-",
                " ".join(sorted(it.flags)) or "-",
            )
        )
    # The reason why one is missing runs on over the columns that it has nothing for.
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in (rows if i < 3 else full)) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
