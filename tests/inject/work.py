"""A target of the tests in this folder: workload.py, running on one of the interpreters."""

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "integration"))

import interpreters  # noqa: E402

LIBRARIES = pathlib.Path(
    os.environ.get("ECHION_INJECT_LIBRARY", ROOT / "build/release/tests/inject/library")
)
WORKLOAD = HERE / "workload.py"


class Work:
    """A running workload. `program` is what gets the library into it, by default with the library
    and the further arguments `extra`."""

    def __init__(self, interpreter, mode, program, extra=(), options=(), env=None, preexec_fn=None, **how):
        self.interpreter, self.mode = interpreter, mode
        self.program, self.extra = program, extra
        self.errors = tempfile.TemporaryFile()
        library = LIBRARIES / f"marker{interpreter.bits}.so"
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors,
                 "preexec_fn": preexec_fn}  # fmt: skip
        if env:
            popen["env"] = {**os.environ, **env}
        self.target = interpreters.spawn(
            interpreter, WORKLOAD, mode, library, options=options, popen=popen, **how
        )
        self.pid = self.target.pid
        word, self.library = self.target.process.stdout.readline().decode().split()
        assert word == "ready"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.target.kill()
        self.errors.close()

    def command(self, ms, cycles=1, library=None, run=None):
        return [run or self.program, str(self.pid), library or self.library, *self.extra, str(ms),
                str(cycles)]  # fmt: skip

    def run(self, ms=5000, cycles=1, prefix=(), run=None, library=None):
        return subprocess.run(
            [*prefix, *self.command(ms, cycles, library, run)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def start(self, ms, library=None):
        return subprocess.Popen(
            self.command(ms, library=library), stdout=subprocess.PIPE, text=True
        )

    def markers(self):
        """How often the library was called in the target, once for each that it left."""
        names = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(OSError):
                names.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
        return sum("echion-marker-" in name for name in names)

    def wait_until_blocked(self):
        """Until it has not run for a while: what it did before it said "ready" is over."""
        quiet, before = 0, None
        while quiet < 5:
            now = pathlib.Path(f"/proc/{self.pid}/schedstat").read_text()
            quiet = quiet + 1 if now == before else 0
            before = now
            time.sleep(0.01)

    def wait_for_marker(self):
        deadline = time.monotonic() + 10
        while self.markers() == 0:
            if time.monotonic() > deadline:
                raise TimeoutError("the library never came in")
            time.sleep(0.001)

    def litter(self):
        found = []
        for folder in ("tmp", "dev/shm", "var/tmp", "run/lock"):
            with contextlib.suppress(FileNotFoundError):
                found += self.target.outside(folder).glob(".echion-*")
        return found

    def finish(self, test, minimum_rounds=0, by_signal=False):
        """Ends it, and requires that its work was right and it is as it was."""
        if by_signal:
            os.kill(self.pid, signal.SIGTERM)
        else:
            self.target.process.stdin.write(b"end\n")
            self.target.process.stdin.flush()
        return self.report(test, minimum_rounds)

    def report(self, test, minimum_rounds=0):
        ready, _, _ = select.select([self.target.process.stdout], [], [], 60)
        test.assertTrue(ready, "the target does not react any more")
        line = self.target.process.stdout.readline()
        test.assertEqual(self.target.process.wait(60), 0)
        report = json.loads(line)
        test.assertEqual(report["changed"], {})
        test.assertGreaterEqual(report["rounds"], minimum_rounds)
        self.errors.seek(0)
        test.assertEqual(self.errors.read().decode(), "")
        return report
