"""What a profile shows: every name, line and column right, in both formats, with every Python."""

import json
import pathlib
import sys
import unittest

import interpreters
import profiler
import shown
from interpreters import TARGETS
from mojo_reader import MojoReader
from profiler import ECHION, Profile

READERS = pathlib.Path(__file__).resolve().parents[1] / "readers"
# Built beside the programs: what we read out of a profile, and (not used here) a made-up profile.
BUILT = profiler.BIN.parent / "tests/readers"
PRINT_TALLY, MAKE_PROFILE = BUILT / "print_tally", BUILT / "make_profile"
LOOKS_MAX = 20  # until all that a program does has been seen


class StandingStill(shown.TestCase):
    """A stack that does not change: every sample of it has to be that stack, to the letter."""

    def test_every_name_line_and_column(self):
        self.on_every(self.pythons, self.look)

    def look(self, python):
        target, line = self.spawn(python, TARGETS / "still.py")
        told = json.loads(line)
        expected = shown.shown_stack(told["stack"])
        self.expect_kinds(expected, python.minor)
        self.wait_for_rest(python, target, told)
        path = self.folder / f"{python.name}.austin"
        said = self.profile(target.pid, path)
        text = Profile.read(path)
        self.expect_whole(text, said)
        self.expect_standing(text.samples, shown.as_text(expected))
        path = self.folder / f"{python.name}.mojo"
        self.profile(target.pid, path)
        mojo = MojoReader.read_file(path)
        self.expect_standing(mojo.samples, expected)
        for sample in [*text.samples, *mojo.samples]:
            self.assertEqual(sample[:3], (target.pid, 0, "MainThread"))
        target.kill()

    def expect_kinds(self, expected, minor):
        """Checks that the target did stand below what this test is about."""
        places = {frame[:2] for frame in expected}
        nested = "A.B.f.<locals>.g" if minor >= 11 else "g"
        init = "Warm.__init__" if minor >= 11 else "__init__"
        self.assertLessEqual(
            {("<string>", nested), ("<string>", "été"), ("<string>", "関数"), ("/tmp/é.py", "é"),
             ("/tmp/日本語/函数.py", "函数"), ("/tmp/🐍.py", "🐍 snake"), ("C:\\a_b:c.py", "a_b_c"),
             ("/tmp/lone \ufffd.py", "lone \ufffd"), ("/" + "f" * 3000 + ".py", "f" * 3000)},
            places,
        )
        self.assertIn(init, {function for _, function in places})
        self.assertIn("<frozen importlib._bootstrap>", {file for file, _ in places})
        self.assertEqual([frame for frame in expected if "trampoline" in frame.file], [])
        self.assertEqual(all(frame.column > 0 for frame in expected), minor >= 11)
        self.assertEqual(any(frame.line_end > frame.line for frame in expected), minor >= 11)

    def test_readers_that_others_wrote_see_the_same(self):
        target = self.python(
            "import sys, threading\n"
            "for name in ('dead', '12', 'a;b:c\\nd', '日🐍', 'x' * 2000, 'twin', 'twin'):\n"
            "    threading.Thread(target=sys.stdin.read, name=name, daemon=True).start()\n"
            "source = 'def f(go): go()\\n'\n"
            "for name in ('é', '日本語', '🐍', 'a;b', 'a b 12', '\\ud800'):\n"
            "    space = {}\n"
            "    exec(compile(source, '<' + name.replace('\\ud800', '\\udc80') + '>', 'exec'), space)\n"
            "    f = space['f']\n"
            "    f.__code__ = f.__code__.replace(co_name=name)\n"
            "    old = globals().get('go', lambda: sum(range(100)))\n"
            "    globals()['go'] = lambda f=f, old=old: f(old)\n"
            "print('ready', flush=True)\n"
            "while True: go()\n"
        )
        files = [self.folder / "x.austin", self.folder / "x.mojo"]
        for file in files:
            self.profile(target.pid, file, exposure=0.3)
        for reader in ("austin-python", "speedscope"):
            with self.subTest(reader=reader):
                done = self.run_to_end(
                    sys.executable, "-B", READERS / "check.py", "--tally", PRINT_TALLY,
                    "--make", MAKE_PROFILE, "--report", ECHION, reader, *files,
                )
                if done.returncode == 77:
                    self.skipTest(done.stdout.strip())
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn("x.austin", done.stdout)


# What runs below outer, in as many shapes as the interpreter's own code for a call of a class has.
TRAMPOLINES = """
class Warm:
    def __init__(self):
        pass
class Warmer(Warm):
    def __init__(self, n):
        super().__init__()
def by_map(n):
    return Warmer(n)
def outer():
    while True:
        for n in range(100): Warm()
        for n in range(100): Warmer(n)
        list(map(by_map, range(100)))
print("ready", flush=True)
outer()
"""
TRAMPOLINE_PAIRS = {
    ("<module>", "outer"), ("outer", "Warm.__init__"), ("outer", "Warmer.__init__"),
    ("outer", "by_map"), ("by_map", "Warmer.__init__"), ("Warmer.__init__", "Warm.__init__"),
}

# Lines are told from 1. The inner loop is what the JIT makes a trace of.
HOT = """import sys
def leaf(n):
    return n & 3
def middle():
    total = 0
    for n in range(2000):
        total += leaf(n)
    return total
def outer():
    while True:
        middle()
jit = getattr(sys, "_jit", None)
print("ready" if jit is not None and jit.is_enabled() else "no JIT", flush=True)
outer()
"""
HOT_LINES = {"<module>": {14}, "outer": {9, 10, 11}, "middle": {4, 5, 6, 7, 8}, "leaf": {2, 3}}
HOT_STACK = ("<module>", "outer", "middle", "leaf")
HOT_CALLS = {"<module>": 14, "outer": 11, "middle": 7}


