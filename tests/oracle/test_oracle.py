"""The oracle, tried on profiles whose faults are known."""

import math
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import intervals  # noqa: E402
import oracle  # noqa: E402
import profile_reader  # noqa: E402

TRUTH = oracle.Truth(
    {
        "roots": ["app.py:<module>"],
        "pairs": [
            ["app.py:<module>", "app.py:main", [90]],
            ["app.py:main", "app.py:left", [20, 21]],
            ["app.py:main", "app.py:right", [22]],
            ["app.py:left", "app.py:leaf", []],
        ],
        "lines": {
            "app.py:<module>": [1, 90],
            "app.py:main": [19, 20, 21, 22],
            "app.py:left": [5, 6],
            "app.py:right": [8],
            "app.py:leaf": [3],
        },
    }
)

HEADER = "# austin: 3.7.0\n# interval: 100\n# mode: wall\n\n"
WHOLE = "P7;T0:MainThread;/x/app.py:<module>:90;/x/app.py:main:20;/x/app.py:left:5;/x/app.py:leaf:3"
RIGHT = "P7;T0:MainThread;/x/app.py:<module>:90;/x/app.py:main:22;/x/app.py:right:8"
# right never calls leaf.
IMPOSSIBLE = RIGHT + ";/x/app.py:leaf:3"
# The stack begins in the middle.
HEADLESS = "P7;T0:MainThread;/x/app.py:left:5;/x/app.py:leaf:3"
INVALID = "P7;T0:MainThread;/x/app.py:<module>:90;/x/app.py:main:22;:INVALID:"
EMPTY = "P7;T0:MainThread"
# main calls right at line 22 only.
WRONG_LINE = "P7;T0:MainThread;/x/app.py:<module>:90;/x/app.py:main:21;/x/app.py:right:8"


def text_profile(samples, header=HEADER):
    text = header + "".join("%s %d\n" % sample for sample in samples)
    return profile_reader.read_text(text.splitlines(True))


def mojo_integer(value):
    magnitude = abs(value)
    byte = (magnitude & 0x3F) | (0x40 if value < 0 else 0)
    magnitude >>= 6
    out = bytearray()
    while magnitude:
        out.append(byte | 0x80)
        byte = magnitude & 0x7F
        magnitude >>= 7
    out.append(byte)
    return bytes(out)


def mojo_string(text):
    return text.encode() + b"\0"


class MojoFile:
    """Writes MOJO 3, as FORMATS describes it, for one process."""

    def __init__(self):
        self.data = bytearray(b"MOJ" + mojo_integer(3))
        self.keys = {}

    def metadata(self, key, value):
        self.data += b"\1" + mojo_string(key) + mojo_string(value)

    def sample(self, frames, metric):
        self.data += b"\2" + mojo_integer(7) + mojo_integer(0) + mojo_string("MainThread")
        for frame in frames:
            if frame == profile_reader.INVALID:
                self.data += b"\4"
                continue
            if frame not in self.keys:
                self.define(frame)
            self.data += b"\5" + mojo_integer(self.keys[frame])
        self.data += b"\x09" + mojo_integer(metric)

    def define(self, frame):
        key = len(self.keys) + 2
        for index, text in enumerate((frame[0], frame[1])):
            self.data += b"\x0b" + mojo_integer(1000 + 2 * key + index) + mojo_string(text)
        self.keys[frame] = key
        self.data += b"\3" + mojo_integer(key)
        self.data += mojo_integer(1000 + 2 * key) + mojo_integer(1001 + 2 * key)
        for number in (frame[2], frame[2], 5, 9):
            self.data += mojo_integer(number)


