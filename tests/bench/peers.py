"""peers: other samplers on the same workloads, where they are installed.

- Tachyon (profiling.sampling) comes with CPython 3.15 and reads that minor only: found in the sid root.
- py-spy is a package of PyPI: `python3 -m venv ${ECHION_CACHE:-~/.cache/echion}/venv-pyspy` and its
  `pip install py-spy`, or one on the PATH.

Their findings are reported and held against no bar. py-spy's blocking mode, which stops the target too,
also checks our own stopped samples; it stops from another core, and so sees what enters the kernel too
often (stopped.c says why).
"""

import os
import pathlib
import re
import shutil
import subprocess

import bench_path  # noqa: F401
import accuracy
import oracle
import echiond
import workload

from figures import Figure
from profile_reader import Frame, Profile, Stack

TACHYON_RATE = re.compile(r"Sample rate: ([0-9.]+)")
TACHYON_ERRORS = re.compile(r"Error rate: ([0-9.]+)")
TACHYON_MINOR = 15
FASTEST = "1000000"  # samples a second asked of Tachyon: as fast as it can
PYSPY_RATES = (("blocking", "500", ()), ("nonblocking", "1000", ("--nonblocking",)))
SECONDS = 10
STOPPED_SAMPLES = 10000


def tachyon_reads(interpreter):
    return interpreter.minor == TACHYON_MINOR and interpreter.bits == 64


def run_tachyon(running, seconds, cpu, *options):
    """Tachyon by the target's own interpreter, where it sees the target's files as the target does."""
    target = running.target
    executable = target.interpreter.executable
    command = [str(executable)]
    if target.interpreter.root_path is not None:
        inside = "/" + str(executable.relative_to(target.interpreter.root_path))
        command = ["nsenter", "-t", str(running.pid), "-m", "-r", "-w", inside]
    command += ["-m", "profiling.sampling", "attach", "-d", str(seconds), "-r", FASTEST, *options]
    done = subprocess.run(
        [*command, str(running.pid)], capture_output=True, text=True, timeout=seconds + 120,
        check=False, preexec_fn=echiond.pin(cpu),
    )
    rate = TACHYON_RATE.search(done.stdout)
    if done.returncode != 0 or rate is None:
        raise RuntimeError("Tachyon: %s" % (done.stderr or done.stdout).strip())
    errors = TACHYON_ERRORS.search(done.stdout)
    return float(rate.group(1)), float(errors.group(1)) if errors else 0.0


def tachyon_rate(running, seconds, cpu):
    """Samples a second that it takes, in its fastest format."""
    return run_tachyon(running, seconds, cpu, "--binary", "-o", "/tmp/tachyon.bin")[0]


def add_collapsed(profile, line, parse):
    """One line of "frame;frame;... count"."""
    stack, _, count = line.rpartition(" ")
    frames = tuple(frame for frame in map(parse, stack.split(";")) if frame is not None)
    key = Stack(0, "0", "", frames)
    if key in profile.blocks[-1]:
        profile.blocks.append({})
    profile.add(key, int(count))


def parse_tachyon(text):
    if text.startswith("tid:") or text in ("<GC>", "<native>"):
        return None
    file, function, line = text.rsplit(":", 2)
    return Frame(file, function, int(line))


def parse_pyspy(text):
    match = re.fullmatch(r"(.*) \((.*?)(?::(\d+))?\)", text)
    if match is None:
        return None
    return Frame(match.group(2), match.group(1), int(match.group(3) or 0))


def read_collapsed(path, parse):
    profile = Profile()
    with open(path) as file:
        for line in file:
            add_collapsed(profile, line.rstrip("\n"), parse)
    return profile


def pyspy_program():
    cache = pathlib.Path(os.environ.get("ECHION_CACHE") or pathlib.Path.home() / ".cache" / "echion")
    own = cache / "venv-pyspy" / "bin" / "py-spy"
    return str(own) if own.exists() else shutil.which("py-spy")


def run_pyspy(program, running, output, seconds, rate, cpu, *options):
    done = subprocess.run(
        [
            program, "record", "--pid", str(running.pid), "--output", str(output), "--format", "raw",
            "--duration", str(seconds), "--rate", rate, *options,
        ],
        capture_output=True, text=True, timeout=seconds + 120, check=False,
        preexec_fn=echiond.pin(cpu),
    )
    if done.returncode != 0 or not os.path.exists(output):
        raise RuntimeError("py-spy: %s" % done.stderr.strip())


def findings(interpreter, case, profile, truth, stopped, rate, note):
    verdict = oracle.judge(profile, truth)
    name = interpreter.name
    yield Figure("peers", name, case, "rate", rate, rate, rate, "/s", note=note)
    for quantity in ("impossible", "truncated"):
        share, (low, high) = verdict.share(getattr(verdict, quantity))
        yield Figure("peers", name, case, quantity, 100 * share, 100 * low, 100 * high, "%")
    worst = oracle.leaf_differences([profile], [stopped])[0]
    points = abs(worst.points)
    low, high = max(0.0, points - worst.error), points + worst.error
    quantity = "leaf, largest difference"
    yield Figure("peers", name, case, quantity, points, low, high, "points", note=worst.leaf)


def measure(tools, interpreter):
    with workload.Scratch() as scratch:
        truth = oracle.Truth.load(workload.record_truth(interpreter, "calls", scratch))
        with workload.start(interpreter, "calls", scratch, tools.target_cpu) as running:
            stopped = accuracy.take_stopped(
                tools, running, scratch.file("stopped"), STOPPED_SAMPLES
            )
            if tachyon_reads(interpreter):
                rate, errors = run_tachyon(
                    running, SECONDS, tools.sampler_cpu, "--collapsed", "-o",
                    scratch.seen_by(interpreter, "tachyon"),
                )
                profile = read_collapsed(scratch.file("tachyon"), parse_tachyon)
                yield from findings(
                    interpreter, "Tachyon, calls", profile, truth, stopped, rate,
                    "%.0f %% rejected" % errors,
                )
            program = pyspy_program()
            if program is None:
                echiond.say("peers: py-spy is not installed (see tests/bench/peers.py)")
                return
            for mode, rate, options in PYSPY_RATES:
                output = scratch.file("pyspy-" + mode)
                try:
                    run_pyspy(program, running, output, SECONDS, rate, tools.sampler_cpu, *options)
                except RuntimeError as error:
                    echiond.say("peers: %s: %s" % (interpreter.name, error))
                    continue
                profile = read_collapsed(output, parse_pyspy)
                reached = profile.metric() / SECONDS
                case = "py-spy %s, calls" % mode
                yield from findings(
                    interpreter, case, profile, truth, stopped, reached, "%s/s asked for" % rate
                )
