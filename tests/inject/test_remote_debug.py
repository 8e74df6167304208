"""Gets a library into running CPythons of 3.14 and 3.15 by daemon/inject/remote_debug, and looks at
what that does to them: nothing but the library."""

import contextlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "integration"))

import interpreters  # noqa: E402
from work import LIBRARIES, Work  # noqa: E402

RUN = os.environ.get("ECHION_INJECT_RUN", str(ROOT / "build/release/tests/inject/inject_run"))
TAKEN, WITHDRAWN, UNSUPPORTED = 0, 3, 4
KILLS = int(os.environ.get("ECHION_TEST_KILLS", "30"))
CYCLES = 50
USER = 1001


def pythons():
    """Of 3.14 and later, the oldest of 64 bits and the newest of 32: what is asked of the others is
    asked in the same way. Says which cannot be tested."""
    found = [interpreter for interpreter in interpreters.find() if interpreter.minor >= 14]
    both = [i for i in found if i.bits == 64][:1] + [i for i in found if i.bits == 32][-1:]
    for interpreter in both:
        if interpreter.missing:
            print(f"SKIP {interpreter.name}: {interpreter.missing}", flush=True)
        elif not (LIBRARIES / f"marker{interpreter.bits}.so").exists():
            print(f"SKIP {interpreter.name}: the compiler makes no 32-bit library", flush=True)
        else:
            yield interpreter


