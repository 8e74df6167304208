"""Gets a library into running CPythons of 3.8 to 3.13 by daemon/inject/pending_call, and looks at
what that does to them: nothing but the library."""

import contextlib
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE.parent / "layout")]

import check_rows  # noqa: E402
import interpreters  # noqa: E402
from work import LIBRARIES, Work  # noqa: E402

RUN = os.environ.get("ECHION_PENDING_RUN", str(ROOT / "build/release/tests/inject/pending_run"))
CC = os.environ.get("ECHION_CC", "cc")
TAKEN, WITHDRAWN, UNSUPPORTED, TORN = 0, 3, 4, 6
KILLS = int(os.environ.get("ECHION_TEST_KILLS", "20"))
CYCLES = int(os.environ.get("ECHION_TEST_CYCLES", "100"))
USER = 1001

# What is tried by default: each way of keeping the queue and of running it, and one of 32 bits. With
# ECHION_TEST_PYTHONS it is what that names.
CHOSEN_MINORS = {64: (8, 10, 12, 13), 32: (11,)}
found = []  # (interpreter, its pending_layout, its row of eval_layout)


def chosen():
    """The first of each chosen minor; without one, of the next."""
    if os.environ.get(interpreters.SELECTION):
        return [interpreter for interpreter, _, _ in found]
    names = []
    for bits, minors in CHOSEN_MINORS.items():
        for minor in minors:
            able = [i for i, _, _ in found if i.bits == bits and i.minor >= minor and i not in names]
            names += sorted(able, key=lambda interpreter: interpreter.minor)[:1]
    return names


def measure(interpreter, scratch):
    """What pending_headers.c says of an interpreter's own headers."""
    program = pathlib.Path(scratch) / "pending_headers"
    flags = ["-std=gnu11", "-w", *check_rows.include_dirs(interpreter, scratch)]
    if interpreter.bits == 32:
        flags.append("-m32")
    subprocess.run([CC, *flags, "-o", program, HERE / "pending_headers.c"], check=True)
    text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return text.split("\n", 1)


def setUpModule():
    with tempfile.TemporaryDirectory() as scratch:
        for interpreter in interpreters.find():
            if interpreter.minor > 13 or interpreter.flags & {"free-threaded", "trace-refs"}:
                continue
            if interpreter.missing:
                print(f"SKIP {interpreter.name}: {interpreter.missing}", flush=True)
            elif not interpreter.internal_headers:
                print(f"SKIP {interpreter.name}: it has no headers of internal structures")
            elif not (LIBRARIES / f"marker{interpreter.bits}.so").exists():
                print(f"SKIP {interpreter.name}: the compiler makes no 32-bit library", flush=True)
            else:
                found.append((interpreter, *measure(interpreter, scratch)))


class PatientWork(Work):
    """On a loaded machine not all threads may come to a stop in time, and the driver says so: it is then
    asked again."""

    def run(self, *arguments, **how):
        for _ in range(100):
            done = super().run(*arguments, **how)
            if done.returncode != TORN or "in time" not in done.stderr:
                break
        return done


