"""What is said to a person: where the profile goes, on a terminal, and under -v."""

import os
import subprocess
import unittest

import profiler
from profiler import ECHION, PYTHON, Profile

# Two threads, until its standard input ends.
WAITS = """
import sys, threading
threading.Thread(target=sys.stdin.read).start()
print("ready", flush=True)
"""


class WhereItGoes(profiler.TestCase):
    def test_attached_without_a_name(self):
        target = self.busy()
        done = self.run_to_end(ECHION, "-p", target.pid, "-x", "0.3")
        self.expect(done, 0, f"-> {target.pid}.austin\n")
        self.assertEqual(os.listdir(self.folder), [f"{target.pid}.austin"])
        profile = Profile.read(self.folder / f"{target.pid}.austin")
        self.expect_whole(profile)
        self.assertEqual({s.pid for s in profile.samples}, {target.pid})


class OnATerminal(profiler.TestCase):
    def test_a_launched_command_has_it_for_itself(self):
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        code = "import time; print('begun'); time.sleep(1.5); print('ended')"
        daemon = self.start(ECHION, "-o", "x", PYTHON, "-c", code, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        text = b""
        while True:
            try:
                text += os.read(master, 4096)
            except OSError:  # EIO: the other side is closed
                break
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0)
        self.assertRegex(text.decode(), r"\Abegun\r\nended\r\nechion: [^\r\n]* -> x\r\n\Z")


class Explained(profiler.TestCase):
    def expect_told(self, told, *texts):
        """These, in this order, each in a line of its own."""
        lines = told.splitlines()
        for text in texts:
            while lines and text not in lines[0]:
                lines.pop(0)
            self.assertTrue(lines, f"no {text!r} where it belongs in:\n{told}")
            lines.pop(0)

    def test_attached(self):
        target = self.busy()
        done = self.run_to_end(ECHION, "-vp", target.pid, "-x", "0.5", "-o", "out.mojo")
        self.expect(done, 0)
        self.expect_told(
            done.stderr,
            "measuring the wall time of all threads, every 1000 us",
            "the profile goes to out.mojo, as mojo",
            f"process {target.pid} runs CPython 3.",
            f"sampling process {target.pid}: 2 threads so far",
            "finishing: the exposure is over",
            "0 torn",
            "-> out.mojo",
        )

    def test_attached_until_the_process_ends(self):
        target = self.busy()
        daemon = self.start(ECHION, "-vcp", target.pid, "-o", "-", stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
        told = ""
        for line in daemon.stderr:
            told += line
            if "sampling process" in line:
                target.kill()
                target.wait()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0)
        self.expect_told(
            told,
            "measuring the CPU time",
            "the profile goes to standard output, as austin",
            "2 threads so far",
            "finishing: the process has ended",
        )

    def test_launched(self):
        done = self.run_to_end(ECHION, "-v", "-o", "out.austin", "sh", "-c", '"$0" -c "$1"; true', PYTHON,
                               "import time; time.sleep(0.3)")
        self.expect(done, 0)
        self.expect_told(
            done.stderr,
            "the profile goes to out.austin, as austin",
            "runs CPython 3.",
            "1 thread so far",
            "finishing: the",  # process or command, whichever is seen first
            "-> out.austin",
        )
        # On a busy machine that may be said when its Python has been found already.
        self.expect_told(done.stderr, "started 'sh' as process", "-> out.austin")

    def test_launched_with_an_exposure(self):
        daemon = self.start(ECHION, "-v", "-x", "0.3", "-o", "out.austin", PYTHON, "-c", WAITS,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        told = ""
        for line in daemon.stderr:
            told += line
            if "-> out.austin" in line:
                daemon.stdin.close()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0)
        self.expect_told(told, "so far", "finishing: the exposure is over", "-> out.austin")


if __name__ == "__main__":
    unittest.main()
