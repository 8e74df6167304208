"""Under what name and id a thread shows, and in which interpreter, with every Python."""

import contextlib
import itertools
import json
import pathlib
import re
import unittest

import profiler
import shown
from interpreters import TARGETS
from profiler import Profile, wait_for

INTERVAL = "10ms"  # the targets are at rest


def outer_ids(pid):
    """From the ids that a process has for its threads to those of our own namespace."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            # From 3.14 on the thread's name is there too, cut anywhere.
            status = (task / "status").read_text(errors="replace")
            found[int(re.search(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE)[1])] = int(task.name)
    return found


def read_begun(path):
    """What is there of a profile that is being written."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return Profile(whole.decode())


def labels_in(profile):
    """From the functions that are named after a native id to all labels that its samples have had."""
    labels = {}
    for sample in profile.samples:
        for frame in sample.frames:
            function = frame.split(":")[-2]
            if function.startswith("native_"):
                labels.setdefault(function, []).append(sample.thread)
    return {name: [label for label, _ in itertools.groupby(seen)] for name, seen in labels.items()}


class Labels(shown.TestCase):
    def test_names_that_come_and_go(self):
        # Some wait for a second until a change shows: all are looked at at once.
        self.on_every(self.pythons, self.look, at_once=len(self.pythons))

    def look(self, python):
        # Those in a root run in a PID namespace of their own.
        target, line = self.spawn(python, TARGETS / "labels.py", pidns=python.root is not None)
        given = {int(native): name for native, name in json.loads(line).items()}
        ids = outer_ids(target.pid)
        self.assertEqual(ids == dict(zip(ids, ids)), python.root is None)
        path = self.folder / f"{python.name}.austin"
        daemon = self.attach(target.pid, "-i", INTERVAL, "-o", path)
        self.wait_for_samples(path, daemon)
        names = list(given.values())
        history = {
            f"native_{native}": [shown.shown_label(name, ids[native], names.count(name) > 1)]
            for native, name in given.items()
        }
        self.wait_for_labels(path, history, daemon)
        for step in ("one_of_two_ends", "rename", "start_another"):
            target.process.stdin.write(step + "\n")
            target.process.stdin.flush()
            for native, name in json.loads(target.process.stdout.readline()).items():
                tid, newest = outer_ids(target.pid)[int(native)], f"native_{native}"
                history.setdefault(newest, []).append(shown.shown_label(name, tid))
            if step == "one_of_two_ends":
                self.wait_for_labels(path, history, daemon)
        self.wait_for_labels(path, history, daemon)
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, daemon.stderr.read())
        profile = Profile.read(path)
        self.expect_whole(profile)
        labels = labels_in(profile)
        # One that has just begun may be seen before it has a name.
        labels[newest] = labels[newest][-1:]
        self.assertEqual(labels, history)
        self.assertEqual({sample.pid for sample in profile.samples}, {target.pid})
        target.kill()

    def wait_for_labels(self, path, history, daemon):
        """Waits until every thread has shown under its newest label."""
        wanted = {function: labels[-1] for function, labels in history.items()}
        seen = {}

        def all_are_there():
            labels = labels_in(read_begun(path))
            seen.update({function: labels.get(function, [None])[-1] for function in wanted})
            return seen == wanted

        try:
            wait_for(all_are_there, "samples of all threads", daemon)
        except AssertionError:
            self.assertEqual(seen, wanted)
            raise


class Subinterpreters(shown.TestCase):
    def test_code_that_runs_in_one(self):
        self.on_every(self.pythons, self.look)

    def look(self, python):
        target, line = self.spawn(python, TARGETS / "subinterpreters.py")
        told = [json.loads(line)] + [json.loads(target.process.stdout.readline()) for _ in range(2)]
        stacks = {one["id"]: shown.as_text(shown.shown_stack(one["stack"])) for one in told}
        self.assertEqual(len(stacks), 3)
        for one in told:
            self.wait_for_rest(python, target, one)
        path = self.folder / f"{python.name}.austin"
        said = self.profile(target.pid, path)
        profile = Profile.read(path)
        self.expect_whole(profile, said)
        inside = {number: [] for number in stacks}
        outside = set()
        for sample in profile.samples:
            if [frame for frame in sample.frames if ":run_in_another:" in frame]:
                # The thread state that such a thread has in the main interpreter.
                self.assertEqual(sample.iid, 0)
                outside.add(sample.thread)
            else:
                inside[sample.iid].append(sample)
        self.assertEqual({thread[:4] for thread in outside}, {"in-0", "in-1"})
        for number, samples in inside.items():
            self.expect_standing(samples, stacks[number])
        target.kill()


if __name__ == "__main__":
    unittest.main()
