"""Threads that live for milliseconds: whether they show, under their names, and never under another's."""

import collections
import unittest

import profiler
import shown
from interpreters import TARGETS
from profiler import Profile

COUNT = 200
BEGUN = 5000  # microseconds in a profile after which a thread has its name


def labels_of(profile):
    """From the number of each thread's function to the time that it has under each label."""
    found = collections.defaultdict(collections.Counter)
    for sample in profile.samples:
        for frame in sample.frames:
            function = frame.split(":")[-2]
            if function.startswith("body_"):
                found[int(function[len("body_") :])][sample.thread] += sample.metric
    return found


class ShortThreads(shown.TestCase):
    def sample(self, python, interval, *arguments):
        """A profile of such threads from the first to the last, and how many there were."""
        target, _ = self.spawn(python, TARGETS / "short_threads.py", *arguments)
        path = self.folder / f"{python.name}.austin"
        daemon = self.attach(target.pid, "-vi", interval, "-o", path)
        self.wait_for_samples(path, daemon)
        target.process.stdin.write("go\n")
        target.process.stdin.flush()
        started = int(target.process.stdout.readline())
        daemon.terminate()
        said = daemon.stderr.read()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, said)
        target.kill()
        profile = Profile.read(path)
        self.expect_whole(profile, said)
        self.assertEqual(profile.number("errors"), 0)
        return profile, started

    def expect_no_other_name(self, profile):
        """Threads go by their own names, or by a number."""
        labels = labels_of(profile)
        for number, times in labels.items():
            names = {label for label in times if not label.isdigit()}
            self.assertLessEqual(names, {f"short {number}"}, f"thread {number}: {times}")
        for sample in profile.samples:
            self.assertRegex(sample.thread, r"\A(MainThread|short \d+|\d+)\Z")
            if any(":<module>:" in frame for frame in sample.frames):
                self.assertNotIn("short", sample.thread)
        return labels

    def test_ten_milliseconds(self):
        def look(python):
            profile, started = self.sample(python, "1ms", "rest", 10, 10, COUNT)
            labels = self.expect_no_other_name(profile)
            self.assertEqual(started, COUNT)
            self.assertGreater(len(labels), COUNT / 2, "threads that show")
            begun = {n: times for n, times in labels.items() if times.total() >= BEGUN}
            unnamed = [times for n, times in begun.items() if set(times) != {f"short {n}"}]
            # On a busy machine one may not get to run for that long, or the sampler for as long as that.
            held_up = profile.number("missed") / (BEGUN / 1000)
            self.assertLessEqual(len(unnamed), len(begun) / 20 + held_up, unnamed)

        self.on_every(self.pythons, look, at_once=1)

    def test_two_milliseconds_where_the_next_begins_as_one_ends(self):
        def look(python):
            profile, _ = self.sample(python, "100us", "busy", 2, 1, COUNT)
            labels = self.expect_no_other_name(profile)
            named = [number for number, times in labels.items() if times[f"short {number}"]]
            self.assertGreater(len(labels), COUNT / 4, "threads that show")
            self.assertGreater(len(named), len(labels) / 2)

        self.on_every(self.pythons, look, at_once=1)

    def test_fifty_at_a_time_as_fast_as_they_can(self):
        def look(python):
            profile, started = self.sample(python, "1ms", "busy", 0, 50, 1000, 1)
            self.expect_no_other_name(profile)
            # All that time the main thread was there.
            main = sum(sample.metric for sample in profile.samples if sample.thread == "MainThread")
            self.assertGreaterEqual(started, 1000)
            self.assertLess(main, profile.number("duration") * 1.01)
            self.assertGreater(main, profile.number("duration") * 0.9)

        self.on_every(self.pythons, look, at_once=1)


if __name__ == "__main__":
    unittest.main()
