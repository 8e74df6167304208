"""Targets that lie: never a crash, a hang, unbounded memory, or a byte of a file that is not the owner's."""

import concurrent.futures
import ctypes
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import interpreters
import profiler
from profiler import ECHIOND, Profile, wait_for

HERE = pathlib.Path(__file__).resolve().parent
AT_ONCE = 4  # targets; nearly all of the time their profiles only wait
MEMORY_MAX = 400 << 20  # bytes of memory that the daemon may ever have in use
TAKES_AT_MOST = "30"  # seconds, for `timeout`
SECRET = "the-secret-that-only-root-may-read"

# What a profile of a target that lies may end with: a footer, not a Python, ended, unknown, no answer.
STATUSES = (0, 65, 66, 69, 75)


# An interpreter at rest for good, the GIL held, below a few frames. Tells where its thread state and its
# runtime are, and its word size.
AT_REST = """
import ctypes
api = ctypes.pythonapi
api.PyThreadState_Get.restype = ctypes.c_void_p
print("ready", flush=True)
print(api.PyThreadState_Get(), ctypes.addressof(ctypes.c_char.in_dll(api, "_PyRuntime")),
      ctypes.sizeof(ctypes.c_void_p), flush=True)
pause = ctypes.PyDLL(None).pause
def inner(n, *rest, **more):
    return pause() if n == 0 else inner(n - 1, *rest, **more)
class Outer:
    def method(self):
        return [inner(20, 1, 2, a=3) for _ in range(3)]
def produce():
    yield Outer().method()
list(produce())
"""
PAUSE = {8: "34", 4: "29"}  # the number of the system call, by word size