class PendingCall(unittest.TestCase):
    def each(self, *modes, wanted=lambda interpreter: True, **how):
        """What to give to on() for each mode and interpreter."""
        some = chosen()
        for mode in modes:
            for interpreter, layout, _ in found:
                if interpreter in some and wanted(interpreter):
                    yield interpreter, mode, {"extra": [layout], **how}

    @contextlib.contextmanager
    def on(self, spec):
        """A running target."""
        interpreter, mode, how = spec
        with self.subTest(interpreter.name, mode=mode):
            with PatientWork(interpreter, mode, RUN, **how) as work:
                yield work

    def expect(self, done, *statuses):
        self.assertIn(done.returncode, statuses, done.stdout[-200:] + done.stderr)
        return [
            (int(us), int(ns) / 1e6)
            for us, ns in re.findall(r"(?:taken|withdrawn) (\d+) (\d+) 0x", done.stdout)
        ]

    def expect_taken(self, work, calls=1, tries=1, **how):
        """With many threads on a loaded machine, the last one may not stop in time; and one that is
        just being born cannot be stopped."""
        done = work.run(**how)
        for _ in range(1, tries):
            if done.returncode == TORN:
                done = work.run(**how)
        figures = self.expect(done, TAKEN)
        work.wait_for_marker()
        if calls is not None:
            self.wait_for(lambda: work.markers() >= calls)
            self.assertEqual(work.markers(), calls)
        return figures

    def wait_for(self, what):
        deadline = time.monotonic() + 10
        while not what() and time.monotonic() < deadline:
            time.sleep(0.001)

    def test_rows(self):
        """What eval_layout believes, against the headers."""
        for interpreter, _, row in found:
            with self.subTest(interpreter.name):
                own = subprocess.run(
                    [RUN, "--row", str(interpreter.minor), str(interpreter.bits // 8)],
                    capture_output=True, text=True, check=True,
                ).stdout  # fmt: skip
                self.assertEqual(own, row)

    def test_running_main(self):
        for spec in self.each("busy", "churn"):
            with self.on(spec) as work:
                if work.mode == "busy":
                    self.expect_taken(work)
                    self.expect_taken(work, calls=2)
                    self.assertEqual(work.finish(self, minimum_rounds=1)["loads"], 2)
                else:  # up to 3.11 both the main thread and another one may do it
                    self.expect_taken(work, calls=None, tries=5)
                    work.finish(self, minimum_rounds=1)

    def test_single_thread(self):
        """Busy, or idle most of the time; and with names in __main__ that it must not stumble on."""
        for spec in self.each("alone", "idle_sleep", "idle_select", "idle_asyncio", "shadow"):
            with self.on(spec) as work:
                self.expect_taken(work)
                work.finish(self, minimum_rounds=1, by_signal=True)

    def test_blocked_main(self):
        """With a busy thread: from 3.12 on it makes the call; before, it gets a profile hook."""
        for spec in self.each("sleep", "join", "many"):
            with self.on(spec) as work:
                time.sleep(0.05)
                tries = 5 if work.mode == "many" else 1
                self.expect_taken(work, tries=tries)
                self.expect_taken(work, calls=2, tries=tries)
                self.assertEqual(work.finish(self, minimum_rounds=1)["loads"], 2)

    def test_blocked_main_and_profiler(self):
        """The busy thread has a profile or trace function of its own: it is left alone."""
        for spec in self.each("profiled", "traced", wanted=lambda i: i.minor < 12):
            with self.on(spec) as work:
                time.sleep(0.05)
                self.expect(work.run(ms=200), WITHDRAWN)
                self.assertEqual(work.markers(), 0)
                self.assertEqual(work.finish(self, minimum_rounds=1)["loads"], 0)

    def test_blocked(self):
        """Nobody runs: it waits, is withdrawn, and nothing is loaded when the target runs on."""
        for spec in self.each("blocked", "gate"):
            with self.on(spec) as work:
                work.wait_until_blocked()
                self.expect(work.run(ms=100), WITHDRAWN)
                self.assertEqual(work.finish(self)["loads"], 0)

    def test_blocked_then_runs(self):
        for spec in self.each("gate"):
            with self.on(spec) as work:
                work.wait_until_blocked()
                with work.start(20000) as run:
                    time.sleep(0.1)
                    self.assertIsNone(run.poll())
                    report = work.finish(self)
                    self.assertIn(run.wait(), (TAKEN, 5, TORN))  # or it was gone before the last look
                self.assertEqual(report["loads"], 1)

    def test_left_behind_then_asked_again(self):
        """What a killed daemon left, and one after it withdrew, is one call when asked again."""
        for spec in self.each("gate"):
            with self.on(spec) as work:
                work.wait_until_blocked()
                for library in (work.library, "/." + work.library, "/./." + work.library):
                    with work.start(20000, library=library) as run:
                        time.sleep(0.1)
                        run.kill()
                    self.expect(work.run(ms=0, library="/" + library), WITHDRAWN)
                with work.start(20000) as run:
                    time.sleep(0.1)
                    run.kill()
                self.assertEqual(work.finish(self)["loads"], 1)

    def test_half_put_then_asked_again(self):
        """3.13 needs two stores, between which a daemon may have been killed."""
        for spec in self.each("gate", wanted=lambda interpreter: interpreter.minor == 13):
            with self.on(spec) as work:
                work.wait_until_blocked()
                done = work.run(ms=0)
                self.expect(done, WITHDRAWN)
                count = int(done.stdout.split()[3], 16) + int(work.extra[0].split(",")[4])
                with open(f"/proc/{work.pid}/mem", "r+b", buffering=0) as memory:
                    memory.seek(count)
                    self.assertEqual(int.from_bytes(memory.read(4), "little"), 1)
                    memory.seek(count)
                    memory.write(bytes(4))
                    with work.start(20000) as run:
                        time.sleep(0.1)
                        memory.seek(count)
                        self.assertEqual(int.from_bytes(memory.read(4), "little"), 1)
                        self.assertEqual(work.finish(self)["loads"], 1)
                        run.kill()

    def test_ending(self):
        """The interpreter ends with our call in its queue, which it still makes then."""
        for wait in (True, False):
            for spec in self.each("leave"):
                with self.on(spec) as work:
                    work.wait_until_blocked()
                    if wait:
                        with work.start(20000) as run:
                            time.sleep(0.1)
                            run.kill()
                    else:
                        self.expect(work.run(ms=0), WITHDRAWN)
                    work.finish(self)

    def test_other_libraries(self):
        """Another text each time, and the same again."""
        for spec in self.each("busy"):
            with self.on(spec) as work:
                paths = [work.library, "/." + work.library, "/." + work.library, work.library]
                for calls, library in enumerate(paths * 2, 1):
                    self.expect_taken(work, calls=calls, library=library)
                work.finish(self, minimum_rounds=1)

    def test_odd_path(self):
        with tempfile.TemporaryDirectory() as folder:
            for spec in self.each("busy", wanted=lambda interpreter: not interpreter.root):
                with self.on(spec) as work:
                    name = "a 'b\"\\\n\u00e9.so".encode()
                    if work.interpreter.minor < 12:
                        name = b"\xff" + name
                    path = os.fsencode(folder) + b"/" + name
                    shutil.copy(LIBRARIES / "marker64.so", path)
                    self.expect_taken(work, library=path)
                    work.finish(self)
                    long = "/" + "x" * 300
                    self.expect(work.run(library=long), UNSUPPORTED, 5)

    def test_epoll(self):
        """Its system call would fail if it were stopped: left alone."""
        for spec in self.each("loop"):
            with self.on(spec) as work:
                work.wait_until_blocked()
                done = work.run(ms=100)
                self.expect(done, TORN)
                self.assertIn("would fail", done.stderr)
                self.assertEqual(work.finish(self)["loads"], 0)

    def test_recursion(self):
        for spec in self.each("deep"):
            with self.on(spec) as work:
                time.sleep(0.05)
                done = work.run(ms=100)
                self.expect(done, TORN)
                self.assertIn("recursion limit", done.stderr)
                work.finish(self, by_signal=True)

    def test_cycles(self):
        """Asked and withdrawn again and again: more often than the queue has room."""
        for spec in self.each("gate", "busy", "churn", "sleep"):
            with self.on(spec) as work:
                if work.mode == "gate":
                    work.wait_until_blocked()
                self.expect(work.run(ms=0, cycles=5), TAKEN, WITHDRAWN)
                before = self.size(work)
                ms = 21 if work.mode == "sleep" else 0  # so that there is time for a profile hook
                figures = self.expect(work.run(ms=ms, cycles=CYCLES), TAKEN, WITHDRAWN)
                # A thread that is just being born cannot be stopped, and on a loaded machine one may
                # not come to a stop in time: these cycles do not count.
                self.assertGreaterEqual(len(figures), CYCLES / 2)
                after = self.size(work)
                report = work.finish(self)
                if work.mode == "gate":
                    self.assertEqual(after, before)
                    self.assertEqual(report["loads"], 0)

    def size(self, work):
        """Of the memory and the mappings of a target."""
        maps = pathlib.Path(f"/proc/{work.pid}/maps").read_text()
        status = pathlib.Path(f"/proc/{work.pid}/status").read_text()
        return maps, re.search(r"VmData:.*", status)[0]

    def test_calls_of_its_own(self):
        """A target with pending calls of its own, signals, threads and children, while the driver
        comes again and again and is killed again and again: nothing of its own is lost."""
        generator = random.Random(5)
        for spec in self.each("calls"):
            with self.on(spec) as work:
                for _ in range(KILLS):
                    self.kill_at_random(work, generator)
                self.expect_taken(work, calls=None, tries=5)
                report = work.finish(self, minimum_rounds=1, by_signal=True)
                print(f"{work.interpreter.name}: {report}", flush=True)
                self.assertEqual(report["made"], report["asked"])
                self.assertGreater(report["asked"], 10)
                self.assertGreater(report["handled"], 10)

    def kill_at_random(self, work, generator):
        with work.start(generator.choice((0, 1, 2000))) as run:
            time.sleep(generator.uniform(0, 0.035 if work.mode == "sleep" else 0.012))
            run.kill()
        self.assertIsNone(work.target.process.poll())

    def test_killed(self):
        generator = random.Random(8)
        for spec in self.each("busy", "sleep", "gate", "fork", "idle_sleep"):
            with self.on(spec) as work:
                if work.mode == "gate":
                    work.wait_until_blocked()
                for _ in range(KILLS):
                    self.kill_at_random(work, generator)
                mode = work.mode
                if mode != "gate":
                    self.expect_taken(work, calls=None, tries=5)
                report = work.finish(self, by_signal=mode in ("fork", "idle_sleep"))
                if mode == "gate":
                    self.assertLessEqual(report["loads"], 1)
                print(f"{work.interpreter.name} {mode}: {KILLS} kills, {report['loads']} loads",
                      flush=True)  # fmt: skip

    def test_places(self):
        """Other namespaces and another owner."""
        def can_be(interpreter):
            return interpreter.kind == "root" or ("user" in how and interpreter.kind == "debian")

        for how in ({"switch_root": True}, {"pidns": True}, {"user": USER}):
            for spec in self.each("busy", wanted=can_be, **how):
                with self.on(spec) as work:
                    self.expect_taken(work)
                    work.finish(self)

    def test_latency(self):
        """From the driver's start to the library, and how long the threads stood still. Other load
        lengthens both, so they are printed, and not judged."""
        for spec in self.each("busy", "many"):
            with self.on(spec) as work:
                if work.mode == "many" and work.interpreter.minor < 12:
                    continue
                times, stops = [], []
                for _ in range(5):
                    before, start = work.markers(), time.monotonic()
                    with work.start(5000) as run:
                        while work.markers() == before and run.poll() in (None, TAKEN):
                            time.sleep(0.0005)
                        took = (time.monotonic() - start) * 1e3
                        line = run.stdout.read()
                    if run.returncode == TAKEN:
                        times.append(took)
                        stops.append(int(line.split()[2]) / 1e6)
                    else:  # the threads did not come to a stop in time
                        self.assertEqual(run.returncode, TORN)
                work.finish(self)
                print(f"{work.interpreter.name} {work.mode}: library in after "
                      f"{statistics.median(times):.1f} ms, stop {statistics.median(stops):.2f} ms "
                      f"({len(stops)} of 5; worst {max(times):.1f}, {max(stops):.2f})", flush=True)


if __name__ == "__main__":
    unittest.main()
