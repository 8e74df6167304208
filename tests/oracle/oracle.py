#!/usr/bin/env python3
"""oracle: judges a profile against what the program really does.

    oracle.py PROFILE --truth TRUTH.json [--reference STOPPED.austin ...]

- impossible: samples with at least one adjacent pair of frames that is not among the truth's
  caller-callee pairs;
- truncated: samples that do not begin at one of the truth's roots, are empty, or hold `:INVALID:`;
- lines: samples with a line that its function does not have, or where it never makes that call;
- leaf: the largest difference, in percentage points, of any function's share as the last frame against a
  profile of the same program taken while it was stopped (stopped.c);
- depth: the mean number of frames, which pairs do not tell: a recursion cut short has possible pairs only.

Shares are weighted by the metric, and by the number of samples where the profile has it (MOJO), each with
its 95 % interval. The exit status is 1 when a --max-... is exceeded.
"""

import argparse
import collections
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from intervals import share_error, wilson  # noqa: E402
from profile_reader import GC, INVALID, Frame, read_profile  # noqa: E402

TOP = 8


def frame_key(frame):
    return os.path.basename(frame.file) + ":" + frame.function


class Truth:
    def __init__(self, document):
        self.roots = set(document["roots"])
        self.pairs = {(a, b): set(lines) for a, b, lines in document["pairs"]}
        self.lines = {key: set(lines) for key, lines in document["lines"].items()}

    @classmethod
    def load(cls, path):
        with open(path) as file:
            return cls(json.load(file))

    def is_line_possible(self, caller, callee):
        """Whether `caller` has its line, and calls `callee` there; callee None: it is the leaf."""
        if caller.line == 0:
            return True
        key = frame_key(caller)
        if key in self.lines and caller.line not in self.lines[key]:
            return False
        sites = self.pairs.get((key, frame_key(callee))) if callee is not None else None
        return not sites or caller.line in sites


class Share:
    """A part of all samples: by metric and by count."""

    def __init__(self):
        self.metric = 0
        self.samples = 0

    def add(self, weight):
        self.metric += weight.metric
        self.samples += weight.samples


class Verdict:
    """What the oracle found in one profile. Shares are of `total`."""

    def __init__(self, profile):
        self.metadata = profile.metadata
        self.counted = profile.counted
        self.samples = profile.samples()
        self.total = Share()
        self.impossible = Share()
        self.truncated = Share()
        self.bad = Share()  # impossible, truncated or both
        self.lines = Share()
        self.pairs = collections.Counter()  # impossible pairs, by metric
        self.starts = collections.Counter()  # first frames of truncated stacks, by metric
        self.misplaced = collections.Counter()

    def share(self, part):
        """Share by metric and its interval, from the number of samples."""
        if self.total.metric == 0:
            return 1.0, (0.0, 1.0)
        share = part.metric / self.total.metric
        return share, wilson(share * self.samples, self.samples)

    def share_of_samples(self, part):
        return part.samples / self.total.samples, wilson(part.samples, self.total.samples)

    def as_document(self):
        document = {"samples": self.samples, "metadata": self.metadata}
        for name in ("impossible", "truncated", "bad", "lines"):
            share, interval = self.share(getattr(self, name))
            document[name] = {"share": share, "low": interval[0], "high": interval[1]}
            if self.counted and self.total.samples:
                share, interval = self.share_of_samples(getattr(self, name))
                document[name]["by_count"] = {"share": share, "low": interval[0], "high": interval[1]}
        document["impossible_pairs"] = [
            {"caller": a, "callee": b, "metric": metric}
            for (a, b), metric in self.pairs.most_common(TOP)
        ]
        return document


def judge_stack(truth, frames):
    """The impossible pairs, whether it is truncated, and the frames with impossible lines."""
    real = [frame for frame in frames if frame != GC]
    truncated = not real or INVALID in real
    if not truncated and frame_key(real[0]) not in truth.roots:
        truncated = True
    pairs, misplaced = [], []
    for index, frame in enumerate(real):
        if frame == INVALID:
            continue
        callee = real[index + 1] if index + 1 < len(real) else None
        if callee == INVALID:
            callee = None
        if callee is not None:
            pair = (frame_key(frame), frame_key(callee))
            if pair not in truth.pairs:
                pairs.append(pair)
                continue
        if not truth.is_line_possible(frame, callee):
            misplaced.append((frame_key(frame), frame.line, callee and frame_key(callee)))
    return pairs, truncated, misplaced


def judge(profile, truth):
    verdict = Verdict(profile)
    known = {}
    for stack, weight in profile.stacks():
        if not stack.frames and weight.metric == 0:
            continue
        finding = known.get(stack.frames)
        if finding is None:
            finding = known[stack.frames] = judge_stack(truth, stack.frames)
        pairs, truncated, misplaced = finding
        verdict.total.add(weight)
        if pairs:
            verdict.impossible.add(weight)
            for pair in set(pairs):
                verdict.pairs[pair] += weight.metric
        if truncated:
            verdict.truncated.add(weight)
            first = stack.frames[0] if stack.frames else "(empty)"
            verdict.starts[frame_key(first) if isinstance(first, Frame) else first] += weight.metric
        if pairs or truncated:
            verdict.bad.add(weight)
        if misplaced:
            verdict.lines.add(weight)
            for place in set(misplaced):
                verdict.misplaced[place] += weight.metric
    return verdict


