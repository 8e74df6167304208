"""The shim in a process that was not started for it: how it gets in, how it stays out, and what that does
to the process: nothing but the shim. CPython 3.14 and later, by remote debugging (PEP 768)."""

import contextlib
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import interpreters
import profiler
import seccomp
import shown
from profiler import ECHIOND, Profile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "inject"))
from work import Work  # noqa: E402

SHORT_CODE = interpreters.TARGETS / "short_code.py"
LITTER = ("tmp", "dev/shm", "var/tmp", "run/lock")
USER = 1001
KILLS = int(os.environ.get("ECHION_TEST_KILLS", "12"))
CYCLES = int(os.environ.get("ECHION_TEST_CYCLES", "15"))
FIRST_MINOR = 14
SYS_MEMFD_CREATE = 319  # x86-64
# Forks children that work for a while.
FORKS = """
import os, time
def work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
print("ready", flush=True)
while True:
    if os.fork() == 0:
        work(0.4)
        os._exit(0)
    work(0.1)
    os.wait()
"""


# Closes descriptors that it does not know when it is told to, and opens another file.
CLOSES = """
import os, sys, threading
def close():
    sys.stdin.readline()
    os.closerange(3, 5000)
    os.open("/dev/null", os.O_RDONLY)
    print("closed", flush=True)
threading.Thread(target=close, daemon=True).start()
print("ready", flush=True)
while True:
    sum(range(1000))
"""


class ShimWork(Work):
    """A running workload, which checks its own sums and what of its interpreter changes."""

    def __init__(self, interpreter, mode, **how):
        super().__init__(interpreter, mode, ECHIOND, **how)

    def files(self):
        """What it has open, by what it is."""
        found = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
        return sorted(found)

    def maps(self):
        return pathlib.Path(f"/proc/{self.pid}/maps").read_text()

    def has_shim(self):
        return "/memfd:ring (deleted)" in self.maps()

    def litter(self):
        """What lies in its folders for temporary files. In /tmp of this machine others test, too."""
        found = []
        for folder in LITTER:
            with contextlib.suppress(FileNotFoundError):
                found += self.target.outside(folder).glob(f".echion-{self.own_pid()}-*")
        return found

    def own_pid(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("\nNSpid:")[2].partition("\n")[0].split()[-1])


