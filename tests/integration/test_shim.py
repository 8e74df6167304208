"""What the shim tells, and what becomes of it: destroyed code, SIGQUIT, a daemon that dies, and a
target that lies."""

import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import interpreters
import profiler
import shown
from profiler import ECHION, PYTHON, Profile, wait_for

SHORT_CODE = interpreters.TARGETS / "short_code.py"
# Does work that it can check itself, until standard input ends; then says whether all was right.
CHECKED = """
import hashlib, sys, threading
right = hashlib.sha256(b"x" * 1000).hexdigest()
ends = threading.Event()
def end():
    sys.stdin.read()
    ends.set()
threading.Thread(target=end, daemon=True).start()
print("ready", flush=True)
wrong = rounds = 0
while not ends.is_set():
    scope = {}
    exec(f"def double(x):\\n    return x * 2 + {rounds}", scope)
    wrong += scope["double"](21) != 42 + rounds
    wrong += hashlib.sha256(b"x" * 1000).hexdigest() != right
    rounds += 1
print(wrong, rounds > 0, flush=True)
"""
# Offers a ring of its own making: sys.argv[1] says what is wrong with it.
LIAR = """
import fcntl, mmap, os, random, struct, sys, threading, time
how = sys.argv[1]
SIZE, MAGIC = 192 + 4096 * 64, 0x676e69726e6f6963
SHRINK, GROW, WRITE = 2, 4, 8
fd = os.memfd_create("ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
size = {"huge": 1 << 40, "small": 100, "shrunk": SIZE}.get(how, SIZE)
os.ftruncate(fd, size)
if how not in ("unsealed", "shrunk"):
    fcntl.fcntl(fd, 1033, SHRINK | GROW)
pid = os.getppid() if how == "anothers" else os.getpid()
header = struct.pack("<QIIIi", MAGIC, 1, 4096, 64, pid)
if how in ("unsealed", "shrunk", "huge", "anothers", "small"):
    os.pwrite(fd, header[:size], 0)
else:
    ring = mmap.mmap(fd, SIZE)
    ring[:24] = header
    dice = random.Random(7)
    def head(value): ring[64:68] = struct.pack("<I", value & 0xffffffff)
    def tail(): return struct.unpack("<I", ring[128:132])[0]
    def check(number, kind, size, payload):
        value = number ^ kind << 48 ^ size << 32
        for byte in payload:
            value = (value ^ byte) * 0x100000001B3 & 0xffffffffffffffff
        return (value ^ value >> 32) & 0xffffffff
    def record(number, kind, size, payload):
        payload = payload.ljust(52, b"\\0")
        at = 192 + number % 4096 * 64
        ring[at + 4:at + 64] = struct.pack("<IHH", check(number, kind, size, payload), kind, size) + payload
        ring[at:at + 4] = struct.pack("<I", number + 1 & 0xffffffff)
    def lie():
        number = 0
        while True:
            if how == "counters":
                head(dice.getrandbits(32))
            elif how == "uncommitted":
                head(tail() + 1)
            elif how == "random":
                ring[192:] = dice.randbytes(SIZE - 192) if hasattr(dice, "randbytes") else os.urandom(SIZE - 192)
                head(tail() + 4096)
            elif how == "version":
                ring[8:12] = struct.pack("<I", 99)
            elif how == "punched":
                ring[:24] = header
                os.posix_fallocate(fd, 0, SIZE)
                import ctypes
                ctypes.CDLL(None).fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(SIZE))
            elif how == "dropped":
                ring[68:72] = struct.pack("<I", dice.getrandbits(32))
            else:
                for _ in range(200):
                    if number - tail() & 0xffffffff < 4096:
                        kind, payload = {
                            "flood": (1, struct.pack("<Q", dice.getrandbits(64))),
                            "forks": (2, struct.pack("<i", 1)),
                            "kinds": (dice.getrandbits(16), bytes(52)),
                        }[how]
                        record(number, kind, len(payload), payload)
                        number += 1
                        head(number)
            time.sleep(0.0002)
    threading.Thread(target=lie, daemon=True).start()
def busy():
    return sum(range(100))
print("ready", flush=True)
if how == "shrunk":
    def cut():
        while True:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, SIZE)
    threading.Thread(target=cut, daemon=True).start()
while True:
    busy()
"""
# What each of them is to be called: CORRUPT, a shim, or nothing at all.
LIES = {
    "unsealed": "CORRUPT",
    "shrunk": "CORRUPT",
    "huge": "CORRUPT",
    "small": "CORRUPT",
    "version": None,  # CORRUPT if it comes in time
    "counters": "CORRUPT",
    "anothers": "",
    "uncommitted": "the shim is in",
    "random": "the shim is in",
    "punched": None,
    "dropped": "the shim is in",
    "flood": "the shim is in",
    "forks": "the shim is in",
    "kinds": "the shim is in",
}


