"""Pythons that are not a python: embedded ones, ones whose files were replaced, ones we do not know."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import interpreters
import profiler
import shown
from profiler import ECHION, ECHIOND, Profile

HERE = pathlib.Path(__file__).resolve().parent

SCRIPT = """
import os, sys, threading
def inner(): return sum(range(200))
def outer():
    while True: inner()
def end():
    sys.stdin.read()
    os._exit(7)
threading.Thread(target=end, name="the end", daemon=True).start()
print("ready", flush=True)
outer()
"""
SOME_TIME = "\nthreading.Timer(1, os._exit, (9,)).start()\nouter()\n"

# Changes what the process says that it is: its version, and whether it is free-threaded.
POKE = """
import ctypes, sys
version, free_threaded = int(sys.argv[1], 16), int(sys.argv[2])
api, libc = ctypes.pythonapi, ctypes.CDLL(None)
if sys.version_info >= (3, 13):
    words = (ctypes.c_uint64 * 3).in_dll(api, "_PyRuntime")
    words[1], words[2] = version or words[1], free_threaded
else:
    word = ctypes.c_ulong.in_dll(api, "Py_Version")
    page = ctypes.addressof(word) & -4096
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.mprotect(page, 8192, 3) != 0: sys.exit("mprotect")
    word.value = version
print("ready", flush=True)
sys.stdin.read()
"""


class Embedded(shown.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.build = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.programs = {}  # from an interpreter to the program that is linked to its library
        cls.static = {}  # and to the one that has all of it inside, without a symbol
        for python in interpreters.find():
            if python.missing is None and python.root is None and python.libpython and python.include:
                rpath = f"-Wl,-rpath,{python.libpython.parent}"
                cls.programs[python] = cls.link(python, "shared", python.libpython, rpath)
                archives = [*pathlib.Path("/usr/lib").glob(f"python3.{python.minor}/config-*/*-pic.a")]
                if python.kind == "debian" and archives:
                    libraries = ["-lexpat", "-lz", "-lm", "-ldl", "-s"]
                    cls.static[python] = cls.link(python, "static", archives[0], *libraries)

    @classmethod
    def link(cls, python, kind, *libraries):
        program = cls.build / f"{kind}-{python.name}"
        command = ["cc", "-o", program, HERE / "embed.c", f"-I{python.include}", *libraries, "-lpthread"]
        subprocess.run(command, check=True)
        return program

    def setUp(self):
        super().setUp()
        if not self.programs:
            self.skipTest("no Python here has headers and a library: apt-get install python3-dev")
        (self.folder / "script.py").write_text(SCRIPT)
        (self.folder / "some_time.py").write_text(SCRIPT.removesuffix("outer()\n") + SOME_TIME)

    def environment_of(self, python):
        return self.environment | {"PYTHONHOME": str(python.executable.parent.parent)}

    def start_program(self, python, program, how, **environment):
        target = self.start(
            program, how, "script.py", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=self.environment_of(python) | environment,
        )
        self.assertEqual(target.stdout.readline(), "ready\n")
        return target

    def expect_busy(self, path, said):
        profile = Profile.read(path)
        self.expect_whole(profile, said)
        self.assertLessEqual({"outer", "inner"}, profile.functions())
        return profile

    def test_attach(self):
        self.on_every(self.programs, self.look)

    def look(self, python):
        path = self.folder / f"{python.name}.austin"
        program = self.programs[python]
        cases = [(program, "main"), (program, "thread"), (program, "again")]
        if python in self.static:
            cases.append((self.static[python], "main"))
        for program, how in cases:
            target = self.start_program(python, program, how)
            profile = self.expect_busy(path, self.profile(target.pid, path, exposure=0.3))
            self.assertIn("the end", {sample.thread for sample in profile.samples})
            target.kill()
            target.wait()

    def test_launch(self):
        self.on_every(self.programs, self.look_at_launch)

    def look_at_launch(self, python):
        path = self.folder / f"{python.name}.austin"
        for how in ("main", "thread"):
            read, write = os.pipe()  # its standard input, which does not end
            done = self.run_to_end(
                ECHION, "-vo", path, self.programs[python], how, "some_time.py",
                env=self.environment_of(python), stdin=read,
            )
            os.close(read)
            os.close(write)
            self.expect(done, 9)
            self.expect_busy(path, done.stderr)

    def test_a_library_that_was_replaced_meanwhile(self):
        self.on_every(self.programs, self.look_at_a_replaced_library)

    def look_at_a_replaced_library(self, python):
        folder = self.folder / python.name
        folder.mkdir()
        library = folder / python.libpython.name
        shutil.copy(python.libpython, library)
        # Loaded before the one that the program was linked to.
        preload = {"LD_PRELOAD": str(library)}
        target = self.start_program(python, self.programs[python], "main", **preload)
        self.assertIn(str(library), pathlib.Path(f"/proc/{target.pid}/maps").read_text())
        others = [other for other in self.programs if other.minor != python.minor]
        self.replace(library, others[0].libpython if others else pathlib.Path("/bin/sh"))
        self.expect_busy(folder / "x", self.profile(target.pid, folder / "x", exposure=0.3))
        target.kill()

    def test_a_program_that_was_replaced_meanwhile(self):
        pythons = [python for python in self.pythons if python.root is None]
        self.on_every(pythons, self.look_at_a_replaced_program)

    def look_at_a_replaced_program(self, python):
        folder = self.folder / python.name
        folder.mkdir()
        program = folder / "python3"
        # Not by us: a fork of another thread's would hold it open for writing, and none could run it.
        subprocess.run(["cp", python.executable, program], check=True)
        environment = self.environment_of(python)
        if python.shared:
            environment["LD_LIBRARY_PATH"] = str(pathlib.Path(python.runtime).parent)
        target = self.python(profiler.BUSY, python=program, env=environment)
        # By another Python, whose addresses are others.
        others = [other for other in self.pythons if other.bits == 64 and other.minor != python.minor]
        self.replace(program, others[0].executable if others else pathlib.Path("/bin/sh"))
        self.expect_busy(folder / "x", self.profile(target.pid, folder / "x", exposure=0.3))
        target.kill()

    def replace(self, path, by):
        """Puts another file in its place, as an upgrade does."""
        new = path.with_suffix(".new")
        shutil.copy(by, new)
        os.rename(new, path)


class Unknown(shown.TestCase):
    """Pythons of a version or build that no Debian has, by what their memory says."""

    def test_versions_and_builds(self):
        # Before 3.11 nothing in memory tells the version by itself.
        self.on_every([python for python in self.pythons if python.minor >= 11], self.look)

    def look(self, python):
        folder = self.folder / python.name
        folder.mkdir()
        out = folder / "out.austin"
        out.write_text("what was there before\n")
        if python.minor < 13:
            cases = [("030709f0", 0, ["Python 3.7.9", "3.8 to 3.15"])]
        else:
            newer = ["Python 3.16.0", "3.8 to 3.15", "a newer one may know it"]
            cases = [("031000f0", 0, newer), ("0", 1, ["free-threaded", "ordinary build"])]
        for version, free_threaded, texts in cases:
            target, line = self.spawn(python, ["-c", POKE], version, str(free_threaded))
            self.assertEqual(line, "ready\n")
            done = self.run_to_end(ECHIOND, "-p", target.pid, "-o", "out.austin", cwd=folder)
            self.expect(done, 69, f"process {target.pid}", *texts)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertEqual(out.read_text(), "what was there before\n")
            self.assertEqual(os.listdir(folder), ["out.austin"])
            target.kill()


if __name__ == "__main__":
    unittest.main()