def leaf_of(frames):
    for frame in reversed(frames):
        if frame != GC:
            return frame_key(frame) if isinstance(frame, Frame) else frame
    return "(empty)"


def leaf_blocks(profiles):
    """Per block of time: function -> metric as leaf."""
    blocks = []
    for profile in profiles:
        for block in profile.blocks:
            leaves = collections.Counter()
            for stack, weight in block.items():
                leaves[leaf_of(stack.frames)] += weight.metric
            if leaves:
                blocks.append(leaves)
    return blocks


class LeafShares:
    """The share of each function as leaf, with the half width of its interval."""

    def __init__(self, profiles):
        self.blocks = leaf_blocks(profiles)
        self.samples = sum(profile.samples() for profile in profiles)
        self.total = sum(sum(block.values()) for block in self.blocks)
        self.metric = collections.Counter()
        for block in self.blocks:
            self.metric.update(block)

    def share(self, leaf):
        return self.metric[leaf] / self.total if self.total else 0.0

    def error(self, leaf):
        """The larger one of what counting alone and the scatter between blocks of time say."""
        low, high = wilson(self.share(leaf) * self.samples, self.samples)
        counting = (high - low) / 2
        if len(self.blocks) < 4:
            return counting
        return max(counting, share_error([(block[leaf], sum(block.values())) for block in self.blocks]))


LeafDifference = collections.namedtuple("LeafDifference", "leaf share reference points error")


def leaf_differences(profiles, references):
    """Per function, largest first: its share in each, the difference in percentage points (sign: the
    profile has more) and the half width of the difference's 95 % interval."""
    ours, theirs = LeafShares(profiles), LeafShares(references)
    differences = []
    for leaf in set(ours.metric) | set(theirs.metric):
        share, reference = ours.share(leaf), theirs.share(leaf)
        error = (ours.error(leaf) ** 2 + theirs.error(leaf) ** 2) ** 0.5
        points = 100 * (share - reference)
        differences.append(LeafDifference(leaf, share, reference, points, 100 * error))
    differences.sort(key=lambda difference: (-abs(difference.points), difference.leaf))
    return differences


def mean_depth(profiles):
    """Frames in a stack, in the mean by metric."""
    frames = metric = 0
    for profile in profiles:
        for stack, weight in profile.stacks():
            frames += weight.metric * len(stack.frames)
            metric += weight.metric
    return frames / metric if metric else 0.0


def percent(share, interval):
    return "%.4g %% [%.3g, %.3g]" % (100 * share, 100 * interval[0], 100 * interval[1])


def print_verdict(verdict, out=sys.stdout):
    print("samples %d" % verdict.samples, file=out)
    for name in ("impossible", "truncated", "bad", "lines"):
        part = getattr(verdict, name)
        text = "%-10s %s by metric" % (name, percent(*verdict.share(part)))
        if verdict.counted and verdict.total.samples:
            text += ", %s by count" % percent(*verdict.share_of_samples(part))
        print(text, file=out)
    for (caller, callee), metric in verdict.pairs.most_common(TOP):
        print("  impossible %s -> %s: %d" % (caller, callee, metric), file=out)
    for start, metric in verdict.starts.most_common(TOP):
        print("  begins at %s: %d" % (start, metric), file=out)
    for (caller, line, callee), metric in verdict.misplaced.most_common(TOP):
        print("  line %d of %s under %s: %d" % (line, caller, callee or "nothing", metric), file=out)


def print_leaves(differences, out=sys.stdout):
    if not differences:
        return
    worst = differences[0]
    print("leaf       %.2f points +- %.2f at %s" % (abs(worst.points), worst.error, worst.leaf), file=out)
    for difference in differences[:TOP]:
        print(
            "  %+6.2f +- %.2f  %6.2f %% against %6.2f %%  %s"
            % (
                difference.points, difference.error, 100 * difference.share,
                100 * difference.reference, difference.leaf,
            ),
            file=out,
        )


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("profile")
    parser.add_argument("--truth", required=True)
    parser.add_argument("--reference", nargs="+", default=[], help="profiles of stopped samples")
    parser.add_argument("--max-bad", type=float, help="most that may be impossible or truncated, %%")
    parser.add_argument("--max-leaf", type=float, help="largest leaf difference, percentage points")
    parser.add_argument("--json", metavar="FILE", help="write the findings there")
    return parser.parse_args()


def main():
    options = parse_arguments()
    profile = read_profile(options.profile)
    verdict = judge(profile, Truth.load(options.truth))
    print_verdict(verdict)
    document = verdict.as_document()
    failed = options.max_bad is not None and 100 * verdict.share(verdict.bad)[0] > options.max_bad
    if options.reference:
        differences = leaf_differences([profile], [read_profile(path) for path in options.reference])
        print_leaves(differences)
        document["leaf"] = [difference._asdict() for difference in differences]
        if options.max_leaf is not None and differences:
            failed = failed or abs(differences[0].points) > options.max_leaf
    if options.json:
        with open(options.json, "w") as out:
            json.dump(document, out, indent=1)
            out.write("\n")
    return 1 if failed or verdict.samples == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