# Becomes the interpreter once more, with the shim.
PRELOAD = """
import os, sys
environment = {**os.environ, "LD_PRELOAD": sys.argv[1]}
os.execve(sys.executable, [sys.executable, *sys.argv[2:]], environment)
"""


class Shim(profiler.TestCase):
    def pythons(self, oldest=8):
        return [i for i in interpreters.find() if not i.missing and i.minor >= oldest]

    def preloaded(self, python, *arguments):
        """The command that runs a Python with the shim, in whatever root it is."""
        return interpreters.command(
            python, ["-c", PRELOAD], profiler.shim(python.bits), *arguments
        )

    def begin(self, python, *arguments):
        """Starts it, and returns once it has said "ready"."""
        target = self.start(
            *self.preloaded(python, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.assertEqual(target.stdout.readline(), "ready\n")
        return target

    def begin_here(self, *arguments):
        return self.python(*arguments, env={**self.environment, "LD_PRELOAD": str(profiler.shim(64))})


class DestroyedCode(Shim):
    """tests/targets/short_code.py: function fN calls gN, and no other."""

    def test_nobody_has_its_predecessors_name(self):
        for python in self.pythons(oldest=12):
            with self.subTest(python=python.name):
                target = self.begin(python, SHORT_CODE, "30")
                attached = self.attach(
                    target.pid, "-v", "-x", "2", "-i", "100us", "-o", f"{python.name}.mojo"
                )
                _, said = attached.communicate(timeout=profiler.PATIENCE)
                target.kill()
                self.assertEqual(attached.returncode, 0, said)
                self.assertIn("the shim is in", said)
                calls, wrong = shown.short_code_calls(self.folder / f"{python.name}.mojo")
                self.assertGreater(calls, 500)
                self.assertEqual(wrong, 0, f"of {calls}")


class SigQuit(Shim):
    """Ctrl+\\ in a launched session."""

    CODE = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.01)\n"

    def launch(self, *options, code=CODE):
        running = self.start(
            ECHION, "-v", "-o", "x.austin", *options, PYTHON, "-c", code,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.assertEqual(running.stdout.readline(), "ready\n")
        wait_for(lambda: (self.folder / "x.austin").exists(), "profile", running)
        (pid,) = profiler.descendants_of(running.pid)
        return running, pid

    def test_the_program_goes_on(self):
        running, pid = self.launch()
        for _ in range(3):
            os.kill(pid, signal.SIGQUIT)
            time.sleep(0.05)
        self.assertIn(profiler.state_of(pid), ("S", "R"))
        os.kill(pid, signal.SIGTERM)
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 128 + signal.SIGTERM, said)
        self.assertIn(f"process {pid} got SIGQUIT", said)

    def test_not_without_the_shim_nor_by_stealth(self):
        for option in ("--no-shim", "-s"):
            with self.subTest(option=option):
                running, pid = self.launch(option)
                os.kill(pid, signal.SIGQUIT)
                _, said = running.communicate(timeout=profiler.PATIENCE)
                self.assertEqual(running.returncode, 128 + signal.SIGQUIT, said)

    def test_the_program_s_own_handler_holds(self):
        own = (
            "import signal, sys\n"
            "signal.signal(signal.SIGQUIT, lambda *_: sys.exit(9))\n" + self.CODE
        )
        running, pid = self.launch(code=own)
        os.kill(pid, signal.SIGQUIT)
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 9, said)
        self.assertNotIn("got SIGQUIT", said)

    def test_its_disposition_can_be_saved_and_restored(self):
        code = (
            "import signal\n"
            "before = signal.getsignal(signal.SIGQUIT)\n"
            "saved = signal.signal(signal.SIGQUIT, lambda *_: None)\n"
            "signal.signal(signal.SIGQUIT, saved)\n"
            "print(before == saved == signal.SIG_DFL)\n"
        )
        for python in interpreters.find():
            if not python.missing and not python.root:
                with self.subTest(python=python.name):
                    done = self.run_to_end(
                        ECHION, "-o", "x.austin", *interpreters.command(python, ["-c", code])
                    )
                    self.assertEqual(done.stdout, "True\n", done.stderr)

    def test_ignored_stays_ignored(self):
        shown = "import signal\nprint(signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN)\n"
        before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        try:
            done = self.run_to_end(
                ECHION, "-o", "x.austin", PYTHON, "-c", shown, restore_signals=False
            )
        finally:
            signal.signal(signal.SIGQUIT, before)
        self.assertEqual(done.stdout, "True\n", done.stderr)

    def test_what_it_starts_has_the_default(self):
        code = (
            "import signal, subprocess\n"
            "print(subprocess.run(['sh', '-c', 'kill -QUIT $$; echo alive']).returncode)\n"
        )
        done = self.run_to_end(ECHION, "-o", "x.austin", PYTHON, "-c", code)
        self.assertEqual(done.stdout, f"{-signal.SIGQUIT}\n", done.stderr)

    def test_the_default_is_back_once_nobody_listens(self):
        target = self.begin_here(self.CODE)
        os.kill(target.pid, signal.SIGQUIT)
        self.assertEqual(target.wait(timeout=profiler.PATIENCE), -signal.SIGQUIT)