class JudgeText(unittest.TestCase):
    def test_clean_profile(self):
        verdict = oracle.judge(text_profile([(WHOLE, 300), (RIGHT, 700)]), TRUTH)
        self.assertEqual(verdict.total.metric, 1000)
        self.assertEqual(verdict.samples, 10)
        for part in (verdict.impossible, verdict.truncated, verdict.bad, verdict.lines):
            self.assertEqual(part.metric, 0)

    def test_impossible_pairs_are_weighed_and_named(self):
        verdict = oracle.judge(text_profile([(WHOLE, 900), (IMPOSSIBLE, 100)]), TRUTH)
        self.assertEqual(verdict.impossible.metric, 100)
        self.assertEqual(verdict.truncated.metric, 0)
        self.assertEqual(verdict.pairs, {("app.py:right", "app.py:leaf"): 100})
        self.assertAlmostEqual(verdict.share(verdict.impossible)[0], 0.1)

    def test_every_kind_of_truncation(self):
        samples = [(WHOLE, 600), (HEADLESS, 100), (INVALID, 100), (EMPTY, 200)]
        verdict = oracle.judge(text_profile(samples), TRUTH)
        self.assertEqual(verdict.truncated.metric, 400)
        self.assertEqual(verdict.impossible.metric, 0)
        self.assertEqual(verdict.starts["app.py:left"], 100)
        self.assertEqual(verdict.starts["(empty)"], 200)

    def test_both_faults_count_once_as_bad(self):
        both = HEADLESS + ";/x/app.py:main:20"
        verdict = oracle.judge(text_profile([(WHOLE, 900), (both, 100)]), TRUTH)
        self.assertEqual(verdict.impossible.metric, 100)
        self.assertEqual(verdict.truncated.metric, 100)
        self.assertEqual(verdict.bad.metric, 100)

    def test_a_pair_is_not_made_across_an_invalid_frame(self):
        gap = RIGHT.rpartition(";")[0] + ";:INVALID:;/x/app.py:leaf:3"
        verdict = oracle.judge(text_profile([(gap, 100)]), TRUTH)
        self.assertEqual(verdict.impossible.metric, 0)
        self.assertEqual(verdict.truncated.metric, 100)

    def test_lines(self):
        verdict = oracle.judge(text_profile([(WHOLE, 900), (WRONG_LINE, 100)]), TRUTH)
        self.assertEqual(verdict.lines.metric, 100)
        self.assertEqual(verdict.bad.metric, 0)

    def test_number_of_samples_from_the_footer(self):
        profile = text_profile([(WHOLE, 1000)], HEADER + "# samples: 42\n")
        self.assertEqual(profile.samples(), 42)

    def test_a_collecting_thread_is_not_truncated(self):
        verdict = oracle.judge(text_profile([(WHOLE + ";:GC:", 100)]), TRUTH)
        self.assertEqual(verdict.bad.metric, 0)
        self.assertEqual(oracle.leaf_of(next(iter(verdict_stacks()))), "app.py:leaf")

    def test_a_cut_last_line_is_left_out(self):
        profile = profile_reader.read_text((HEADER + WHOLE + " 100\n" + WHOLE + " 1").splitlines(True))
        self.assertTrue(profile.cut)
        self.assertEqual(profile.metric(), 100)

    def test_separators_in_names(self):
        line = "P7;T0:a thread: 3;/x y/a:b.py:f_g:3 100\n"
        profile = profile_reader.read_text([line])
        stack = next(iter(profile.blocks[0]))
        self.assertEqual(stack.thread, "a thread: 3")
        self.assertEqual(stack.frames[0], profile_reader.Frame("/x y/a:b.py", "f_g", 3))

    def test_malformed_lines_are_refused(self):
        for line in ("nonsense 3\n", "P7;T0:x;frame 3\n", "P7;T0:x;a:b:c 3\n"):
            with self.assertRaises((profile_reader.MalformedProfile, ValueError)):
                profile_reader.read_text([line])


def verdict_stacks():
    profile = text_profile([(WHOLE + ";:GC:", 100)])
    return [stack.frames for stack, _ in profile.stacks()]


