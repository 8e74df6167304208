"""What a profile has to show of the names and stacks that a target tells (tests/targets/told_stack.py).

    class Names(shown.TestCase):
        def test_it(self):
            self.on_every(self.pythons, self.look)      # looks of several Pythons at a time
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess

import interpreters
import profiler
from mojo_reader import MojoReader, Place
from profile_reader import INVALID

INVALID = ":INVALID:"
NAME_MAX = 4095  # bytes that are kept of a file's or function's name
LABEL_MAX = 1023  # and of a thread's
READ = {64: "0", 32: "3"}  # the number of the system call, by word size
AT_ONCE = 2 * len(os.sched_getaffinity(0))  # looks, which are mostly waiting


def is_breaking(character):
    """Whether it would end a field or a line somewhere, or move a terminal's cursor."""
    return character in ";\u2028\u2029" or character < " " or "\x7f" <= character <= "\x9f"


def cut(text, size):
    """The first `size` bytes, less what is left of a character that does not fit."""
    return text.encode()[:size].decode(errors="ignore")


def shown_name(name, function=False):
    """A name as FORMATS has it: what breaks a format replaced, and not too long."""
    text = "".join(
        "_" if is_breaking(c) or (function and c == ":") else "\ufffd" if "\ud800" <= c <= "\udfff" else c
        for c in name
    )
    return cut(text, NAME_MAX) or ("<unknown>" if function else "")


def shown_label(name, tid, shared=False):
    """What a thread goes by: its name, followed by its id where another has the same one."""
    if name is None:
        return str(tid)
    label = cut(shown_name(name), LABEL_MAX)
    try:
        int(label, 16)
        label = f'"{label}"'
    except ValueError:
        pass
    return f"{label}-{tid}" if shared else label


def shown_stack(told):
    """The frames of a told stack as Places."""
    return [
        Place(shown_name(file), shown_name(function, True), *place) for file, function, *place in told
    ]


def short_code_calls(path):
    """Of tests/targets/short_code.py, where function fN calls gN and no other: how many calls of a gN a
    binary profile shows, and how many of them by another than fN."""
    calls = wrong = 0
    for sample in MojoReader.read_file(path).samples:
        names = [frame.function for frame in sample.frames if frame != INVALID]
        for caller, callee in zip(names, names[1:]):
            if re.fullmatch(r"g\d+", callee):
                calls += 1
                wrong += caller != "f" + callee[1:]
    return calls, wrong


def as_text(frames):
    return [f"{frame.file}:{frame.function}:{frame.line}" for frame in frames]


class TestCase(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
        self.pythons = [i for i in interpreters.find() if not i.missing]
        self.assertTrue(self.pythons)

    def on_every(self, pythons, look, at_once=AT_ONCE):
        """Calls look(python) for each, several at a time; each is a sub-test."""
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            looks = [(python, pool.submit(look, python)) for python in pythons]
        for python, result in looks:
            with self.subTest(python=python.name):
                result.result()

    def spawn(self, python, script, *arguments, environment=None, **how):
        """A target that prints a line once it is as it will be sampled, and that line."""
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        popen["env"] = self.environment | (environment or {})
        target = interpreters.spawn(python, script, *arguments, popen=popen, **how)
        self.addCleanup(target.kill)
        line = target.process.stdout.readline()
        self.assertTrue(line, f"{python.name}: the target did not start")
        return target, line

    def profile(self, pid, path, *options, exposure=0.1):
        """Profiles a process for a moment, or longer where nothing was seen in that; what was said."""
        while True:
            done = self.run_to_end(profiler.ECHIOND, "-vp", pid, "-x", exposure, "-o", path, *options)
            self.expect(done, 0)
            if path.exists() or exposure > profiler.PATIENCE / 4:
                return done.stderr
            exposure *= 4

    def wait_for_rest(self, python, target, told):
        """Waits until a thread that has told its stack is in the read behind that."""
        path = pathlib.Path(f"/proc/{target.pid}/task/{told['tid']}/syscall")
        profiler.wait_for(
            lambda: path.read_text().split()[0] == READ[python.bits], f"read in {path}", target.process
        )

    def expect_standing(self, samples, expected):
        """All samples are that stack, but for the first looks, which may not reach its end before they
        know where its generators are. `expected` and the samples' frames are text, or both Places."""
        first = 0
        while first < len(samples) - 1 and INVALID in samples[first].frames[-1:]:
            whole = list(samples[first].frames[:-1])
            self.assertEqual(whole, expected[: len(whole)])
            first += 1
        self.assertGreater(len(samples), first)
        for sample in samples[first:]:
            self.assertEqual(list(sample.frames), expected)
