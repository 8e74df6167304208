"""Attach, launch, wall and CPU on every CPython that there is: other roots, 32 bits, PID namespaces."""

import os
import pathlib
import subprocess
import unittest

import interpreters
import profiler
from profiler import ECHION, ECHIOND, Profile

# Two named threads, busy below frames of their own, until standard input ends.
CODE = """
import os, sys, threading
def inner(): return sum(range(200))
def outer():
    while True: inner()
def other_inner(): return sum(range(100))
def other_outer():
    while True: other_inner()
def end():
    sys.stdin.read()
    os._exit(7)
threading.Thread(target=end, daemon=True).start()
threading.Thread(target=other_outer, name="Other", daemon=True).start()
print("ready", flush=True)
outer()
"""


class EveryPython(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.pythons = [i for i in interpreters.find() if not i.missing]
        self.assertTrue(self.pythons)

    def spawn(self, python, **how):
        target = interpreters.spawn(
            python, ["-c", CODE],
            popen={"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}, **how,
        )
        self.addCleanup(target.kill)
        self.assertEqual(target.process.stdout.readline(), "ready\n")
        return target

    def expect_profile(self, done, python, status=0, path=None):
        self.expect(done, status)
        profile = Profile.read(path or self.folder / "x")
        self.expect_whole(profile)
        version = ".".join(map(str, python.version))
        self.assertTrue(profile.metadata["python"].startswith(version), profile.metadata["python"])
        self.assertLessEqual({"outer", "inner", "other_outer", "other_inner"}, profile.functions())
        threads = {s.thread for s in profile.samples}
        self.assertLessEqual({"MainThread", "Other"}, threads)
        return profile

    def test_attach(self):
        for python in self.pythons:
            with self.subTest(python=python.name):
                target = self.spawn(python)
                done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.7", "-o", "x")
                profile = self.expect_profile(done, python)
                self.assertEqual({s.pid for s in profile.samples}, {target.pid})
                done = self.run_to_end(ECHIOND, "-cp", target.pid, "-x", "0.7", "-o", "x")
                self.assertEqual(self.expect_profile(done, python).metadata["mode"], "cpu")
                target.kill()

    def test_mojo(self):
        for python in self.pythons:
            with self.subTest(python=python.name):
                target = self.spawn(python)
                self.expect(
                    self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.5", "-o", "x.mojo"), 0
                )
                report = self.run_to_end(ECHION, "report", "x.mojo")
                self.expect(report, 0)
                self.assertIn("other_inner", report.stdout)
                target.kill()

    def test_launch(self):
        for python in self.pythons:
            with self.subTest(python=python.name):
                script = CODE.replace("print(\"ready\", flush=True)",
                                      "threading.Timer(1, lambda: os._exit(9)).start()")
                command = interpreters.command(python, ["-c", script])
                read, write = os.pipe()  # its standard input, which does not end
                done = self.run_to_end(ECHION, "-o", "x", *command, stdin=read)
                os.close(read)
                os.close(write)
                self.assertIn("gap", self.expect_profile(done, python, status=9).metadata)

    def test_a_pid_namespace(self):
        for python in self.pythons:
            if python.root is None:
                continue
            with self.subTest(python=python.name):
                target = self.spawn(python, pidns=True)
                done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.7", "-o", "p-%(pid)")
                profile = self.expect_profile(done, python, path=self.folder / f"p-{target.pid}")
                self.assertEqual({s.pid for s in profile.samples}, {target.pid})
                target.kill()

    def test_a_root_that_is_the_root(self):
        for python in self.pythons:
            if python.root is None:
                continue
            with self.subTest(python=python.name):
                target = self.spawn(python, switch_root=True)
                done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.7", "-o", "x")
                self.expect_profile(done, python)
                target.kill()

    def test_a_program_that_was_deleted_meanwhile(self):
        for python in self.pythons:
            if python.root is not None:
                continue
            with self.subTest(python=python.name):
                copy = self.folder / "bin" / "python3"
                copy.parent.mkdir(exist_ok=True)
                copy.write_bytes(python.executable.read_bytes())
                copy.chmod(0o755)
                environment = dict(self.environment)
                if python.shared:
                    environment["LD_LIBRARY_PATH"] = str(pathlib.Path(python.runtime).parent)
                environment["PYTHONHOME"] = str(python.executable.parent.parent)
                target = self.python(CODE, python=copy, env=environment)
                os.unlink(copy)
                done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.7", "-o", "x")
                self.expect_profile(done, python)
                target.kill()


if __name__ == "__main__":
    unittest.main()