class Hostile(profiler.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.build = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.liar = cls.build / "liar"
        subprocess.run(
            ["cc", "-D_GNU_SOURCE", "-O1", "-o", cls.liar, HERE / "liar.c", "-ldl", "-lpthread"],
            check=True,
        )
        cls.pythons = [i for i in interpreters.find() if not i.missing]
        # Libraries that programs of this machine can load.
        cls.libraries = [i.libpython for i in cls.pythons if i.root is None and i.libpython]

    def lie(self, mode, library, **popen):
        """Starts a target that lies about itself."""
        target = self.start(self.liar, mode, library, stdout=subprocess.PIPE, **popen)
        line = target.stdout.readline()
        self.assertEqual(line, "ready\n", f"liar {mode} {library}: {target.poll()}")
        return target

    def spawn(self, python, code, *arguments):
        """Starts a Python that runs `code`, and returns once it has said "ready"."""
        target = interpreters.spawn(
            python, ["-c", code], *arguments,
            popen={"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True},
        )
        self.addCleanup(target.kill)
        self.assertEqual(target.process.stdout.readline(), "ready\n", "the target did not start")
        return target

    def at_rest(self, python):
        """A Python whose interpreter rests; the target, its thread state, runtime and word size."""
        target = self.spawn(python, AT_REST)
        state, runtime, word = map(int, target.process.stdout.readline().split())
        syscall = pathlib.Path(f"/proc/{target.pid}/syscall")
        wait_for(lambda: syscall.read_text().split()[0] == PAUSE[word], "rest", target.process)
        return target, str(state), str(runtime), str(word)

    def library(self):
        if not self.libraries:
            self.skipTest("there is no shared libpython that programs of this machine can load")
        return self.libraries[0]

    def each_python(self, body):
        """Calls `body` with each interpreter, some at a time."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            runs = [(python.name, pool.submit(body, python)) for python in self.pythons]
        for name, run in runs:
            with self.subTest(python=name):
                run.result()

    def survive(self, pid, *options, statuses=STATUSES, alive=True, output="x.austin"):
        """Profiles a process for a moment, and looks at it meanwhile: both must end well, and soon, and
        stay small."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        look = self.start("timeout", "-s", "KILL", TAKES_AT_MOST, ECHIOND, "--locals", "-w", pid,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, errors="surrogateescape")
        done = self.run_to_end("timeout", "-s", "KILL", TAKES_AT_MOST, ECHIOND, "-p", pid, "-x", "0.2",
                               "-o", output, *options, errors="surrogateescape")
        shown, said = look.communicate(timeout=profiler.PATIENCE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertIn(done.returncode, statuses, done.stderr)
        self.assertIn(look.returncode, STATUSES, said)
        self.assertTrue(after == before or after * 1024 < MEMORY_MAX, f"{after} KiB")
        self.assertEqual(os.path.exists(f"/proc/{pid}"), alive)
        for line in (done.stderr + shown + said).split("\n"):
            self.assertTrue(line.isprintable() or not line.isascii(), line)
        return done


class Structures(Hostile):
    def test_random_bytes_in_the_runtime(self):
        second = random.SystemRandom().randrange(1, 1 << 32)
        print(f"seed {second}")

        def random_bytes(python):
            for mode, seed in (("random", 1), ("cookie", 1), ("cookie", second)):
                # To 3.10 all that leads to the threads lies in what "cookie" leaves alone.
                sound = mode == "cookie" and python.minor < 11
                target, _, runtime, _ = self.at_rest(python)
                self.expect(self.run_to_end(self.liar, mode, target.pid, runtime, seed), 0)
                self.survive(target.pid, statuses=(0,) if sound else (65, 69),
                             output=f"{target.pid}.austin")
                target.kill()

        self.each_python(random_bytes)

    def test_chains_that_lead_to_themselves(self):
        def lead_to_themselves(python):
            target, _, runtime, word = self.at_rest(python)
            self.expect(self.run_to_end(self.liar, "self", target.pid, runtime, word), 0)
            self.survive(target.pid, "-i", "100us", output=f"{target.pid}.austin")
            target.kill()

        self.each_python(lead_to_themselves)

    def test_a_library_whose_interpreter_never_starts(self):
        for library in [i.libpython for i in self.pythons if i.libpython]:
            with self.subTest(library=library):
                target = self.lie("map", library)
                self.survive(target.pid, statuses=(65,))
                target.kill()

    def test_structures_that_change_under_our_eyes(self):
        second = random.SystemRandom().randrange(1, 1 << 32)
        print(f"seed {second}")

        def scribbled(python):
            target, state, _, word = self.at_rest(python)
            for seed in (1, second):
                scribbler = self.start(self.liar, "scribble", target.pid, state, word, seed)
                for options in (("-i", "0"), ("-i", "200us", "-c"), ("-i", "100us", "--format", "mojo")):
                    self.survive(target.pid, *options, output=f"{target.pid}.austin")
                self.assertIsNone(scribbler.poll())
                scribbler.kill()
            target.kill()

        self.each_python(scribbled)

    def test_objects_with_absurd_sizes(self):
        # The sizes are only looked at by who reads the objects from outside, and by the collector.
        code = (
            "import ctypes, gc, sys, time\n"
            "gc.disable()\n"
            "at = 2 * ctypes.sizeof(ctypes.c_void_p)\n"
            "def size(thing): return ctypes.c_ssize_t.from_address(id(thing) + at)\n"
            "def inner(): print('ready', flush=True); time.sleep(1000)\n"
            "def outer(): inner()\n"
            "code = inner.__code__\n"
            "line_table = getattr(code, 'co_linetable', None) or code.co_lnotab\n"
            "names = [code.co_filename, code.co_name, getattr(code, 'co_qualname', code.co_name)]\n"
            "which, value = sys.argv[1], int(sys.argv[2])\n"
            "targets = {'code': [code], 'lines': [line_table], 'names': names}[which]\n"
            "for target in targets: size(target).value = value\n"
            "outer()\n"
        )

        def absurd(python):
            for which in ("lines", "names", "code"):
                if which == "code" and python.minor < 11:
                    continue  # there the code object has no size of its own
                for value in (-1, (1 << 31) - 1, (1 << 63) - 1)[: 2 if python.bits == 32 else 3]:
                    target = self.spawn(python, code, which, str(value))
                    self.survive(target.pid, output=f"{target.pid}.austin")
                    target.kill()

        self.each_python(absurd)

    def test_names_that_would_break_the_formats_or_a_terminal(self):
        code = (
            "import time\n"
            "source = 'def f(go): go()\\n'\n"
            "for name in ('a;b', 'a\\nb', '\\x1b[2J', 'a:b', '\\udc80', 'x' * 100_000, '', ' 12'):\n"
            "    space = {}\n"
            "    exec(compile(source, name, 'exec'), space)\n"
            "    f = space['f']\n"
            "    f.__code__ = f.__code__.replace(co_name=name or 'f')\n"
            "    old = globals().get('go', lambda: (print('ready', flush=True), time.sleep(1000)))\n"
            "    globals()['go'] = lambda f=f, old=old: f(old)\n"
            "go()\n"
        )
        for python in self.pythons:
            with self.subTest(python=python.name):
                target = self.spawn(python, code)
                self.survive(target.pid, statuses=(0,))
                profile = Profile.read(self.folder / "x.austin")
                self.expect_whole(profile)
                for sample in profile.samples:
                    for frame in sample.frames:
                        self.assertRegex(frame, r"\A.*:[^:;\n]*:\d+\Z")
                target.kill()


class Libraries(Hostile):
    def test_truncated_elf_files(self):
        library = self.library()
        data = library.read_bytes()
        for size in (1, 4, 63, 64, 1000, 4096, 5000, 70_000, len(data) // 2, len(data) - 1):
            with self.subTest(size=size):
                path = self.folder / "libpython3.11.so.1.0"
                path.write_bytes(data[:size])
                target = self.lie("map", path)
                self.survive(target.pid, statuses=(65, 69))
                target.kill()

    def test_elf_files_with_random_bytes(self):
        data = self.library().read_bytes()[:200_000]
        for seed in range(20):
            with self.subTest(seed=seed):
                dice = random.Random(seed)
                lies = bytearray(data)
                for _ in range(200):
                    lies[dice.randrange(0, 4096 if dice.random() < 0.7 else len(lies))] = dice.randrange(256)
                path = self.folder / "libpython3.12.so.1.0"
                path.write_bytes(lies)
                target = self.lie("map", path)
                self.survive(target.pid, statuses=(65, 69))
                target.kill()

    def test_a_library_that_shrinks(self):
        path = self.folder / "libpython3.11.so.1.0"
        shutil.copy(self.library(), path)
        target = self.lie("map", path)
        os.truncate(path, 4096)
        self.survive(target.pid, statuses=(65, 69))

    def replace_library(self, make):
        """A target, nobody's own, that has mapped a file named like a library, which `make` replaces."""
        self.folder.chmod(0o755)
        self.build.chmod(0o755)
        path = self.folder / "libpython3.11.so.1.0"
        # An ELF file without the runtime's symbol: for that, its sections have to be looked into.
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", path, "-"], input=b"int nothing;",
                       check=True)
        target = self.lie("map", path, user=65534, group=65534, extra_groups=[])
        path.unlink()
        make(path)
        return target

    def test_a_fifo_where_a_library_should_be(self):
        self.need_root()
        self.survive(self.replace_library(os.mkfifo).pid, statuses=(65, 69))

    def test_a_device_where_a_library_should_be(self):
        self.need_root()

        def make(path):
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))  # /dev/zero

        self.survive(self.replace_library(make).pid, statuses=(65, 69))

    def test_a_file_that_its_owner_may_not_read(self):
        self.need_root()
        secret = self.folder / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        for make in (lambda path: os.symlink(secret, path), lambda path: os.link(secret, path)):
            target = self.replace_library(make)
            opened = self.opened_by_profiling(target.pid, secret)
            self.assertFalse(opened, "the file was opened")
            (self.folder / "libpython3.11.so.1.0").unlink()
            target.kill()

    def opened_by_profiling(self, pid, path):
        """Whether profiling a process opened a file: asked of inotify."""
        libc = ctypes.CDLL(None, use_errno=True)
        watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.addCleanup(os.close, watch)
        in_access, in_open = 0x1, 0x20
        self.assertGreaterEqual(
            libc.inotify_add_watch(watch, os.fsencode(path), in_access | in_open), 0
        )
        done = self.survive(pid, "-v", statuses=(65, 69))
        self.assertNotIn(SECRET, done.stderr)
        try:
            return bool(os.read(watch, 4096))
        except BlockingIOError:
            return False

    def test_a_link_out_of_its_root(self):
        # Within its root the link leads to nothing; seen from here it leads to a file of root's.
        self.need_root()
        root = self.folder / "root"
        (root / "lib").mkdir(parents=True)
        secret = self.folder / "secret"
        secret.write_text(SECRET)
        path = root / "lib/libpython3.11.so.1.0"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", path, "-"], input=b"int nothing;",
                       check=True)
        subprocess.run(["cc", "-static", "-D_GNU_SOURCE", "-o", root / "liar", HERE / "liar.c"],
                       check=True, stderr=subprocess.DEVNULL)
        target = self.start("chroot", root, "/liar", "map", "/lib/libpython3.11.so.1.0",
                            stdout=subprocess.PIPE)
        self.assertEqual(target.stdout.readline(), "ready\n")
        path.unlink()
        os.symlink(secret, path)
        self.assertFalse(self.opened_by_profiling(target.pid, secret), "the file was opened")


