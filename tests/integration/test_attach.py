"""Attaching to a running Python: how a profile ends, and what is in the file then."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import unittest

import profiler
from profiler import ECHIOND, PYTHON, Profile, wait_for


class HowItEnds(profiler.TestCase):
    def expect_profile(self, done, path=None):
        self.assertEqual(done.returncode, 0, done.stderr)
        profile = Profile.read(path or self.folder / "out.austin")
        self.expect_whole(profile, done.stderr)
        self.assertIn("samples due:", done.stderr)
        self.assertLessEqual({"outer", "inner"}, profile.functions())
        return profile

    def finish(self, daemon):
        _, daemon.stderr_text = daemon.communicate(timeout=profiler.PATIENCE)
        return subprocess.CompletedProcess([], daemon.returncode, None, daemon.stderr_text)

    def test_exposure(self):
        target = self.busy()
        done = self.run_to_end(ECHIOND, "-p", target.pid, "-vx", "0.5", "-o", "out.austin")
        profile = self.expect_profile(done)
        self.assertGreater(profile.number("duration"), 300_000)
        self.assertIsNone(target.poll())

    def test_signals(self):
        target = self.busy()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number.name):
                out = self.folder / f"{number.name}.austin"
                daemon = self.attach(target.pid, "-vo", out)
                self.wait_for_samples(out, daemon)
                daemon.send_signal(number)
                self.expect_profile(self.finish(daemon), out)

    def test_an_ignored_hangup_stays_ignored(self):
        target = self.busy()
        out = self.folder / "out.austin"
        daemon = self.start(
            "sh", "-c", 'trap "" HUP; exec "$@"', "sh", ECHIOND, "-p", target.pid, "-vo", out,
            stderr=subprocess.PIPE,
        )
        self.wait_for_samples(out, daemon)
        daemon.send_signal(signal.SIGHUP)
        for _ in range(2):
            size = out.stat().st_size
            wait_for(lambda: out.stat().st_size > size, "more samples after SIGHUP", daemon)
        self.assertNotIn("# duration", out.read_text())
        daemon.send_signal(signal.SIGTERM)
        self.expect_profile(self.finish(daemon))

    def test_an_interrupt_ends_a_background_job_of_a_script(self):
        target = self.busy()
        out = self.folder / "out.austin"
        daemon = self.start(
            "sh", "-c", 'trap "" INT; exec "$@"', "sh", ECHIOND, "-p", target.pid, "-vo", out,
            stderr=subprocess.PIPE,
        )
        self.wait_for_samples(out, daemon)
        daemon.send_signal(signal.SIGINT)
        self.expect_profile(self.finish(daemon))

    def test_a_signal_before_anything_is_found(self):
        target = self.busy()
        target.send_signal(signal.SIGSTOP)
        daemon = self.attach(target.pid, "-o", "out.austin", "-i", "3600s")
        wait_for(lambda: (self.folder / "out.austin").exists(), "output", daemon)
        wait_for(lambda: self.takes(daemon.pid, signal.SIGINT), "readiness", daemon)
        daemon.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(daemon).returncode, 0)

    def takes(self, pid, number):
        """Whether a process has blocked that signal, to take it when it sees fit."""
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"SigBlk:\s+([0-9a-f]+)", status)[1], 16) >> (number - 1) & 1

    def test_the_end_of_the_target(self):
        target = self.busy()
        out = self.folder / "out.austin"
        daemon = self.attach(target.pid, "-vo", out)
        self.wait_for_samples(out, daemon)
        target.stdin.close()
        self.assertEqual(target.wait(), 7)
        self.expect_profile(self.finish(daemon))

    def test_the_death_of_the_target(self):
        target = self.busy()
        out = self.folder / "out.austin"
        daemon = self.attach(target.pid, "-vo", out)
        self.wait_for_samples(out, daemon)
        target.kill()
        target.wait()
        self.expect_profile(self.finish(daemon))

    def test_the_end_of_the_target_is_noticed_between_samples(self):
        target = self.busy()
        daemon = self.attach(target.pid, "-o", "out.austin", "-i", "3600s", "-v")
        for line in daemon.stderr:
            if "CPython" in line:
                break
        target.kill()
        target.wait()
        self.assertIn(self.finish(daemon).returncode, (0, 66))

    def test_a_target_that_nobody_reaps(self):
        parent = self.python(
            "import subprocess, sys\n"
            f"child = subprocess.Popen([{PYTHON!r}, '-c', {profiler.BUSY!r}],"
            " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
            "child.stdout.readline()\n"
            "print('ready', flush=True)\n"
            "print(child.pid, flush=True)\n"
            "sys.stdin.readline()\n"
            "child.kill()\n"
            "sys.stdin.read()\n"
        )
        pid = int(parent.stdout.readline())
        out = self.folder / "out.austin"
        daemon = self.attach(pid, "-vo", out)
        self.wait_for_samples(out, daemon)
        parent.stdin.write("now\n")
        parent.stdin.flush()
        self.expect_profile(self.finish(daemon))
        self.assertEqual(profiler.state_of(pid), "Z")

    def test_a_closed_pipe(self):
        target = self.busy()
        daemon = self.attach(target.pid, "-o", "-", stdout=subprocess.PIPE)
        line = daemon.stdout.readline()
        self.assertEqual(line, "# austin: 3.7.0\n")
        daemon.stdout.close()
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertEqual(daemon.returncode, 0, daemon.stderr.read())

    def test_a_closed_pipe_when_there_is_nothing_to_write(self):
        target = self.python("import time\nprint('ready', flush=True)\ntime.sleep(1000)")
        for options in (["-c"], ["-i", "3600s"]):
            with self.subTest(options=options):
                daemon = self.attach(target.pid, "-v", "-o", "-", *options, stdout=subprocess.PIPE)
                for line in daemon.stderr:
                    if "sampling process" in line:
                        break
                if "-i" in options:
                    self.assertEqual(daemon.stdout.readline(), "# austin: 3.7.0\n")
                daemon.stdout.close()
                daemon.wait(timeout=profiler.PATIENCE)
                self.assertEqual(daemon.returncode, 0, daemon.stderr.read())

    def test_a_closed_socket(self):
        target = self.busy()
        ours, theirs = socket.socketpair()
        daemon = self.attach(target.pid, "-o", "-", stdout=theirs.fileno())
        theirs.close()
        self.assertTrue(ours.recv(1))
        ours.close()
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertEqual(daemon.returncode, 0, daemon.stderr.read())

    def test_a_reader_that_hangs_is_given_up_after_two_signals(self):
        target = self.busy()
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        daemon = self.attach(target.pid, "-o", "-", "-i", "0", "-v", stdout=write)
        os.close(write)
        wait_for(lambda: pathlib.Path(f"/proc/{daemon.pid}").exists() and self.is_full(read),
                 "a full pipe", daemon)
        daemon.send_signal(signal.SIGINT)
        for line in daemon.stderr:
            if "signal" in line:
                break
        daemon.send_signal(signal.SIGINT)
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertIn(daemon.returncode, (0, 74), daemon.stderr.read())

    @staticmethod
    def is_full(read):
        import array
        import fcntl
        import termios

        waiting = array.array("i", [0])
        fcntl.ioctl(read, termios.FIONREAD, waiting)
        return waiting[0] > 0

    def test_killed_it_leaves_what_it_had(self):
        target = self.busy()
        for name in ("out.austin", "out.mojo"):
            out = self.folder / name
            daemon = self.attach(target.pid, "-o", out)
            self.wait_for_samples(out, daemon)
            size = out.stat().st_size
            wait_for(lambda: out.stat().st_size > size, "a second batch", daemon)
            daemon.kill()
            daemon.wait()
            done = self.run_to_end(profiler.ECHION, "report", name)
            self.expect(done, 0)
            self.assertIn("inner", done.stdout)
        self.assertIsNone(target.poll())


class Follow(profiler.TestCase):
    def test_a_target_that_execs_another_python_is_followed(self):
        second = profiler.BUSY.replace("inner", "inner_two").replace("outer", "outer_two")
        target = self.python(
            "import os, sys\n"
            "print('ready', flush=True)\n"
            "def first():\n"
            "    while not os.path.exists('go'): pass\n"
            "first()\n"
            f"os.execv({PYTHON!r}, [{PYTHON!r}, '-c', {second!r}])\n"
        )
        out = self.folder / "out.austin"
        daemon = self.attach(target.pid, "-o", out)
        self.wait_for_samples(out, daemon)
        (self.folder / "go").touch()
        self.assertEqual(target.stdout.readline(), "ready\n")
        wait_for(lambda: "inner_two" in out.read_text(), "the second Python", daemon)
        target.kill()
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertEqual(daemon.returncode, 0, daemon.stderr.read())
        profile = Profile.read(out)
        self.expect_whole(profile)
        self.assertLessEqual({"first", "outer_two", "inner_two"}, profile.functions())
        self.assertEqual({s.pid for s in profile.samples}, {target.pid})

    def test_a_target_that_execs_something_else_ends_the_profile(self):
        target = self.python(
            "import os\n"
            "print('ready', flush=True)\n"
            "def first():\n"
            "    while not os.path.exists('go'): pass\n"
            "first()\n"
            "os.execvp('sleep', ['sleep', '600'])\n"
        )
        out = self.folder / "out.austin"
        daemon = self.attach(target.pid, "-o", out)
        self.wait_for_samples(out, daemon)
        (self.folder / "go").touch()
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertEqual(daemon.returncode, 0)
        self.assertIn("became another program", daemon.stderr.read())
        self.expect_whole(Profile.read(out))
        self.assertIsNone(target.poll())

    def test_a_target_that_is_just_starting(self):
        for _ in range(10):
            target = self.start(PYTHON, "-c", profiler.BUSY, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
            done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", "out.austin")
            self.expect(done, 0)
            self.expect_whole(Profile.read(self.folder / "out.austin"))


class WhatIsWritten(profiler.TestCase):
    def test_the_default_output_and_the_line_at_the_end(self):
        target = self.busy()
        done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.3")
        self.expect(done, 0, f"-> {target.pid}.austin")
        self.assertRegex(
            done.stderr,
            r"\Aechiond: [\d,]+ samples of 2 threads in \d+\.\d s \([\d,]+/s\), \d+ late, \d+ torn",
        )
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.expect_whole(Profile.read(self.folder / f"{target.pid}.austin"))

    def test_the_pid_in_the_name(self):
        target = self.busy()
        (self.folder / f"d{target.pid}").mkdir()
        self.expect(
            self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-q", "-o",
                            "d%(pid)/prof-%(pid)-%(pid).mojo"), 0
        )
        path = self.folder / f"d{target.pid}/prof-{target.pid}-{target.pid}.mojo"
        self.assertEqual(path.read_bytes()[:3], b"MOJ")

    def test_quiet_says_nothing(self):
        target = self.busy()
        done = self.run_to_end(ECHIOND, "-qp", target.pid, "-x", "0.2")
        self.expect(done, 0)
        self.assertEqual(done.stderr, "")

    def test_verbose_explains(self):
        target = self.busy()
        done = self.run_to_end(ECHIOND, "-vp", target.pid, "-x", "0.2")
        self.expect(done, 0, "CPython", "its runtime is at 0x")

    def test_modes_and_intervals_in_the_header(self):
        target = self.busy()
        for options, mode, interval in ((["-i", "2ms"], "wall", "2000"), (["-c"], "cpu", "1000"),
                                        (["-i", "0"], "wall", "0")):
            done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.5", "-o", "x", *options)
            self.expect(done, 0)
            profile = Profile.read(self.folder / "x")
            self.expect_whole(profile)
            self.assertEqual(profile.metadata["mode"], mode)
            self.assertEqual(profile.metadata["interval"], interval)
            self.assertEqual("cpu_native" in profile.metadata, mode == "cpu")
            self.assertEqual("cpu_unseen" in profile.metadata, mode == "cpu")

    def test_samples_do_not_wait_for_the_next_tick(self):
        target = self.busy()
        for name in ("out.austin", "out.mojo"):
            daemon = self.attach(target.pid, "-o", name, "-i", "3600s")
            self.wait_for_samples(self.folder / name, daemon)
            daemon.kill()
            daemon.wait()
            done = self.run_to_end(profiler.ECHION, "report", name)
            self.expect(done, 0)
            self.assertIn("outer", done.stdout)

    def test_the_wall_time_of_a_thread_is_what_passed(self):
        target = self.busy()
        self.expect(self.run_to_end(ECHIOND, "-p", target.pid, "-x", "1", "-o", "x"), 0)
        profile = Profile.read(self.folder / "x")
        total = sum(s.metric for s in profile.samples if s.thread == "MainThread")
        duration = profile.number("duration")
        self.assertAlmostEqual(total / duration, 1, delta=0.05)

    def test_a_target_at_rest_has_a_cpu_profile_without_samples(self):
        target = self.python("import time\nprint('ready', flush=True)\ntime.sleep(1000)")
        self.expect(self.run_to_end(ECHIOND, "-cp", target.pid, "-x", "0.5", "-o", "x"), 0)
        profile = Profile.read(self.folder / "x")
        self.assertEqual(profile.metadata["mode"], "cpu")
        self.assertIn("duration", profile.metadata)

    def test_standard_output_in_its_guises(self):
        target = self.busy()
        for name in ("-", "/dev/stdout", "/dev/fd/1"):
            with self.subTest(name=name):
                done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", name)
                self.expect(done, 0, "-> ")
                self.expect_whole(Profile(done.stdout))

    def test_an_appended_log_keeps_what_it_had(self):
        target = self.busy()
        log = self.folder / "log"
        log.write_text("before\n")
        with log.open("a") as out:
            self.expect(
                self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", "/dev/stdout",
                                stdout=out), 0
            )
        text = log.read_text()
        self.assertTrue(text.startswith("before\n# austin: "), text[:50])

    def test_mojo_on_standard_output_when_asked_for(self):
        target = self.busy()
        done = self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", "-", "--format",
                               "mojo", text=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout[:3], b"MOJ")

    def test_a_fifo_waits_for_its_reader_and_gets_text(self):
        target = self.busy()
        fifo = self.folder / "pipe.mojo"
        os.mkfifo(fifo)
        daemon = self.attach(target.pid, "-x", "0.3", "-o", fifo)
        text = []
        reader = threading.Thread(target=lambda: text.append(fifo.read_text()))
        wait_for(lambda: profiler.state_of(daemon.pid) == "S", "waiting", daemon)
        reader.start()
        reader.join(profiler.PATIENCE)
        daemon.wait(timeout=profiler.PATIENCE)
        self.assertEqual(daemon.returncode, 0, daemon.stderr.read())
        self.expect_whole(Profile(text[0]))
        self.assertTrue(fifo.is_fifo())

    def test_dev_null(self):
        target = self.busy()
        self.expect(self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", "/dev/null"), 0)
        self.assertTrue(pathlib.Path("/dev/null").is_char_device())

    def test_under_sudo_the_file_is_the_callers(self):
        self.need_root()
        target = self.busy()
        self.folder.chmod(0o755)
        self.environment |= {"SUDO_UID": "12345", "SUDO_GID": "12346"}
        self.expect(self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", "x"), 0)
        info = (self.folder / "x").stat()
        self.assertEqual((info.st_uid, info.st_gid), (12345, 12346))

    def test_an_existing_file_is_replaced(self):
        target = self.busy()
        out = self.folder / "out.austin"
        out.write_text("old\n" * 100_000)
        out.chmod(0o600)
        self.expect(self.run_to_end(ECHIOND, "-p", target.pid, "-x", "0.2", "-o", out), 0)
        self.assertNotIn("old", out.read_text())
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)
        self.expect_whole(Profile.read(out))


class Progress(profiler.TestCase):
    def run_on_terminal(self, *options):
        """Runs echiond with a terminal as its stderr; what it wrote there."""
        target = self.busy()
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        daemon = self.start(ECHIOND, "-p", target.pid, "-o", "x", *options, stderr=slave)
        os.close(slave)
        text = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # EIO: the other side is closed
                break
            if not piece:
                break
            text += piece
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0)
        return text.decode()

    def test_a_progress_line_on_a_terminal(self):
        text = self.run_on_terminal("-x", "1.5")
        self.assertGreaterEqual(text.count("\r\033[K"), 2)
        self.assertIn("samples of 2 threads", text)
        self.assertEqual(text.count("\n"), 1)

    def test_none_with_quiet(self):
        self.assertEqual(self.run_on_terminal("-x", "1", "-q"), "")


if __name__ == "__main__":
    unittest.main()