class JudgeMojo(unittest.TestCase):
    MODULE = ("/x/app.py", "<module>", 90)
    MAIN = ("/x/app.py", "main", 22)
    RIGHT = ("/x/app.py", "right", 8)
    LEAF = ("/x/app.py", "leaf", 3)

    def read(self, file):
        with tempfile.NamedTemporaryFile(suffix=".mojo") as out:
            out.write(file.data)
            out.flush()
            return profile_reader.read_profile(out.name)

    def test_counts_and_metric_are_apart(self):
        file = MojoFile()
        file.metadata("mode", "wall")
        for _ in range(8):
            file.sample([self.MODULE, self.MAIN, self.RIGHT], 100)
        file.sample([self.MODULE, self.MAIN, self.RIGHT, self.LEAF], 300)
        file.sample([self.MODULE, self.MAIN, profile_reader.INVALID], 900)
        profile = self.read(file)
        verdict = oracle.judge(profile, TRUTH)
        self.assertEqual(profile.metadata["mode"], "wall")
        self.assertEqual(verdict.samples, 10)
        self.assertEqual(verdict.impossible.samples, 1)
        self.assertEqual(verdict.impossible.metric, 300)
        self.assertEqual(verdict.truncated.samples, 1)
        self.assertAlmostEqual(verdict.share(verdict.truncated)[0], 0.45)
        self.assertAlmostEqual(verdict.share_of_samples(verdict.truncated)[0], 0.1)

    def test_an_opening_stack_of_no_time_is_no_sample(self):
        file = MojoFile()
        file.sample([], 0)
        file.sample([self.MODULE, self.MAIN, self.RIGHT], 100)
        self.assertEqual(oracle.judge(self.read(file), TRUTH).samples, 1)

    def test_a_cut_file_keeps_its_whole_samples(self):
        file = MojoFile()
        file.sample([self.MODULE, self.MAIN, self.RIGHT], 100)
        whole = len(file.data)
        file.sample([self.MODULE, self.MAIN, self.RIGHT], 100)
        everything = bytes(file.data)
        for size in range(whole + 1, len(everything)):
            file.data = everything[:size]
            profile = self.read(file)
            self.assertTrue(profile.cut, size)
            self.assertEqual(profile.samples(), 1, size)

    def test_integers(self):
        for value in (0, 1, 63, 64, 8191, 8192, -131, 10**15, -(10**15)):
            data = profile_reader.Bytes(mojo_integer(value))
            self.assertEqual(data.integer(), value)
        self.assertEqual(profile_reader.Bytes(b"\xc3\x02").integer(), -131)

    def test_what_is_not_mojo_is_refused(self):
        for data in (b"MOX\3", b"MOJ\4", b"MOJ\3\5\1", b"MOJ\3\2\7\0a\0\5\x09", b"MOJ\3\2\7\0a\0\x0d"):
            with self.assertRaises(profile_reader.MalformedProfile):
                profile_reader.MojoReader(data).read()


class Leaves(unittest.TestCase):
    def test_the_largest_difference_is_found(self):
        ours = text_profile([(WHOLE, 600), (RIGHT, 400)])
        reference = text_profile([(WHOLE, 500), (RIGHT, 500)])
        worst = oracle.leaf_differences([ours], [reference])[0]
        self.assertAlmostEqual(abs(worst.points), 10.0)

    def test_a_leaf_that_one_side_lacks(self):
        ours = text_profile([(WHOLE, 800), (IMPOSSIBLE, 100), (RIGHT, 100)])
        reference = text_profile([(RIGHT, 1000)])
        worst = oracle.leaf_differences([ours], [reference])[0]
        self.assertAlmostEqual(abs(worst.points), 90.0)

    def test_equal_profiles_do_not_differ(self):
        profile = text_profile([(WHOLE, 600), (RIGHT, 400)] * 10)
        self.assertEqual(len(profile.blocks), 10)
        self.assertEqual(oracle.leaf_differences([profile], [profile])[0].points, 0.0)

    def test_the_error_follows_the_scatter_between_blocks(self):
        steady = text_profile([(WHOLE, 5000), (RIGHT, 5000)] * 10)
        moving = text_profile([(WHOLE, 8000), (RIGHT, 2000), (WHOLE, 2000), (RIGHT, 8000)] * 5)
        quiet = oracle.leaf_differences([steady], [steady])[0].error
        loud = oracle.leaf_differences([moving], [steady])[0].error
        self.assertGreater(loud, 3 * quiet)


class Intervals(unittest.TestCase):
    def test_wilson(self):
        low, high = intervals.wilson(10, 100)
        self.assertAlmostEqual(low, 0.0552, places=3)
        self.assertAlmostEqual(high, 0.1744, places=3)
        self.assertEqual(intervals.wilson(0, 100000)[0], 0.0)
        self.assertAlmostEqual(intervals.wilson(0, 100000)[1], 3.84e-5, places=6)

    def test_mean_interval(self):
        mean, reach = intervals.mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
        self.assertAlmostEqual(mean, 3.0)
        self.assertAlmostEqual(reach, 2.776 * math.sqrt(2.5 / 5), places=3)

    def test_median_interval(self):
        middle, (low, high) = intervals.median_interval(range(1, 21))
        self.assertEqual((middle, low, high), (10.5, 6, 15))  # as in every table for n = 20
        self.assertEqual(intervals.median_interval(range(1, 9))[1], (1, 8))
        self.assertEqual(intervals.median_interval([1, 2, 3])[1], (-math.inf, math.inf))

    def test_share_error_of_even_blocks_is_nothing(self):
        self.assertAlmostEqual(intervals.share_error([(5, 10)] * 8), 0.0)


if __name__ == "__main__":
    unittest.main()