class ShimAttach(shown.TestCase):
    def setUp(self):
        super().setUp()
        self.open_to_it = [i for i in self.pythons if i.minor >= FIRST_MINOR]
        if not self.open_to_it:
            self.skipTest("there is no CPython of 3.14 or later")
        # One of each word size, where it does not matter which.
        wide = [i for i in self.open_to_it if i.bits == 64]
        narrow = [i for i in self.open_to_it if i.bits == 32]
        self.some = wide[:1] + narrow[-1:]

    def on_work(self, pythons, modes, look, **how):
        def run(python):
            for mode in modes:
                with ShimWork(python, mode, **how) as work:
                    look(work, mode)

        self.on_every(pythons, run)

    def look_at(self, work, *options, exposure=0.15):
        """Profiles it for a moment; what was said."""
        path = self.folder / f"{work.pid}.austin"
        done = self.run_to_end(ECHIOND, "-vp", work.pid, "-x", exposure, "-o", path, *options)
        self.expect(done, 0)
        return done.stderr

    def read_until(self, daemon, text):
        """Until it has said that. The lines are lost."""
        said = []
        for line in daemon.stderr:
            said.append(line)
            if text in line:
                return
        self.fail(f"it never said {text!r}: {said}")

    def expect_in(self, work, *options):
        for exposure in (0.15, 1, 6):  # a reader that was killed is waited for
            said = self.look_at(work, *options, exposure=exposure)
            if f"the shim is in process {work.pid}" in said:
                break
        self.assertIn(f"the shim is in process {work.pid}", said)
        self.assertTrue(work.has_shim())
        self.assertEqual(work.litter(), [])
        return said

    def expect_out(self, work, why):
        said = self.look_at(work)
        self.assertRegex(
            said, rf"echiond: the shim stays out of process {work.pid}, which is sampled from outside: .*{why}"
        )
        self.assertFalse(work.has_shim())
        self.assertEqual(work.litter(), [])

    def test_running(self):
        def look(work, mode):
            self.expect_in(work)
            files = work.files()
            self.assertEqual(files.count("/memfd:ring (deleted)"), 1)
            # Again: it is there already.
            said = self.expect_in(work)
            self.assertLess(said.index("the shim is in"), said.index("finishing"))
            self.assertEqual(work.files(), files)
            work.finish(self, minimum_rounds=1)

        self.on_work(self.open_to_it, ("busy", "sleep"), look)
        self.on_work(self.some, ("join", "many", "churn"), look)

    def test_nothing_shows(self):
        """With -s. Without, /proc/PID/maps tells what has been loaded."""
        for stealth in (False, True):

            def look(work, mode, stealth=stealth):
                before = pathlib.Path(f"/proc/{work.pid}/status").read_text()
                self.expect_in(work, *(["-s"] if stealth else []))
                self.assertEqual("libechion" in work.maps(), not stealth)
                after = pathlib.Path(f"/proc/{work.pid}/status").read_text()
                for field in ("SigIgn", "SigCgt", "SigBlk", "Threads", "NoNewPrivs"):
                    of = [text.partition(f"\n{field}:")[2].partition("\n")[0] for text in (before, after)]
                    self.assertEqual(*of, field)
                work.finish(self)

            self.on_work(self.some, ("sleep",), look)

    def test_no_sample_shows_it(self):
        """The script that loads it runs in the program's own threads."""

        def look(python):
            for _ in range(5):
                with ShimWork(python, "busy") as work:
                    path = self.folder / f"{work.pid}.austin"
                    said = self.look_at(work, "-i", "100us", exposure=0.2)
                    self.assertIn(f"the shim is in process {work.pid}", said)
                    for sample in Profile.read(path).samples:
                        self.assertNotIn("<string>", "".join(sample.frames))
                    work.finish(self)

        self.on_every(self.some, look)

    def test_not_wanted(self):
        def look(work, mode):
            said = self.look_at(work, "--no-shim")
            self.assertNotIn("shim", said)
            self.assertFalse(work.has_shim())
            work.finish(self)

        self.on_work(self.some, ("busy",), look)

    def test_closed_by_its_owner(self):
        def look(work, mode):
            self.expect_out(work, "disabled remote debugging")
            work.finish(self, minimum_rounds=1)

        self.on_work(self.some, ("busy",), look, options=["-X", "disable-remote-debug"])
        self.on_work(self.some, ("busy",), look, env={"PYTHON_DISABLE_REMOTE_DEBUG": "1"})

    def test_confined(self):
        """What it does might end the process, so it is left alone."""

        def filtered(work, mode):
            self.expect_out(work, "seccomp")
            work.finish(self, minimum_rounds=1)

        def limited(work, mode):
            self.expect_out(work, "RLIMIT_FSIZE")
            work.finish(self, minimum_rounds=1)

        def crowded(work, mode):
            self.expect_out(work, "RLIMIT_NOFILE")
            work.finish(self, minimum_rounds=1)

        wide = [i for i in self.some if i.bits == 64]
        self.on_work(wide, ("busy",), filtered, preexec_fn=lambda: seccomp.refuse(SYS_MEMFD_CREATE, 1))
        self.on_work(
            self.some, ("busy",), limited,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        )  # fmt: skip

        self.on_work(
            self.some, ("busy",), crowded,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (14, 14)),
        )  # fmt: skip

    def test_descriptor_closed_by_the_program(self):
        """As those do that become daemons. The shim is not loaded a second time; root finds it."""
        self.need_root()
        programs = self.copy_programs(self.folder / "bin").parent
        shutil.copytree(pathlib.Path(ECHIOND).parent.parent / "lib", self.folder / "lib")
        script = self.folder / "closes.py"
        script.write_text(CLOSES)
        as_user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")

        def look(python):
            target, _ = self.spawn(python, script, user=USER)
            maps = pathlib.Path(f"/proc/{target.pid}/maps")
            options = ("-vp", target.pid, "-x", 0.4)
            path = self.folder / f"{python.name}.austin"
            known = f"the shim is in process {target.pid}"
            self.expect(self.run_to_end(ECHIOND, *options, "-o", path), 0, known)
            target.process.stdin.write("close\n")
            target.process.stdin.flush()
            self.assertEqual(target.process.stdout.readline(), "closed\n")
            done = self.run_to_end(*as_user, programs / "echiond", *options, "-o", "-")
            self.expect(done, 0, f"the shim stays out of process {target.pid}", "closed the descriptor")
            self.expect(self.run_to_end(ECHIOND, *options, "-o", path), 0, known)
            self.assertEqual(maps.read_text().count("/memfd:ring"), 1)

        self.on_every(self.some, look)

    def test_blocked(self):
        """Nobody runs: it waits, is withdrawn, and never comes."""

        def look(work, mode):
            work.wait_until_blocked()
            said = self.look_at(work)
            self.assertIn(f"nothing ran in process {work.pid}", said)
            self.assertEqual((work.has_shim(), work.litter()), (False, []))
            work.finish(self)

        self.on_work(self.some, ("blocked", "loop"), look)

    def test_blocked_until_it_runs(self):
        script = self.folder / "waits.py"
        script.write_text("print('ready', flush=True)\ninput()\nwhile True:\n    sum(range(1000))\n")

        def look(python):
            target, _ = self.spawn(python, script)
            path = self.folder / f"{python.name}.austin"
            daemon = self.attach(target.pid, "-v", "-o", path)
            self.wait_for_samples(path, daemon)
            target.process.stdin.write("go\n")
            target.process.stdin.flush()
            self.read_until(daemon, f"the shim is in process {target.pid}")
            daemon.terminate()
            daemon.stderr.read()
            self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0)

        self.on_every(self.some, look)

    def test_elsewhere(self):
        """Other namespaces, another owner, folders that are not what they use to be."""
        for how in ({"switch_root": True}, {"pidns": True}, {"user": USER},
                    {"user": USER, "pidns": True, "switch_root": True}):  # fmt: skip

            def look(work, mode):
                self.expect_in(work)
                work.finish(self)

            self.on_work(self.some, ("busy",), look, **how)

    def test_of_a_user(self):
        """Who may profile a process may have the shim in it, without any privilege."""
        self.need_root()
        programs = self.copy_programs(self.folder / "bin").parent
        shutil.copytree(pathlib.Path(ECHIOND).parent.parent / "lib", self.folder / "lib")
        as_user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")

        def look(work, mode):
            command = (*as_user, programs / "echiond", "-vp", work.pid, "-x", 0.5, "-o", "-")
            done = self.run_to_end(*command)
            self.expect(done, 0, f"the shim is in process {work.pid}")
            self.assertEqual(work.litter(), [])
            work.finish(self)

        self.on_work(self.some, ("busy",), look, user=USER)

    def remount(self, work, python, options, folders=LITTER):
        for folder in folders:
            subprocess.run(
                ["nsenter", f"--mount=/proc/{work.pid}/ns/mnt", "mount", "-o", f"remount,{options}",
                 f"{python.root_path}/{folder}"],
                capture_output=True, check=False,
            )  # fmt: skip

    def test_folders(self):
        for options in ("ro", "noexec"):

            def look(python, options=options):
                with ShimWork(python, "busy") as work:
                    self.remount(work, python, options)
                    if options == "ro":
                        with self.assertRaises(OSError):
                            tempfile.mkstemp(dir=work.target.outside("tmp"))
                    self.expect_in(work)
                    work.finish(self)

            self.on_every([i for i in self.some if i.root_path], look)

    def test_no_wrong_name(self):
        """Code that lives for one call, at the address of code before it (docs/sampling.md)."""

        def look(python):
            target, _ = self.spawn(python, SHORT_CODE, "30")
            path = self.folder / f"{python.name}.mojo"
            options = ("-vp", target.pid, "-i", "100us", "-o", path)
            self.expect(self.run_to_end(ECHIOND, *options, "-x", 0.3), 0)
            done = self.run_to_end(ECHIOND, *options, "-x", 1)
            self.expect(done, 0, f"the shim is in process {target.pid}")
            calls, wrong = shown.short_code_calls(path)
            self.assertGreater(calls, 100)
            self.assertEqual(wrong, 0)

        self.on_every(self.some, look, at_once=1)

    def test_forks(self):
        """What a process forks afterwards has a shim of its own, if it is followed."""
        script = self.folder / "forks.py"
        script.write_text(FORKS)

        def look(python):
            target, _ = self.spawn(python, script)
            path = self.folder / f"{python.name}.austin"
            for options in ((), ("-C",)):
                command = (ECHIOND, "-vp", target.pid, "-x", 1.5, "-o", path, *options)
                done = self.run_to_end(*command)
                self.expect(done, 0, f"the shim is in process {target.pid}")
                told = set(re.findall(r"the shim is in process (\d+)", done.stderr))
                profiled = set(re.findall(r"process (\d+) is profiled too", done.stderr))
                self.assertEqual(len(profiled) > 0, "-C" in options, done.stderr)
                # The last one may have come just before the end.
                self.assertLessEqual(told, profiled | {str(target.pid)})
                self.assertEqual(len(told) > 1, "-C" in options, done.stderr)

        self.on_every(self.some, look, at_once=1)

    def test_another_reads_it(self):
        """Of two at the same time one samples from outside, until the first has left."""

        def look(work, mode):
            first = self.attach(work.pid, "-v", "-o", self.folder / f"{work.pid}.first.austin")
            self.read_until(first, f"the shim is in process {work.pid}")
            path = self.folder / f"{work.pid}.second.austin"
            second = self.attach(work.pid, "-v", "-o", path)
            self.read_until(second, f"another profiler listens to the shim in process {work.pid}")
            self.wait_for_samples(path, second)
            first.terminate()
            self.assertNotIn("CORRUPT", first.stderr.read())
            self.read_until(second, f"the shim is in process {work.pid}")
            second.terminate()
            second.stderr.read()
            self.assertEqual((first.wait(), second.wait()), (0, 0))
            work.finish(self)

        self.on_work(self.some, ("busy",), look)

    def test_cycles(self):
        def look(work, mode):
            if mode == "blocked":
                work.wait_until_blocked()
            sizes = []
            for _ in range(CYCLES):
                self.look_at(work, exposure=0.02)
                sizes.append((len(work.files()), len(work.maps().splitlines())))
            self.assertEqual(work.litter(), [])
            half = len(sizes) // 2
            self.assertLessEqual(sizes[-1][0], sizes[half][0], "descriptors")
            self.assertLessEqual(sizes[-1][1], sizes[half][1] + 2, "mappings")
            work.finish(self)

        self.on_work(self.some, ("busy", "blocked"), look)

    def test_killed(self):
        """echiond is killed at random moments of attaching, sampling and leaving."""
        dice = random.Random(768)

        def look(work, mode):
            for _ in range(KILLS):
                path = self.folder / f"{work.pid}.austin"
                daemon = self.attach(work.pid, "-x", 0.05, "-o", path, stderr=subprocess.DEVNULL)
                time.sleep(dice.uniform(0, 0.08))
                daemon.kill()
                daemon.wait()
                self.assertIsNone(work.target.process.poll())
            self.expect_in(work)
            work.finish(self, minimum_rounds=1)

        self.on_work(self.some, ("busy", "churn"), look)


if __name__ == "__main__":
    unittest.main()