class Daemons(Shim):
    """Come, go and die."""

    def test_one_after_the_other(self):
        target = self.begin_here(CHECKED)
        for _ in range(5):
            attached = self.attach(target.pid, "-v", "-x", "0.2", "-o", "x.austin")
            _, said = attached.communicate(timeout=profiler.PATIENCE)
            self.assertEqual(attached.returncode, 0, said)
            self.assertIn("the shim is in", said)
        self.expect_right(target)

    def test_two_at_once(self):
        target = self.begin_here(CHECKED)
        both = [self.attach(target.pid, "-v", "-x", "1", "-o", f"{n}.austin") for n in range(2)]
        said = [one.communicate(timeout=profiler.PATIENCE)[1] for one in both]
        self.assertEqual([one.returncode for one in both], [0, 0], said)
        self.assertLessEqual(sum("the shim is in" in text for text in said), 2)
        self.expect_right(target)

    def test_killed_at_any_moment(self):
        rounds = int(os.environ.get("ECHION_TEST_KILLS", "20"))
        for python in self.pythons():
            with self.subTest(python=python.name):
                target = self.begin(python, "-c", CHECKED)
                for n in range(rounds):
                    attached = self.attach(target.pid, "-q", "-i", "100us", "-o", "x.austin")
                    time.sleep(0.002 * n)
                    attached.kill()
                    attached.wait()
                self.expect_right(target)

    def expect_right(self, target):
        said, _ = target.communicate("", timeout=profiler.PATIENCE)
        self.assertEqual(said, "0 True\n")
        self.assertEqual(target.returncode, 0)


class Unseen(Shim):
    """What a program can see of the shim."""

    SHOWN = """
import os, signal, sys, threading
print(sorted(os.environ))
print(sorted(n for n in map(int, os.listdir("/proc/self/fd")) if n < 64))
print(threading.enumerate(), sys.getprofile(), sys.gettrace(), sorted(sys.modules))
print(os.open("/dev/null", os.O_RDONLY))
"""

    def test_a_python_sees_nothing_of_it(self):
        for python in self.pythons():
            with self.subTest(python=python.name):
                alone = self.run_to_end(*interpreters.command(python, ["-c", self.SHOWN]))
                self.assertEqual(alone.returncode, 0, alone.stderr)
                done = self.run_to_end(*self.preloaded(python, "-c", self.SHOWN))
                blank = re.compile(r" at 0x[0-9a-f]+|started \d+")
                self.assertEqual(blank.sub("", done.stdout), blank.sub("", alone.stdout))
                self.assertEqual(done.stderr, alone.stderr)

    def test_stealth_leaves_no_name(self):
        code = (
            "import os\n"
            "print('echion' in open('/proc/self/maps').read())\n"
            "print('echion' in open('/proc/self/environ').read())\n"
        )
        done = self.run_to_end(ECHION, "-s", "-v", "-o", "x.austin", PYTHON, "-c", code)
        self.assertEqual(done.stdout, "False\nFalse\n", done.stderr)
        self.assertIn("the shim is in", done.stderr)


class Liars(Shim):
    """A target that offers a ring of its own making harms nobody."""

    def test_all(self):
        for how, said in LIES.items():
            with self.subTest(how=how):
                target = self.python(LIAR, how)
                attached = self.attach(
                    target.pid, "-v", "-C", "-x", "0.5", "-i", "1ms", "-o", f"{how}.austin"
                )
                _, notices = attached.communicate(timeout=profiler.PATIENCE)
                self.assertEqual(attached.returncode, 0, notices)
                self.assertIn(said or "", notices)
                if said == "":
                    self.assertNotIn("the shim is in", notices)
                    self.assertNotIn("CORRUPT", notices)
                profile = Profile.read(self.folder / f"{how}.austin")
                self.assertIn("busy", profile.functions())
                self.assertEqual({s.pid for s in profile.samples}, {target.pid})

    def test_one_that_lies_for_long_costs_no_memory(self):
        target = self.python(LIAR, "flood")
        attached = self.attach(target.pid, "-q", "-i", "1ms", "-o", "x.austin")
        wait_for(lambda: (self.folder / "x.austin").exists(), "profile", attached)

        def resident():
            text = pathlib.Path(f"/proc/{attached.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

        time.sleep(1)
        before = resident()
        time.sleep(3)
        self.assertLess(resident(), before + 4096)
        attached.terminate()
        self.assertEqual(attached.wait(timeout=profiler.PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
