"""cost: how fast echiond can sample, what it takes of its own core, and what it takes from the target. Values
are medians of repeated measurements, with the medians' intervals."""

import os
import re
import resource
import signal
import subprocess
import time

import bench_path  # noqa: F401
import machine
import peers
import echiond
import workload

from figures import AT_LEAST, Figure
from intervals import median_interval

ROUNDS = 8
ROUND_SECONDS = 3
CPU_WINDOWS, CPU_WINDOW_SECONDS, CPU_SETTLE_SECONDS = 8, 2, 2
PAIRS, PAIR_CYCLES, PAIR_WINDOW_SECONDS, PAIR_SETTLE_SECONDS = 20, 20, 0.05, 0.01
PAIR_DISTURBED = 0.05  # part of a window that the target may be without its core
DISTURBED_MOST = 800  # cycles that may be left out
THREADS, THREADS_SECONDS = 200, 20
MEMORY_SECONDS, MEMORY_LIMIT_MIB, MEMORY_GROWTH_MIB = 600, 32, 1
SPANS_MOST, BYTES_MOST = 4, 16384


def median_figure(bar, interpreter, case, quantity, values, unit, **more):
    middle, (low, high) = median_interval(values)
    return Figure(bar, interpreter.name, case, quantity, middle, low, high, unit, **more)


