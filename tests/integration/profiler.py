"""Runs the real echion and echiond, and reads the text that they write.

ECHION_BIN_DIR names the folder that the two are in. Nothing here waits for a fixed time: wait_for polls
for what is to happen, and gives up loudly.
"""

import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("ECHION_BIN_DIR", ROOT / "build/release/bin")).resolve()
ECHION = str(BIN / "echion")
ECHIOND = str(BIN / "echiond")

if not os.access(ECHIOND, os.X_OK):
    raise SystemExit(f"{ECHIOND} is not there: build, or set ECHION_BIN_DIR")

# The Python that the tests' targets run: this one, without a wrapper in between.
PYTHON = os.path.realpath(sys.executable)

PATIENCE = 60  # seconds until a test is given up

# Busy in inner, called from outer, until it is killed; says so first, and ends with standard input.
BUSY = """
import sys, threading, os
def inner():
    return sum(range(200))
def outer():
    print("ready", flush=True)
    while True:
        inner()
def end():
    sys.stdin.read()
    os._exit(7)
threading.Thread(target=end, daemon=True).start()
outer()
"""

Sample = collections.namedtuple("Sample", "pid iid thread frames metric")


def shim(bits):
    """The shim's file for interpreters of so many bits."""
    return BIN.parent / "lib/echion" / ("libechion-shim.so" if bits == 64 else "libechion-shim-i386.so")


class Profile:
    """A text profile: its metadata as a dict (`repeated` has all values of a key), its samples."""

    LINE = re.compile(r"P(\d+);T(\d+):([^;]*)((?:;[^;]*)*) (\d+)")

    def __init__(self, text):
        self.metadata = {}
        self.repeated = collections.defaultdict(list)
        self.samples = []
        for line in text.splitlines():
            if line.startswith("# "):
                key, _, value = line[2:].partition(": ")
                self.metadata[key] = value
                self.repeated[key].append(value)
            elif line:
                match = self.LINE.fullmatch(line)
                if not match:
                    raise ValueError(f"not a sample: {line!r}")
                pid, iid, thread, frames, metric = match.groups()
                self.samples.append(
                    Sample(int(pid), int(iid), thread, frames.split(";")[1:], int(metric))
                )

    @classmethod
    def read(cls, path):
        return cls(pathlib.Path(path).read_text())

    def functions(self):
        """The names of all functions in it."""
        return {frame.split(":")[-2] for s in self.samples for frame in s.frames if frame != ":INVALID:"}

    def number(self, key):
        return int(self.metadata[key])


def wait_for(predicate, what, process=None):
    """Returns predicate()'s first true value. Fails when PATIENCE is over or `process` has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = predicate()
        if value:
            return value
        if process is not None and process.poll() is not None:
            value = predicate()
            if value:
                return value
            raise AssertionError(f"ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {PATIENCE} s")
        time.sleep(0.005)


def state_of(pid):
    """The state letter of a process, None once it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants_of(pid):
    """The processes below one, deepest first."""
    found = []
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((task / "children").read_text() for task in tasks).split()
    except OSError:
        return found
    for child in map(int, children):
        found += [*descendants_of(child), child]
    return found


class TestCase(unittest.TestCase):
    """A test with a folder of its own, which is the current one of everything that it starts."""

    maxDiff = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="echion-test-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SUDO_")}

    def need_root(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")

    def copy_programs(self, folder):
        """Puts both programs where a user without rights can run them; echiond's path there."""
        folder.mkdir()
        folder.chmod(0o755)
        self.folder.chmod(0o755)
        for program in (ECHION, ECHIOND):
            shutil.copy(program, folder)
        return folder / "echiond"

    def start(self, *command, **popen):
        """Starts a command; it and all below it are killed, and it is reaped, when the test ends."""
        popen.setdefault("cwd", self.folder)
        popen.setdefault("env", self.environment)
        popen.setdefault("text", True)
        process = subprocess.Popen([str(word) for word in command], **popen)

        def end():
            if process.poll() is None:
                below = descendants_of(process.pid)
                process.kill()
                for pid in below:  # a launched command outlives its echiond
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

        self.addCleanup(end)
        return process

    def run_to_end(self, *command, **popen):
        """Runs a command; what subprocess.run returns, with text in stdout and stderr."""
        popen.setdefault("cwd", self.folder)
        popen.setdefault("env", self.environment)
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        popen.setdefault("text", True)
        return subprocess.run(
            [str(word) for word in command], timeout=PATIENCE, check=False, **popen
        )

    def python(self, code, *arguments, python=PYTHON, **popen):
        """Starts a Python that runs `code`, and returns once it has said "ready"."""
        popen.setdefault("stdin", subprocess.PIPE)
        process = self.start(
            python, "-c", code, *arguments, stdout=subprocess.PIPE, **popen
        )
        line = process.stdout.readline().strip()
        self.assertEqual(line, "ready", "the target did not start")
        return process

    def busy(self, **popen):
        return self.python(BUSY, **popen)

    def attach(self, pid, *options, **popen):
        """Starts echiond on a process, with its stderr to a pipe."""
        popen.setdefault("stderr", subprocess.PIPE)
        return self.start(ECHIOND, "-p", pid, *options, **popen)

    def wait_for_samples(self, path, process):
        """Waits until a profile has been begun."""
        wait_for(lambda: path.exists() and path.stat().st_size > 0, f"a profile in {path}", process)

    def expect(self, done, status, *texts):
        """Checks an exit status, and what was said on stderr."""
        self.assertEqual(done.returncode, status, f"stderr: {done.stderr}")
        for text in texts:
            self.assertIn(text, done.stderr)

    def expect_whole(self, profile, said=""):
        """Checks that a profile has a header and a footer, and that its counts add up: also to what
        was due, if `said` is what echiond -v has said."""
        for key in ("austin", "echion", "interval", "mode", "python"):
            self.assertIn(key, profile.metadata)
        self.assertEqual(profile.metadata["austin"], "3.7.0")
        for key in ("duration", "samples", "kept", "missed", "late", "torn", "errors"):
            self.assertGreaterEqual(profile.number(key), 0)
        self.assertEqual(profile.number("samples"), profile.number("kept") + profile.number("torn"))
        self.assertGreater(len(profile.samples), 0)
        for due, *parts in re.findall(
            r" (\d+) samples due: (\d+) kept, (\d+) torn, (\d+) missed", said
        ):
            self.assertEqual(int(due), sum(map(int, parts)))
            self.assertEqual(parts, [profile.metadata[key] for key in ("kept", "torn", "missed")])