class Silence(Hostile):
    """Memory that never answers, by a userfaultfd that nobody serves."""

    def setUp(self):
        super().setUp()
        unprivileged = pathlib.Path("/proc/sys/vm/unprivileged_userfaultfd")
        if not unprivileged.exists():
            self.skipTest("this kernel has no userfaultfd")
        if os.geteuid() != 0 and unprivileged.read_text().strip() != "1":
            self.skipTest("userfaultfd needs root")

    def test_while_sampling(self):
        self.library()
        for library in self.libraries:
            with self.subTest(library=library):
                target = self.lie("vanish", library)
                out = self.folder / "x.austin"
                out.unlink(missing_ok=True)
                daemon = self.attach(target.pid, "-o", out)
                self.wait_for_samples(out, daemon)
                target.send_signal(signal.SIGUSR1)
                daemon.wait(timeout=profiler.PATIENCE)
                text = daemon.stderr.read()
                self.assertEqual(daemon.returncode, 75, text)
                self.assertIn(f"the memory of process {target.pid} does not answer", text)
                self.expect_whole(Profile.read(out))
                self.assertIsNone(target.poll())
                target.kill()

    def test_before_anything_is_found(self):
        target = self.lie("unserved", self.library())
        done = self.survive(target.pid, statuses=(75,))
        self.assertIn("does not answer", done.stderr)
        self.assertFalse((self.folder / "x.austin").exists())

    def test_a_look(self):
        target = self.lie("unserved", self.library())
        begun = time.monotonic()
        done = self.run_to_end(ECHIOND, "--where", target.pid)
        taken = time.monotonic() - begun
        self.expect(done, 75, f"the memory of process {target.pid} does not answer")
        self.assertRegex(done.stdout, rf"\nliar \({target.pid}\): .*\n")
        told = self.run_to_end(ECHIOND, "--where", target.pid, "--json")
        self.expect(told, 75)
        (process,) = json.loads(told.stdout)["processes"]
        self.assertEqual((process["pid"], process["python"]), (target.pid, None))
        self.assertIn("liar", [thread["name"] for thread in process["threads"]])
        self.assertLess(taken, 3)  # a second, on a machine that does nothing else

    def test_a_launched_command_goes_on(self):
        daemon = self.start(ECHIOND, "-o", "x", self.liar, "unserved", self.library(),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(daemon.stdout.readline(), "ready\n")
        self.assertIn("does not answer", daemon.stderr.readline())
        (child,) = profiler.descendants_of(daemon.pid)
        os.kill(child, signal.SIGTERM)
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 128 + signal.SIGTERM)

    def test_ctrl_c_meanwhile(self):
        target = self.lie("unserved", self.library())
        daemon = self.attach(target.pid, "-o", "x")
        wait_for(lambda: (self.folder / "x").exists(), "the output", daemon)
        daemon.send_signal(signal.SIGINT)
        self.assertIn(daemon.wait(timeout=profiler.PATIENCE), (0, 75), daemon.stderr.read())


if __name__ == "__main__":
    unittest.main()