class RemoteDebug(unittest.TestCase):
    @contextlib.contextmanager
    def on(self, interpreter, mode, **how):
        with self.subTest(interpreter.name, mode=mode), Work(interpreter, mode, RUN, **how) as work:
            yield work

    def expect_taken(self, work, calls=1):
        done = work.run()
        self.assertEqual(done.returncode, TAKEN, done.stderr)
        work.wait_for_marker()
        self.assertEqual(work.markers(), calls)
        self.assertEqual(work.litter(), [])
        return int(re.fullmatch(r"taken (\d+)\n", done.stdout)[1])

    def test_running(self):
        for mode in ("busy", "sleep", "join", "many", "churn"):
            for interpreter in pythons():
                with self.on(interpreter, mode) as work:
                    self.expect_taken(work)
                    # Again: the library is there already, and is called a second time.
                    self.expect_taken(work, calls=2)
                    work.finish(self, minimum_rounds=1)

    def test_alone(self):
        """A single thread, which nobody ever asks for the GIL."""
        for interpreter in pythons():
            with self.on(interpreter, "alone") as work:
                self.expect_taken(work)
                work.finish(self, minimum_rounds=1, by_signal=True)

    def test_latency(self):
        """From the first look at the process to the library, the driver's start included."""
        for mode in ("busy", "sleep", "join", "many"):
            for interpreter in pythons():
                times = []
                for _ in range(3):
                    with self.subTest(interpreter.name), Work(interpreter, mode, RUN) as work:
                        start = time.monotonic()
                        with work.start(5000) as run:
                            work.wait_for_marker()
                            times.append((time.monotonic() - start) * 1e6)
                            self.assertEqual(run.wait(), TAKEN)
                        work.finish(self)
                times.sort()
                print(f"{interpreter.name} {mode}: library in after {times[1]:.0f} us (median of "
                      f"3; most {times[-1]:.0f})", flush=True)  # fmt: skip

    def test_blocked(self):
        """Nobody runs: it waits, and is withdrawn; the target runs on and never loads it."""
        for mode in ("blocked", "loop"):
            for interpreter in pythons():
                with self.on(interpreter, mode) as work:
                    work.wait_until_blocked()
                    done = work.run(ms=300)
                    self.assertEqual(done.returncode, WITHDRAWN, done.stderr)
                    self.assertEqual(work.litter(), [])
                    self.assertEqual(work.markers(), 0)
                    work.finish(self)

    def test_blocked_then_runs(self):
        for mode in ("blocked", "loop"):
            for interpreter in pythons():
                with self.on(interpreter, mode) as work:
                    work.wait_until_blocked()
                    with work.start(20000) as run:
                        time.sleep(0.2)
                        self.assertIsNone(run.poll())
                        self.assertEqual(work.markers(), 0)
                        work.finish(self)
                        # It is gone before the driver has looked, or has been seen taking it.
                        self.assertIn(run.wait(), (TAKEN, 5))

    def test_disabled(self):
        for how in (
            {"options": ["-X", "disable-remote-debug"]},
            {"env": {"PYTHON_DISABLE_REMOTE_DEBUG": "1"}},
        ):
            for interpreter in pythons():
                with self.on(interpreter, "busy", **how) as work:
                    done = work.run()
                    self.assertEqual(done.returncode, UNSUPPORTED, done.stdout)
                    self.assertIn("disabled remote debugging", done.stderr)
                    self.assertIn("sampled from outside", done.stderr)
                    self.assertEqual((work.markers(), work.litter()), (0, []))
                    work.finish(self)

    def test_older(self):
        """3.13 has the table of offsets, but no such way in."""
        for interpreter in interpreters.find():
            if interpreter.minor == 13 and not interpreter.missing and interpreter.bits == 64:
                with self.subTest(interpreter.name), Work(interpreter, "busy", RUN) as work:
                    done = work.run()
                    self.assertEqual(done.returncode, UNSUPPORTED, done.stderr)
                    self.assertIn("came with 3.14", done.stderr)
                    work.finish(self)

    def test_cycles(self):
        """Asked and withdrawn at once, 200 times; whatever is taken is taken whole."""
        for mode in ("busy", "blocked", "sleep", "churn"):
            for interpreter in pythons():
                with self.on(interpreter, mode) as work:
                    if mode == "blocked":
                        work.wait_until_blocked()
                    done = work.run(ms=0, cycles=CYCLES)
                    self.assertIn(done.returncode, (TAKEN, WITHDRAWN), done.stderr)
                    self.assertEqual(len(done.stdout.splitlines()), CYCLES)
                    self.assertEqual(work.litter(), [])
                    if mode == "blocked":
                        self.assertEqual(work.markers(), 0)
                    work.finish(self)

    def test_forks(self):
        """A child that was forked while the flag was set does not load it, and says nothing."""
        for interpreter in pythons():
            with self.on(interpreter, "fork") as work:
                done = work.run(ms=1000, cycles=100)
                self.assertEqual(done.returncode, TAKEN, done.stderr)
                self.assertEqual(work.markers(), 100)
                work.finish(self, minimum_rounds=10, by_signal=True)

    def test_killed(self):
        """The driver is killed at random moments."""
        generator = random.Random(768)
        for mode in ("busy", "sleep"):
            for interpreter in pythons():
                with self.on(interpreter, mode) as work:
                    for _ in range(KILLS):
                        with work.start(2000) as run:
                            time.sleep(generator.uniform(0, 0.015))
                            run.kill()
                        self.assertIsNone(work.target.process.poll())
                    # What the last one asked for may still come; then there is room for a new one.
                    done = work.run()
                    self.assertEqual(done.returncode, TAKEN, done.stderr)
                    work.wait_for_marker()
                    print(f"{interpreter.name} {mode}: {KILLS} kills, {work.markers()} loads, "
                          f"{len(work.litter())} files left", flush=True)  # fmt: skip
                    work.finish(self, minimum_rounds=10)

    def test_places(self):
        """Other namespaces and another owner."""
        for how in ({"switch_root": True}, {"pidns": True}, {"user": USER},
                    {"user": USER, "pidns": True, "switch_root": True}):  # fmt: skip
            for interpreter in pythons():
                with self.on(interpreter, "busy", **how) as work:
                    done = work.run()
                    self.assertEqual(done.returncode, TAKEN, done.stderr)
                    work.wait_for_marker()
                    self.assertEqual(work.litter(), [])
                    work.finish(self)

    def test_read_only(self):
        """No folder can be written to: the script comes out of our own descriptor."""
        for interpreter in pythons():
            with self.on(interpreter, "busy") as work:
                for folder in ("tmp", "dev/shm", "run/lock", "var/tmp"):
                    place = f"{interpreter.root_path}/{folder}"
                    subprocess.run(
                        ["nsenter", f"--mount=/proc/{work.pid}/ns/mnt", "mount", "-o", "remount,ro",
                         place],
                        capture_output=True, check=False,
                    )  # fmt: skip
                with self.assertRaises(OSError):
                    tempfile.mkstemp(dir=work.target.outside("tmp"))
                with self.assertRaises(OSError):
                    tempfile.mkstemp(dir=work.target.outside("dev/shm"))
                self.expect_taken(work)
                work.finish(self)

    def test_own_process_of_a_user(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            run = shutil.copy(RUN, folder)
            prefix = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
            for interpreter in pythons():
                with self.on(interpreter, "busy", user=USER) as work:
                    done = work.run(prefix=prefix, run=run)
                    self.assertEqual(done.returncode, TAKEN, done.stderr)
                    work.wait_for_marker()
                    self.assertEqual(work.litter(), [])
                    work.finish(self)
            for interpreter in pythons():
                with self.on(interpreter, "busy") as work:
                    done = work.run(prefix=prefix, run=run)
                    self.assertNotIn(done.returncode, (TAKEN, WITHDRAWN))
                    self.assertEqual(work.markers(), 0)
                    work.finish(self)


if __name__ == "__main__":
    unittest.main()