class AtWork(shown.TestCase):
    def test_the_interpreters_trampolines_never_show(self):
        # Before 3.12 a frame has no trampolines.
        pythons = [python for python in self.pythons if python.minor >= 12]
        self.on_every(pythons, self.look_for_trampolines)

    def look_for_trampolines(self, python):
        target, _ = self.spawn(python, ["-c", TRAMPOLINES])
        seen = set()
        for _ in range(LOOKS_MAX):
            profile, _ = self.moment(target, python, "-i", "100us")
            for sample in profile.samples:
                for frame in sample.frames:
                    self.assertRegex(frame, r"\A(<string>:[^:]*:[1-9]\d*|:INVALID:)\Z")
                names = [frame.split(":")[-2] for frame in sample.frames if frame != shown.INVALID]
                self.assertIn(names[:1], ([], ["<module>"]))
                seen |= set(zip(names, names[1:]))
            self.assertLessEqual(seen, TRAMPOLINE_PAIRS)
            if seen == TRAMPOLINE_PAIRS:
                break
        self.assertEqual(seen, TRAMPOLINE_PAIRS)
        target.kill()

    def moment(self, target, python, *options):
        """The profile of a moment, and what was said."""
        path = self.folder / f"{python.name}.austin"
        said = self.profile(target.pid, path, *options, exposure=0.3)
        profile = Profile.read(path)
        self.expect_whole(profile, said)
        return profile, said

    def test_with_the_jit(self):
        able = [python for python in self.pythons if python.flags & {"jit", "jit-off"}]
        if not able:
            self.skipTest("no Python here has a JIT")
        self.on_every(able, self.look_at_the_jit)

    def look_at_the_jit(self, python):
        target, line = self.spawn(python, ["-c", HOT], environment={"PYTHON_JIT": "1"})
        self.assertEqual(line, "ready\n")
        depths = set()
        for _ in range(LOOKS_MAX):
            profile, said = self.moment(target, python, "-i", "200us")
            self.assertIn("JIT", said)
            self.assertLessEqual(profile.number("torn") * 100, profile.number("samples"))
            for sample in profile.samples:
                if shown.INVALID not in sample.frames:
                    self.expect_hot(sample.frames)
                    depths.add(len(sample.frames))
            if {3, 4} <= depths:
                break
        self.assertLessEqual({3, 4}, depths)
        target.kill()

    def expect_hot(self, frames):
        """A stack of HOT: the calls in order, each where it is made."""
        places = [frame.split(":")[-2:] for frame in frames]
        self.assertEqual(tuple(name for name, _ in places), HOT_STACK[: len(places)])
        for name, line in places[:-1]:
            self.assertEqual(int(line), HOT_CALLS[name], frames)
        for name, line in places[-1:]:
            self.assertIn(int(line), HOT_LINES[name], frames)


# Ten functions, one after the other, and the last one for longer than text may sum up.
PHASES = """
import time
space = {"monotonic": time.monotonic}
for n in range(10):
    exec(f"def phase_{n}(end):\\n    while monotonic() < end: pass\\n", space)
print("ready", flush=True)
input()
end = time.monotonic()
for n in range(10):
    end += 0.15 if n < 9 else 1.5
    space[f"phase_{n}"](end)
"""


class InTime(shown.TestCase):
    """What is written when: text sums up over a second at most, MOJO holds every sample."""

    INTERVAL = 5000  # microseconds

    def setUp(self):
        super().setUp()
        target = self.python(PHASES)
        outs = [self.folder / "x.austin", self.folder / "x.mojo"]
        daemons = [self.attach(target.pid, "-o", out, "-i", self.INTERVAL) for out in outs]
        for daemon, out in zip(daemons, outs):
            self.wait_for_samples(out, daemon)
        target.stdin.write("go\n")
        target.stdin.close()
        for daemon in daemons:
            self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, daemon.stderr.read())
        self.text = Profile.read(outs[0])
        self.mojo = MojoReader.read_file(outs[1])

    def phases(self, samples, name_of):
        return [int(name[6:]) for name in (name_of(s.frames[-1]) for s in samples if s.frames)
                if name.startswith("phase_")]

    def test_what_is_written_when(self):
        self.expect_whole(self.text)
        longest = 1_000_000 + self.INTERVAL * (1 + self.text.number("missed"))
        for sample in self.text.samples:
            self.assertLessEqual(sample.metric, longest)
        in_text = self.phases(self.text.samples, lambda frame: frame.split(":")[-2])
        self.assertEqual(in_text, sorted(in_text))
        self.assertGreater(len(set(in_text)), 1)

        self.assertEqual(len(self.mojo.samples), int(self.mojo.metadata["samples"]))
        in_mojo = self.phases(self.mojo.samples, lambda frame: frame.function)
        self.assertEqual(in_mojo, sorted(in_mojo))
        self.assertGreater(len(set(in_mojo)), 1)
        total = sum(sample.metric for sample in self.mojo.samples)
        self.assertAlmostEqual(total / int(self.mojo.metadata["duration"]), 1, delta=0.05)
        total = sum(sample.metric for sample in self.text.samples)
        self.assertAlmostEqual(total / self.text.number("duration"), 1, delta=0.05)


if __name__ == "__main__":
    unittest.main()
