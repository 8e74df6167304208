"""What bad input gets: a clear line with the remedy, a status of its own, and nothing written over.

The other lines of that list are in test_permissions.py, test_output_trouble.py and test_hostile.py.
"""

import os
import pathlib
import signal
import subprocess
import unittest

import profiler
from profiler import ECHION, ECHIOND, PYTHON, Profile, wait_for


class BadInput(profiler.TestCase):
    """Refusals: the output that was there before has to stay as it was."""

    def setUp(self):
        super().setUp()
        self.out = self.folder / "out.austin"
        self.out.write_text("what was there before\n")

    def refuse(self, status, *texts, options=(), program=ECHIOND, **popen):
        done = self.run_to_end(program, "-o", "out.austin", *options, **popen)
        self.expect(done, status, *texts)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.out.read_text(), "what was there before\n")
        self.assertEqual(os.listdir(self.folder), ["out.austin"])
        return done


class CommandLine(BadInput):
    def test_pid_zero_negative_not_a_number(self):
        for pid in ("0", "-1", "-0", "99999999999999999999"):
            self.refuse(64, "no process can have the id", pid, options=["-p", pid])
        for pid in ("python", "12x", "", "1.5", "0x10"):
            self.refuse(64, "is not a process id", options=["-p", pid])

    def test_interval(self):
        for interval in ("fast", "", "-1", "1m", "1e3", "10 us"):
            self.refuse(64, f"interval '{interval}' is not a number", "500us",
                        options=["-p", "1", "-i", interval])
        for interval in ("0.5", "3601s", "99999999999999999s"):
            self.refuse(64, f"interval '{interval}' is out of range", "1us to 3600s",
                        options=["-p", "1", "-i", interval])

    def test_exposure(self):
        for exposure in ("soon", "", "-1", "10s"):
            self.refuse(64, f"exposure '{exposure}' is not a number",
                        options=["-p", "1", "-x", exposure])
        for exposure in ("0", "0.0001", "31536001"):
            self.refuse(64, f"exposure '{exposure}' is out of range", "0.001 to 31536000",
                        options=["-p", "1", "-x", exposure])

    def test_format(self):
        self.refuse(64, "format 'svg' is unknown", "--format austin or mojo",
                    options=["-p", "1", "--format", "svg"])

    def test_both_a_pid_and_a_command(self):
        self.refuse(64, "both a process (-p 1) and a command ('true')", options=["-p", "1", "true"])

    def test_neither(self):
        for program in (ECHION, ECHIOND):
            self.refuse(64, "nothing to profile", "-p PID", program=program)

    def test_unknown_options_and_missing_values(self):
        self.refuse(64, "unknown option '-z'", "--help", options=["-z"])
        self.refuse(64, "'--bogus'", "--help", options=["--bogus=1"])
        self.refuse(64, "'-p' needs a value", options=["-p"])
        self.refuse(64, "'--interval' needs a value", options=["--interval"])

    def test_unknown_suffix(self):
        for name in ("x.svg", "x.AUSTIN", "a.b.json"):
            self.refuse(64, "--format", options=["-p", str(os.getpid()), "-o", name])


class Output(BadInput):
    def setUp(self):
        super().setUp()
        self.target = self.start("sleep", "1000")

    def test_a_folder(self):
        for name in (str(self.folder), ".", "/"):
            self.refuse(73, "is a folder", options=["-p", self.target.pid, "-o", name])

    def test_a_missing_folder(self):
        self.refuse(73, "there is no folder 'none'", "create it",
                    options=["-p", self.target.pid, "-o", "none/x.austin"])
        self.refuse(73, "there is no folder 'out.austin'",
                    options=["-p", self.target.pid, "-o", "out.austin/x.austin"])

    def test_a_folder_that_we_may_not_write_to(self):
        self.refuse(73, "/proc/x.austin", options=["-p", self.target.pid, "-o", "/proc/x.austin"])
        self.need_root()
        locked = self.folder / "locked"
        locked.mkdir(mode=0o755)
        daemon = self.copy_programs(self.folder / "programs")
        done = self.run_to_end(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", daemon,
            "-p", self.target.pid, "-o", "locked/x.austin",
        )
        self.expect(done, 73, "Permission denied", "give another file with -o")
        self.assertEqual(os.listdir(locked), [])

    def test_a_file_that_another_profile_is_written_to(self):
        busy = self.busy()
        daemon = self.attach(busy.pid, "-o", "taken.austin")
        self.wait_for_samples(self.folder / "taken.austin", daemon)
        done = self.run_to_end(ECHIOND, "-p", busy.pid, "-o", "taken.austin", "-x", "0.2")
        self.expect(done, 73, "another profile is being written to it")

    def test_it_is_found_out_before_the_target_is_looked_at(self):
        # The process is no Python, which is not what is said.
        done = self.run_to_end(ECHIOND, "-p", self.target.pid, "-o", "none/x.austin")
        self.expect(done, 73)


