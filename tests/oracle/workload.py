"""workload: runs a program of tests/targets under one interpreter, for the oracle and the benchmark.

    with Scratch() as scratch:
        truth = workload.record_truth(interpreter, "calls", scratch)
        with workload.start(interpreter, "calls", scratch, cpu=0) as running:
            ...sample running.pid

`scratch` is a directory in memory that the interpreter of a root sees as its /tmp.
"""

import contextlib
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS / "integration"))

import interpreters  # noqa: E402

READY_SECONDS = 60
# The scheduler's own accounting of a thread: nanoseconds on a core, nanoseconds waiting for one.
SCHEDSTAT = "/proc/%d/task/%s/schedstat"


class Scratch:
    def __init__(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="echion-oracle-", dir=memory))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name):
        return self.path / name

    def seen_by(self, interpreter, name):
        return "/tmp/" + name if interpreter.root is not None else str(self.path / name)

    def how(self, interpreter):
        return {"tmp": str(self.path)} if interpreter.root is not None else {}


def scheduled_seconds(pid):
    """Seconds that a process's live threads have run, and have waited for a core that others had; to
    the nanosecond."""
    run = waited = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(SCHEDSTAT % (pid, thread)) as file:
                fields = file.read().split()
                run += int(fields[0])
                waited += int(fields[1])
    return run / 1e9, waited / 1e9


class Running:
    """A workload that has begun. `pid` is what to attach to; `units()` is the work done so far."""

    def __init__(self, target, progress):
        self.target = target
        self.pid = target.pid
        self.progress = progress

    def units(self):
        return struct.unpack_from("<Q", self.progress, 0)[0]

    def run_seconds(self):
        return scheduled_seconds(self.pid)[0]

    def waited_seconds(self):
        return scheduled_seconds(self.pid)[1]

    def alive(self):
        return self.target.process.poll() is None


def script_of(name):
    return interpreters.TARGETS / (name + ".py")


def record_truth(interpreter, name, scratch, arguments=()):
    """The path of the truth of a workload under an interpreter, recorded now."""
    file = "truth-%s.json" % name
    command = interpreters.command(
        interpreter, script_of(name), "--truth", scratch.seen_by(interpreter, file), *arguments,
        options=["-B"], **scratch.how(interpreter)
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: no truth of %s: %s" % (interpreter.name, name, done.stderr.strip()))
    return scratch.file(file)


@contextlib.contextmanager
def start(interpreter, name, scratch, cpu=None, arguments=()):
    """Starts a workload, yields it once it is under way and warm, and ends it."""
    ready, progress = scratch.file("ready"), scratch.file("progress")
    ready.unlink(missing_ok=True)
    arguments = [
        "--seconds", "0",
        "--ready-file", scratch.seen_by(interpreter, "ready"),
        "--progress", scratch.seen_by(interpreter, "progress"),
        *(["--cpu", str(cpu)] if cpu is not None else []),
        *arguments,
    ]
    with interpreters.spawn(
        interpreter, script_of(name), *arguments, options=["-B"], **scratch.how(interpreter)
    ) as target:
        deadline = time.monotonic() + READY_SECONDS
        while not ready.exists():
            if target.process.poll() is not None:
                raise RuntimeError("%s: %s ended before it began" % (interpreter.name, name))
            if time.monotonic() > deadline:
                raise TimeoutError("%s: %s did not begin" % (interpreter.name, name))
            time.sleep(0.01)
        with open(progress, "rb") as file, mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ) as view:
            yield Running(target, view)
