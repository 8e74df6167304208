"""accuracy: what share of the samples is kept, impossible or truncated, and how far the leaves are from those
of stopped samples. One target process serves all its runs, so that all of them look at the same code
at the same addresses; half of the stopped samples come before the profiles and half after."""

import dataclasses
import subprocess

import bench_path  # noqa: F401
import cost
import oracle
import echiond
import workload

from figures import AT_LEAST, Figure
from intervals import wilson
from profile_reader import read_profile

STOP_GAP = "400,1200"
SAMPLES_LEAST = 100_000  # in each profile of a full run
DEPTH_LOST = 5  # percent, of the mean number of frames; short runs fail at ten times that


@dataclasses.dataclass(frozen=True)
class Bar:
    """Limits in percent and percentage points; None: reported only. `old` is for 3.8 to 3.10."""

    name: str
    workloads: tuple
    bad: float
    bad_old: float
    kept: float | None = None
    leaf: dict = dataclasses.field(default_factory=dict)  # workload -> points


BARS = (
    Bar("calls", ("calls",), 0.01, 0.05, 99.9, {"calls": 3}),
    Bar("mixed", ("gens", "mixed", "exc"), 0.1, 0.1, None, {"gens": 4, "mixed": 4, "exc": 3}),
    Bar("coroutines", ("coro",), 1, 1),
    Bar("deep", ("deep",), 0.1, 1),
    Bar("churn", ("churn",), 0.1, 0.1),
)


@dataclasses.dataclass(frozen=True)
class Effort:
    seconds_10khz: float
    seconds_flat: float
    stopped: int


FULL = Effort(16, 16, 20000)
SHORT = Effort(2, 1, 1200)


def take_stopped(tools, running, path, samples):
    """Stopped samples, taken from the target's own core (see stopped.c)."""
    command = [tools.stopped, "--pid", str(running.pid), "--samples", str(samples), "--gap", STOP_GAP]
    if tools.target_cpu is not None:
        command += ["--cpu", str(tools.target_cpu)]
    with open(path, "w") as out:
        subprocess.run(command, stdout=out, check=True, timeout=600)
    return read_profile(path)


def worst(counter, describe):
    common = counter.most_common(1)
    return describe(common[0][0]) if common else ""


def bad_note(verdict, run):
    notes = ["%d samples" % verdict.samples, run.target_note()]
    if verdict.impossible.metric:
        notes.append("impossible %.2g %%" % (100 * verdict.share(verdict.impossible)[0]))
        notes.append(worst(verdict.pairs, lambda pair: "most: %s > %s" % pair))
    if verdict.truncated.metric:
        notes.append("truncated %.2g %%" % (100 * verdict.share(verdict.truncated)[0]))
    return ", ".join(notes)


class Accuracy:
    def __init__(self, tools, interpreter, effort, timing):
        self.tools = tools
        self.interpreter = interpreter
        self.effort = effort
        self.timing = timing  # whether samples that came too late to be taken count against us
        self.figures = []

    def add(self, bar, case, quantity, value, interval, unit="%", **more):
        low, high = interval
        self.figures.append(
            Figure(bar.name, self.interpreter.name, case, quantity, value, low, high, unit, **more)
        )

    def add_share(self, bar, case, quantity, hits, total, **more):
        low, high = wilson(hits, total)
        share = hits / total if total else 0.0
        self.add(bar, case, quantity, 100 * share, (100 * low, 100 * high), **more)

    def judge_run(self, bar, case, run, truth):
        verdict = oracle.judge(run.profile, truth)
        missed = run.count("missed") if self.timing else 0
        due = run.count("kept") + run.count("torn") + missed
        self.add_share(
            bar, case, "kept", run.count("kept"), due, sense=AT_LEAST, limit=bar.kept,
            note="missed %d, torn %d, late %d" % tuple(map(run.count, ("missed", "torn", "late"))),
        )
        if self.timing:
            self.add(
                bar, case, "samples", verdict.samples, (verdict.samples, verdict.samples), "",
                sense=AT_LEAST, limit=SAMPLES_LEAST,
            )
        share, interval = verdict.share(verdict.bad)
        limit = bar.bad if self.interpreter.minor >= 11 else bar.bad_old
        self.add(
            bar, case, "impossible or truncated", 100 * share, [100 * side for side in interval],
            limit=limit, note=bad_note(verdict, run),
        )
        share, interval = verdict.share(verdict.lines)
        self.add(
            bar, case, "wrong line", 100 * share, [100 * side for side in interval],
            note=worst(verdict.misplaced, lambda place: "most: line %d of %s" % (place[1], place[0])),
        )

    def judge_leaf(self, bar, name, profile, references):
        difference = oracle.leaf_differences([profile], references)[0]
        points = abs(difference.points)
        interval = (max(0.0, points - difference.error), points + difference.error)
        stopped = sum(reference.samples() for reference in references)
        self.add(
            bar, name + ", 10 kHz", "leaf, largest difference", points, interval, "points",
            limit=bar.leaf.get(name), note="%+.2f at %s, %d stopped samples" % (
                difference.points, difference.leaf, stopped,
            ),
        )

    def judge_depth(self, bar, name, profile, references):
        """Stacks that are cut short. The stopped samples show more of what enters the kernel, or comes
        after it, so some percent are theirs: reported, and a limit for short runs only."""
        lost = 100 * (1 - oracle.mean_depth([profile]) / oracle.mean_depth(references))
        self.add(
            bar, name + ", 10 kHz", "mean depth lost", lost, (lost, lost),
            limit=None if self.timing else DEPTH_LOST,
        )

    def measure_clock(self, bar):
        """Ticks that a program which only waits for them keeps, in percent: no sampler keeps more."""
        if not self.timing or bar.kept is None:
            return []
        seconds = self.effort.seconds_10khz / 2
        return [cost.run_floor(self.tools, seconds, "--every", "100", column=1)]

    def measure(self, bar, name):
        tools, effort, interpreter = self.tools, self.effort, self.interpreter
        with workload.Scratch() as scratch:
            truth = oracle.Truth.load(workload.record_truth(interpreter, name, scratch))
            output = scratch.file("profile.austin")
            with workload.start(interpreter, name, scratch, tools.target_cpu) as running:
                half = effort.stopped // 2
                before = take_stopped(tools, running, scratch.file("1"), half)
                clock = self.measure_clock(bar)
                steady = echiond.run(
                    tools.echiond, running, output, "100us", effort.seconds_10khz, tools.sampler_cpu
                )
                clock += self.measure_clock(bar)
                flat = echiond.run(
                    tools.echiond, running, output, "0", effort.seconds_flat, tools.sampler_cpu
                )
                after = take_stopped(tools, running, scratch.file("2"), half)
        stopped = [before, after]
        for reference in stopped:
            if oracle.judge(reference, truth).bad.metric:
                raise RuntimeError(
                    "%s, %s: the ground truth contradicts itself" % (interpreter.name, name)
                )
        if clock:
            self.add(bar, name + ", 10 kHz", "a bare clock keeps", sum(clock) / len(clock), sorted(clock))
        self.judge_run(bar, name + ", 10 kHz", steady, truth)
        self.judge_run(bar, name + ", flat out", flat, truth)
        self.judge_leaf(bar, name, steady.profile, stopped)
        self.judge_depth(bar, name, steady.profile, stopped)
