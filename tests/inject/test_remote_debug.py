"""Gets a library into running CPythons of 3.14 and 3.15 by daemon/inject/remote_debug, and looks at what
that does to them: nothing but the library. tests/integration/test_shim_attach.py does the same with
echiond; here is what only this driver can do."""

import contextlib
import os
import pathlib
import random
import re
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


class LibraryWork(Work):
    """A running workload, and the driver that reads the library itself and hands it over."""

    def __init__(self, interpreter, mode, **how):
        super().__init__(interpreter, mode, RUN, **how)
        self.library = LIBRARIES / f"marker{interpreter.bits}.so"


class Script(unittest.TestCase):
    def test_is_known_by_its_stack(self):
        """By which no profile shows it (common/own_code.h); it is one code object."""
        text = subprocess.run([RUN, "--script"], capture_output=True, text=True, check=True).stdout
        look = """if True:
            import sys
            code = compile(sys.stdin.read(), "<string>", "exec")
            print(code.co_name, code.co_stacksize, [c for c in code.co_consts if hasattr(c, "co_code")])
        """
        for interpreter in interpreters.find():
            if not interpreter.missing:
                with self.subTest(interpreter.name):
                    told = subprocess.run(
                        [*interpreter.argv_prefix, "-c", look], input=text,
                        capture_output=True, text=True, check=True,
                    ).stdout  # fmt: skip
                    self.assertEqual(told.split(), ["<module>", text.split("#")[-1].strip(), "[]"])


class RemoteDebug(unittest.TestCase):
    @contextlib.contextmanager
    def on(self, interpreter, mode, **how):
        with self.subTest(interpreter.name, mode=mode), LibraryWork(interpreter, mode, **how) as work:
            yield work

    def expect_taken(self, work, calls=1):
        done = work.run()
        self.assertEqual(done.returncode, TAKEN, done.stderr)
        work.wait_for_marker()
        self.assertEqual(work.markers(), calls)
        self.assertEqual(work.litter(), [])
        return int(re.fullmatch(r"taken (\d+)\n", done.stdout)[1])

    def test_alone(self):
        """A single thread, which nobody ever asks for the GIL."""
        for interpreter in pythons():
            with self.on(interpreter, "alone") as work:
                self.expect_taken(work)
                work.finish(self, minimum_rounds=1, by_signal=True)

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

    def test_older(self):
        """3.13 has the table of offsets, but no such way in."""
        for interpreter in interpreters.find():
            if interpreter.minor == 13 and not interpreter.missing and interpreter.bits == 64:
                with self.subTest(interpreter.name), LibraryWork(interpreter, "busy") as work:
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
                    print(f"{interpreter.name} {mode}: {KILLS} kills, {work.markers()} loads", flush=True)
                    self.assertEqual(work.litter(), [], "what the killed ones have left")
                    work.finish(self, minimum_rounds=10)



if __name__ == "__main__":
    unittest.main()