class Undisturbed:
    """Rates of a child process, with the time taken out that others had its core: on a quiet machine
    there is none. All who are compared are measured so."""

    def __init__(self, tools):
        self.tools = tools
        self.foreign = []  # shares of the time, one per measurement

    def rate(self, measure):
        """`measure` runs the child to its end, and returns what it reached a second."""
        foreign = machine.ForeignTime(self.tools.sampler_cpu)
        begin, used = time.monotonic(), children_seconds()
        reached = measure()
        elapsed = time.monotonic() - begin
        share = foreign.seconds(children_seconds() - used) / elapsed
        self.foreign.append(share)
        return reached / (1 - share)


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_floor(tools, seconds, *arguments, column=0):
    """What the floor program prints for its windows, on average."""
    command = [tools.floor, "--seconds", str(seconds), *arguments]
    if tools.sampler_cpu is not None:
        command += ["--cpu", str(tools.sampler_cpu)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    windows = [float(line.split()[column]) for line in done.stdout.splitlines()]
    return sum(windows) / len(windows)


def measure_floor(tools, running, shape):
    """Calls a second of bare reads of that shape."""
    return run_floor(tools, ROUND_SECONDS, "--pid", str(running.pid), "--shape", shape)


def floor_shape(sizes):
    """Sizes of the spans that the floor reads: those given, but no more than are asked of a good
    sampler. More are read as so few that hold as much, up to the bytes that are asked of it."""
    if len(sizes) <= SPANS_MOST and sum(sizes) <= BYTES_MOST:
        return sizes
    total = min(sum(sizes), BYTES_MOST)
    return [total // SPANS_MOST] * SPANS_MOST


def measure_rate(tools, interpreter):
    """Rounds of echiond, the floor, and Tachyon where it can read this interpreter; the order turns
    round each time."""
    rates, floors, tachyons = [], [], []
    shape = None
    undisturbed = Undisturbed(tools)
    with workload.Scratch() as scratch:
        with workload.start(interpreter, "thirty", scratch, tools.target_cpu) as running:

            def ours():
                nonlocal shape
                run = echiond.run(
                    tools.echiond, running, scratch.file("rate.austin"), "0", ROUND_SECONDS,
                    tools.sampler_cpu, "-v",
                )
                shape = run.shape or shape
                return run.rate()

            def floor():
                sizes = floor_shape([int(size) for size in shape.split(",")])
                return measure_floor(tools, running, ",".join(map(str, sizes)))

            def tachyon():
                return peers.tachyon_rate(running, ROUND_SECONDS, tools.sampler_cpu)

            ours()  # warms the caches, and tells the shape
            if shape is None:
                raise RuntimeError("echiond -v did not tell the shape of its reads")
            turns = [(rates, ours), (floors, floor)]
            if peers.tachyon_reads(interpreter):
                turns.append((tachyons, tachyon))
            for _ in range(ROUNDS):
                for reached, measure in turns:
                    reached.append(undisturbed.rate(measure))
                turns.reverse()
    sizes = [int(size) for size in shape.split(",")]
    bar, case = "rate", "thirty frames, flat out"
    read = floor_shape(sizes)
    spans = "%d spans of %s bytes" % (len(read), ",".join(map(str, read)))
    limit = 70 if interpreter.minor >= 11 else 50
    shares = [100 * rate / floor for rate, floor in zip(rates, floors)]
    others = "others had the core %.1f %% of the time" % (
        100 * sum(undisturbed.foreign) / len(undisturbed.foreign)
    )
    yield median_figure(bar, interpreter, case, "rate", rates, "/s", note=others)
    yield median_figure(bar, interpreter, case, "floor", floors, "/s", note=spans)
    yield median_figure(
        bar, interpreter, case, "rate of the floor's", shares, "%", sense=AT_LEAST, limit=limit
    )
    yield Figure(
        bar, interpreter.name, case, "spans in a read", len(sizes), len(sizes), len(sizes),
        note="of %s bytes" % shape,
    )
    yield Figure(
        bar, interpreter.name, case, "bytes in a read", sum(sizes), sum(sizes), sum(sizes),
        limit=BYTES_MOST,
    )
    if tachyons:
        yield median_figure(bar, interpreter, case, "Tachyon's rate", tachyons, "/s")
        times = [rate / tachyon for rate, tachyon in zip(rates, tachyons)]
        yield median_figure(
            bar, interpreter, case, "times Tachyon's rate", times, "", sense=AT_LEAST, limit=4
        )


def cpu_shares(measured, windows, seconds):
    """Percent of a core that a profiler used, per window."""
    shares = []
    for _ in range(windows):
        begin, used = time.monotonic(), measured.run_seconds()
        time.sleep(seconds)
        shares.append(100 * (measured.run_seconds() - used) / (time.monotonic() - begin))
    return shares


def measure_cpu(tools, interpreter):
    """Beside it what waking so often takes at all on this machine, of a program that then does
    nothing: the two take turns."""
    cases = (
        ("1000", (), "wall, 1 kHz", 3),
        ("100", (), "wall, 10 kHz", 12),
        ("1000", ("-c",), "-c, 1 kHz", 4),
    )
    with workload.Scratch() as scratch:
        with workload.start(interpreter, "thirty", scratch, tools.target_cpu) as running:
            for interval, options, case, limit in cases:
                output = scratch.file("cpu.austin")
                shares, clocks = [], []
                with echiond.start(
                    tools.echiond, running.pid, output, interval, tools.sampler_cpu, *options
                ) as measured:
                    switch = Switch(measured)
                    for _ in range(CPU_WINDOWS):
                        switch.turn(True)
                        time.sleep(CPU_SETTLE_SECONDS / 4)
                        shares += cpu_shares(measured, 1, CPU_WINDOW_SECONDS)
                        switch.turn(False)
                        clocks.append(run_floor(tools, CPU_WINDOW_SECONDS, "--every", interval))
                    switch.turn(True)
                    measured.stop()
                yield median_figure(
                    "cpu", interpreter, case, "echiond's CPU", shares, "% of a core", limit=limit
                )
                yield median_figure(
                    "cpu", interpreter, case, "a bare clock's CPU", clocks, "% of a core"
                )


def measure_threads(tools, interpreter):
    with workload.Scratch() as scratch:
        arguments = ("--threads", str(THREADS - 1))  # and the main thread
        with workload.start(interpreter, "threads", scratch, tools.target_cpu, arguments) as running:
            output = scratch.file("threads.austin")
            with echiond.start(
                tools.echiond, running.pid, output, "10ms", tools.sampler_cpu
            ) as measured:
                time.sleep(CPU_SETTLE_SECONDS)
                seconds = THREADS_SECONDS / CPU_WINDOWS
                shares = cpu_shares(measured, CPU_WINDOWS, seconds)
                measured.stop()
        run = echiond.Run(echiond.read_profile(output), "", 1)
    case = "%d threads, mostly idle, 100 Hz" % THREADS
    yield median_figure(
        "threads", interpreter, case, "echiond's CPU", shares, "% of a core", limit=6
    )
    late = run.count("late")
    yield Figure(
        "threads", interpreter.name, case, "late", late, late, late, "ticks", limit=0,
        note="missed %d, torn %d of %d due" % (run.count("missed"), run.count("torn"), run.due()),
    )


class Work:
    """Work that the target did in windows of time. Left out is the time in which it was ready to run and
    somebody else had its core: that is never us, who are elsewhere. Waiting for locks in the kernel
    counts. The windows' ends are ends of units, which are short against them."""

    def __init__(self):
        self.units = self.seconds = 0.0
        self.waited = 0.0  # largest part of a window that it was without its core

    def add_window(self, running):
        begin, waited, done = time.perf_counter(), running.waited_seconds(), running.units()
        time.sleep(PAIR_WINDOW_SECONDS)
        seconds = time.perf_counter() - begin
        waited = running.waited_seconds() - waited
        self.units += running.units() - done
        self.seconds += seconds - waited
        self.waited = max(self.waited, waited / seconds)

    def add(self, other):
        self.units += other.units
        self.seconds += other.seconds

    def rate(self):
        return self.units / self.seconds


class Switch:
    """Turns a sampler on and off within a moment, by stopping its process: a machine's speed wanders by
    more, and faster, than the bars are wide, so that its windows have to be short and close."""

    def __init__(self, sampler):
        self.sampler = sampler

    def turn(self, on):
        os.kill(self.sampler.pid, signal.SIGCONT if on else signal.SIGSTOP)
        time.sleep(PAIR_SETTLE_SECONDS)


def abba_cycle(running, switch):
    """One cycle of off, on, on, off: the work with the sampler off, and on."""
    off, on = Work(), Work()
    for sampling in (False, True, True, False):
        switch.turn(sampling)
        (on if sampling else off).add_window(running)
    switch.turn(True)
    return off, on


def abba_ratios(running, sampler):
    """Percent of the target's throughput that is left when it is sampled, per pair of many cycles; and how
    many cycles were left out, because the target was without its core for a part of one."""
    ratios, disturbed = [], 0
    switch = Switch(sampler)
    for _ in range(PAIRS):
        off, on = Work(), Work()
        cycles = 0
        while cycles < PAIR_CYCLES:
            one_off, one_on = abba_cycle(running, switch)
            if max(one_off.waited, one_on.waited) > PAIR_DISTURBED:
                disturbed += 1
                if disturbed > DISTURBED_MOST:
                    raise RuntimeError("other work keeps taking the target's core")
                continue
            off.add(one_off)
            on.add(one_on)
            cycles += 1
        ratios.append(100 * on.rate() / off.rate())
    return ratios, disturbed


def measure_throughput(tools, interpreter):
    with workload.Scratch() as scratch:
        with workload.start(interpreter, "calls", scratch, tools.target_cpu) as running:
            output = scratch.file("throughput.austin")
            for interval, case, limit in (("1ms", "calls, 1 kHz", 99), ("100us", "calls, 10 kHz", 97)):
                with echiond.start(
                    tools.echiond, running.pid, output, interval, tools.sampler_cpu
                ) as sampler:
                    ratios, disturbed = abba_ratios(running, sampler)
                    sampler.stop()
                yield median_figure(
                    "throughput", interpreter, case, "target's throughput", ratios, "%",
                    sense=AT_LEAST, limit=limit,
                    note="%d ABBA pairs of %d cycles, %d others disturbed" % (
                        PAIRS, PAIR_CYCLES, disturbed,
                    ),
                )


def resident_mib(pid):
    """Resident memory now and at most, MiB."""
    with open("/proc/%d/status" % pid) as file:
        text = file.read()
    now, most = (re.search(r"^%s:\s+(\d+) kB" % key, text, re.M) for key in ("VmRSS", "VmHWM"))
    return int(now.group(1)) / 1024, int(most.group(1)) / 1024


def measure_memory(tools, interpreter):
    """Ten minutes at 1 kHz on a program that keeps compiling code with ever new names."""
    resident = []
    with workload.Scratch() as scratch:
        arguments = ("--names", "100003")
        with workload.start(interpreter, "churn", scratch, tools.target_cpu, arguments) as running:
            # On disk: what is written meanwhile is not ours to keep in memory.
            output = os.path.join(tools.disk, "echion-bench-%d.austin" % os.getpid())
            try:
                with echiond.start(
                    tools.echiond, running.pid, output, "1ms", tools.sampler_cpu
                ) as measured:
                    end = time.monotonic() + tools.memory_seconds
                    while time.monotonic() < end:
                        time.sleep(1)
                        now, most = resident_mib(measured.pid)
                        resident.append(now)
                    measured.stop()
            finally:
                if os.path.exists(output):
                    os.unlink(output)
    fifth = len(resident) // 5
    early, late = resident[fifth : 2 * fifth], resident[-fifth:]
    case = "churn, 1 kHz, %d s" % tools.memory_seconds
    yield Figure(
        "memory", interpreter.name, case, "most resident", most, most, most, "MiB",
        limit=MEMORY_LIMIT_MIB,
    )
    growth = sum(late) / len(late) - sum(early) / len(early)
    low, high = min(late) - max(early), max(late) - min(early)
    yield Figure(
        "memory", interpreter.name, case, "growth, second to last fifth", growth, low, high, "MiB",
        limit=MEMORY_GROWTH_MIB,
        note="MiB after each tenth: " + " ".join(
            "%.1f" % resident[min(len(resident) - 1, len(resident) * tenth // 10)]
            for tenth in range(1, 11)
        ),
    )


MEASURES = {
    "rate": measure_rate,
    "cpu": measure_cpu,
    "threads": measure_threads,
    "throughput": measure_throughput,
    "memory": measure_memory,
}