class Target(BadInput):
    def test_no_such_pid(self):
        ended = self.start("true")
        ended.wait()
        self.refuse(66, f"no process {ended.pid}", options=["-p", ended.pid])
        self.refuse(66, "no process 2147483647", options=["-p", "2147483647"])

    def test_a_thread_is_no_process(self):
        target = self.busy()
        (thread,) = set(os.listdir(f"/proc/{target.pid}/task")) - {str(target.pid)}
        self.refuse(66, f"{thread} is a thread of process {target.pid}", options=["-p", thread])

    def test_a_kernel_thread(self):
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                flags = int((folder / "stat").read_text().rpartition(")")[2].split()[6])
            except OSError:
                continue
            if flags & 0x00200000:  # PF_KTHREAD
                self.refuse(65, "is a thread of the kernel", options=["-p", folder.name])
                return
        self.skipTest("no kernel thread is visible in this PID namespace")

    def test_not_a_python(self):
        target = self.start("sleep", "1000")
        wait_for(lambda: os.readlink(f"/proc/{target.pid}/exe").endswith(("sleep", "coreutils")),
                 "sleep", target)
        self.refuse(65, f"process {target.pid}", "Python", options=["-p", target.pid])

    def test_a_python_that_we_do_not_know(self):
        versions = pathlib.Path.home() / ".pyenv/versions"
        old = [v for v in ("2.7.18", "3.6.15", "3.7.16") if (versions / v / "bin/python").exists()]
        if not old:
            self.skipTest("pyenv has no Python before 3.8")
        for version in old:
            with self.subTest(version=version):
                target = self.python(
                    "import sys, time; print('ready'); sys.stdout.flush(); time.sleep(1000)",
                    python=versions / version / "bin/python",
                )
                self.refuse(69, f"process {target.pid}", "3.8 to 3.15", options=["-p", target.pid])

    def test_a_zombie(self):
        parent = self.python(
            "import os, sys, time\n"
            "pid = os.fork()\n"
            "if pid == 0: os._exit(0)\n"
            "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n"
            "print('ready', flush=True)\n"
            "print(pid, flush=True)\n"
            "time.sleep(1000)\n"
        )
        zombie = int(parent.stdout.readline())
        self.refuse(66, f"process {zombie}", "zombie", options=["-p", zombie])

    def test_itself_and_its_parent(self):
        # sh becomes echiond, which is then asked for its own process.
        done = self.run_to_end("sh", "-c", 'exec "$0" -o out.austin -p $$', ECHIOND)
        self.expect(done, 65)


class Stopped(profiler.TestCase):
    """A target that is stopped can be read all the same."""

    def test_before(self):
        target = self.busy()
        target.send_signal(signal.SIGSTOP)
        wait_for(lambda: profiler.state_of(target.pid) == "T", "stop")
        done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.5", "-o", "x")
        self.expect(done, 0)
        profile = Profile.read(self.folder / "x")
        self.expect_whole(profile)
        self.assertIn("outer", profile.functions())
        self.assertEqual(profiler.state_of(target.pid), "T")

    def test_while_sampling(self):
        target = self.busy()
        daemon = self.attach(target.pid, "-o", "x")
        self.wait_for_samples(self.folder / "x", daemon)
        target.send_signal(signal.SIGSTOP)
        wait_for(lambda: profiler.state_of(target.pid) == "T", "stop")
        size = (self.folder / "x").stat().st_size
        wait_for(lambda: (self.folder / "x").stat().st_size > size, "samples of it", daemon)
        target.send_signal(signal.SIGCONT)
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, daemon.stderr.read())
        self.expect_whole(Profile.read(self.folder / "x"))

    def test_a_crash_while_sampling(self):
        target = self.python(
            "import ctypes, os, sys, threading\n"
            "print('ready', flush=True)\n"
            "def crash():\n"
            "    while not os.path.exists('go'): pass\n"
            "    ctypes.string_at(0)\n"
            "crash()\n"
        )
        daemon = self.attach(target.pid, "-o", "x")
        self.wait_for_samples(self.folder / "x", daemon)
        (self.folder / "go").touch()
        self.assertEqual(target.wait(timeout=profiler.PATIENCE), -signal.SIGSEGV)
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, daemon.stderr.read())
        self.expect_whole(Profile.read(self.folder / "x"))


class Races(profiler.TestCase):
    def test_targets_that_end_while_they_are_attached_to(self):
        for delay in range(0, 60, 2):
            target = self.start(
                PYTHON, "-c", f"import time; time.sleep({delay / 1000})", stdout=subprocess.DEVNULL
            )
            done = self.run_to_end(ECHIOND, "-p", target.pid, "-o", "x", "-i", "100us")
            self.assertIn(done.returncode, (0, 65, 66), done.stderr)
            self.assertNotEqual(done.stderr, "")
            target.wait()

    def test_targets_that_exec_while_they_are_attached_to(self):
        code = (
            "import os, sys\n"
            "n = int(sys.argv[1])\n"
            "print('ready', flush=True)\n"
            "if n: os.execv(sys.executable, [sys.executable, '-c', sys.argv[2], str(n - 1),"
            " sys.argv[2]])\n"
        )
        for _ in range(5):
            target = self.python(code, "15", code)
            done = self.run_to_end(ECHIOND, "-p", target.pid, "-o", "x", "-i", "100us")
            self.assertIn(done.returncode, (0, 66), done.stderr)
            self.assertEqual(target.wait(timeout=profiler.PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
