"""Processes that we may not read: status 77, and what is in the way is said, with what to do about it."""

import errno
import os
import pathlib
import shutil
import unittest

import profiler
import seccomp
from profiler import Profile

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
YAMA = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")


def forbid_process_vm_readv():
    """As containers do."""
    seccomp.refuse(seccomp.SYS_PROCESS_VM_READV, errno.EPERM)


class Denied(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.need_root()
        self.daemon = self.copy_programs(self.folder / "programs")
        self.work = self.folder / "work"
        self.work.mkdir()
        self.work.chmod(0o777)
        self.python_for_all = shutil.which("python3", path="/usr/bin")
        if self.python_for_all is None:
            self.skipTest("needs a Python that everybody may run, /usr/bin/python3")

    def refuse(self, pid, *texts, prefix=(), **popen):
        (self.work / "x").write_text("old")
        (self.work / "x").chmod(0o666)
        done = self.run_to_end(*prefix, self.daemon, "-p", pid, "-o", "x", cwd=self.work, **popen)
        self.expect(done, 77, f"process {pid} ", *texts)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual((self.work / "x").read_text(), "old")

    def nobodys(self, code=profiler.BUSY):
        """A Python of nobody's."""
        target = self.start(*NOBODY, self.python_for_all, "-c", code, stdin=-1, stdout=-1)
        self.assertEqual(target.stdout.readline(), "ready\n")
        return target

    def test_another_users_process(self):
        target = self.busy(python=self.python_for_all)
        self.refuse(target.pid, "belongs to user 0", "as user 65534", "sudo", "setcap",
                    "--cap-add=SYS_PTRACE", prefix=NOBODY)

    def test_root_without_the_capability(self):
        target = self.nobodys()
        self.refuse(target.pid, "CAP_SYS_PTRACE",
                    prefix=("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"))

    def test_a_process_that_is_not_dumpable(self):
        target = self.nobodys(
            "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n" + profiler.BUSY
        )
        self.refuse(target.pid, "not dumpable", prefix=NOBODY)

    def test_a_container_that_forbids_the_system_call(self):
        target = self.busy(python=self.python_for_all)
        self.refuse(target.pid, "seccomp", "--security-opt seccomp=unconfined",
                    preexec_fn=forbid_process_vm_readv)

    def test_yama(self):
        if not YAMA.exists():
            self.skipTest(f"this kernel has no Yama: {YAMA}")
        before = YAMA.read_text()
        try:
            YAMA.write_text("1")
        except OSError as error:
            self.skipTest(f"{YAMA} cannot be set: {error}")
        self.addCleanup(YAMA.write_text, before)
        target = self.nobodys()
        self.refuse(target.pid, "kernel.yama.ptrace_scope is 1", "echion python", prefix=NOBODY)

    def test_ones_own_process_needs_no_rights(self):
        if YAMA.exists() and int(YAMA.read_text()) != 0:
            self.skipTest(f"{YAMA} is not 0")
        target = self.nobodys()
        done = self.run_to_end(*NOBODY, self.daemon, "-p", target.pid, "-x", "0.3", "-o", "x",
                               cwd=self.work)
        self.expect(done, 0)
        self.expect_whole(Profile.read(self.work / "x"))

    def test_a_launched_command_that_gains_rights_runs_normally(self):
        # Launched by nobody, sudo-like: here the other way round, root's filter keeps us out.
        done = self.run_to_end(
            self.daemon, "-o", "x", self.python_for_all, "-c", "import time; time.sleep(0.5); exit(4)",
            cwd=self.work, preexec_fn=forbid_process_vm_readv,
        )
        self.expect(done, 4, "no Python was found", "seccomp")
        self.assertEqual(os.listdir(self.work), [])

    def test_a_target_that_becomes_unreadable_ends_the_profile(self):
        target = self.nobodys(
            "import ctypes, os\n"
            "print('ready', flush=True)\n"
            "def spin():\n"
            "    while not os.path.exists('go'): pass\n"
            "spin()\n"
            "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"
            "while True: pass\n"
        )
        daemon = self.start(*NOBODY, self.daemon, "-p", target.pid, "-o", "x", cwd=self.work,
                            stderr=-1)
        self.wait_for_samples(self.work / "x", daemon)
        (self.folder / "go").touch()
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertEqual(daemon.returncode, 77, daemon.stderr.read())
        self.expect_whole(Profile.read(self.work / "x"))


if __name__ == "__main__":
    unittest.main()
