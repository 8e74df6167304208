"""echiond: runs echiond on a target, pinned and from outside, and tells what it said of its run and what it
cost."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import bench_path  # noqa: F401
import workload

from profile_reader import read_profile

STARTED_SECONDS = 30
# A target that is without its core makes every sampler look clean, and its own time look odd.
UNDISTURBED_SHARE = 0.9
SHAPE = re.compile(r"took spans of ([0-9,]+) bytes")


def pin(cpu):
    """A preexec_fn that keeps a child on one core."""
    return None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})


class Profiler:
    """A running echiond. `output` grows while it runs."""

    def __init__(self, process, output):
        self.process = process
        self.output = output
        self.pid = process.pid

    def run_seconds(self):
        return workload.scheduled_seconds(self.pid)[0]

    def wait(self, timeout):
        """Waits for its end; what it wrote on stderr."""
        _, errors = self.process.communicate(timeout=timeout)
        if self.process.returncode != 0:
            raise RuntimeError("echiond: status %d: %s" % (self.process.returncode, errors.strip()))
        return errors

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.wait(60)


@contextlib.contextmanager
def start(echiond, pid, output, interval, cpu, *options):
    """Attaches, and yields once it samples: its output has appeared. Ends it, if it still runs."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(output)
    command = [
        str(echiond), "--no-shim", "--pid", str(pid), "-o", str(output), "-i", interval, *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, preexec_fn=pin(cpu),
    )
    try:
        deadline = time.monotonic() + STARTED_SECONDS
        while not os.path.exists(output):
            if process.poll() is not None:
                errors = process.stderr.read().strip()
                raise RuntimeError("%s: %s" % (" ".join(command), errors))
            if time.monotonic() > deadline:
                raise TimeoutError("%s: no output" % " ".join(command))
            time.sleep(0.005)
        yield Profiler(process, output)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


class Run:
    """One finished run: the profile, its counts, and how much of its time the target had its core."""

    def __init__(self, profile, errors, target_share):
        self.profile = profile
        self.target_share = target_share
        shape = SHAPE.search(errors)
        self.shape = shape.group(1) if shape else None

    def target_note(self):
        disturbed = "" if self.target_share >= UNDISTURBED_SHARE else " (disturbed)"
        return "target ran %.0f %%%s" % (100 * self.target_share, disturbed)

    def count(self, key):
        return int(self.profile.metadata[key])

    def due(self):
        return self.count("kept") + self.count("torn") + self.count("missed")

    def rate(self):
        """Pictures a second, of one thread."""
        return self.count("samples") / (self.count("duration") / 1e6)


def run(echiond, running, output, interval, seconds, cpu, *options):
    """Samples a running workload for so many seconds."""
    with start(echiond, running.pid, output, interval, cpu, "-x", str(seconds), *options) as profiler:
        begin, used = time.monotonic(), running.run_seconds()
        errors = profiler.wait(seconds + 60)
        share = (running.run_seconds() - used) / (time.monotonic() - begin)
    if not running.alive():
        raise RuntimeError("the target ended while it was sampled")
    return Run(read_profile(output), errors, share)


def say(text):
    print(text, file=sys.stderr, flush=True)
