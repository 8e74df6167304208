"""The ground truth agrees with itself, on every interpreter at hand: stacks of a stopped thread hold no
pair that the truth does not, and the oracle catches a sampler that does not stop the thread.

ECHION_STOPPED names the program `stopped`; ECHION_TEST_PYTHONS restricts the interpreters.
"""

import concurrent.futures
import os
import pathlib
import queue
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import oracle  # noqa: E402
import workload  # noqa: E402
from profile_reader import read_profile  # noqa: E402

STOPPED = os.environ.get("ECHION_STOPPED", "stopped")
WORKLOADS = ("calls", "mixed", "gens", "coro", "deep")
SAMPLES = 400
RUNNING_SAMPLES = 3000


def cores():
    """Two different cores to use; the second is None where there is but one."""
    available = sorted(os.sched_getaffinity(0))
    return available[:2] if len(available) >= 2 else (available[0], None)


def take(running, cpu, path, samples, *options):
    command = [STOPPED, "--pid", str(running.pid), "--samples", str(samples), *options]
    if cpu is not None:
        command += ["--cpu", str(cpu)]
    with open(path, "w") as out:
        subprocess.run(command, stdout=out, check=True, timeout=120)
    return read_profile(path)


class Stopped(unittest.TestCase):
    def each_interpreter(self):
        found = workload.interpreters.find()
        self.assertTrue(any(not interpreter.missing for interpreter in found))
        for interpreter in found:
            if interpreter.missing:
                with self.subTest(interpreter.name):
                    self.skipTest(interpreter.missing)
                continue
            yield interpreter

    def check_stopped(self, interpreter, name, scratch, cpu):
        truth = oracle.Truth.load(workload.record_truth(interpreter, name, scratch))
        with workload.start(interpreter, name, scratch, cpu) as running:
            profile = take(running, cpu, scratch.file("s.austin"), SAMPLES, "--gap", "200,900")
            self.assertTrue(running.alive())
        verdict = oracle.judge(profile, truth)
        self.assertEqual(verdict.samples, SAMPLES)
        self.assertEqual(dict(verdict.pairs), {})
        self.assertEqual(dict(verdict.starts), {})

    def test_stopped_stacks_are_possible(self):
        free = queue.Queue()  # cores: on each, one target and its sampler
        for cpu in os.sched_getaffinity(0):
            free.put(cpu)

        def check(interpreter, name):
            cpu = free.get()
            try:
                with workload.Scratch() as scratch:
                    self.check_stopped(interpreter, name, scratch, cpu)
            finally:
                free.put(cpu)

        with concurrent.futures.ThreadPoolExecutor(free.qsize()) as pool:
            runs = [
                (interpreter, name, pool.submit(check, interpreter, name))
                for interpreter in self.each_interpreter() for name in WORKLOADS
            ]
        for interpreter, name, run in runs:
            with self.subTest(interpreter.name, workload=name):
                run.result()

    def test_a_running_threads_stacks_are_caught(self):
        target_cpu, own_cpu = cores()
        if own_cpu is None:
            self.skipTest("one core only: nothing is torn where nothing runs beside it")
        for interpreter in self.each_interpreter():
            with self.subTest(interpreter.name), workload.Scratch() as scratch:
                truth = oracle.Truth.load(workload.record_truth(interpreter, "calls", scratch))
                with workload.start(interpreter, "calls", scratch, target_cpu) as running:
                    profile = take(
                        running, own_cpu, scratch.file("r.austin"), RUNNING_SAMPLES,
                        "--gap", "10,100", "--running",
                    )
                verdict = oracle.judge(profile, truth)
                self.assertGreater(verdict.share(verdict.bad)[0], 0.02)
                if interpreter.minor >= 11:
                    self.assertGreater(verdict.share(verdict.impossible)[0], 0.02)


if __name__ == "__main__":
    unittest.main()
