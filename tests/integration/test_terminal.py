"""A launched command and its terminal: Ctrl+C, Ctrl+Z and the shell's job control, on a real pty."""

import contextlib
import os
import pty
import signal
import subprocess
import termios
import time
import unittest

import profiler
from profiler import ECHION, PYTHON, wait_for


class Terminal(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.seen = ""

    def start_on_terminal(self, *command):
        """Starts a command as the leader of a session with a terminal of its own."""
        pid, self.master = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.folder)
                os.execvpe(str(command[0]), [str(w) for w in command], self.environment)
            finally:
                os._exit(100)
        self.addCleanup(os.close, self.master)
        os.set_blocking(self.master, False)
        self.pid = pid
        self.status = None
        self.addCleanup(self.end)

    def end(self):
        if self.status is None:
            for pid in [*profiler.descendants_of(self.pid), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self):
        try:
            self.seen += os.read(self.master, 65536).decode()
        except BlockingIOError:
            pass
        except OSError:  # EIO: nobody has the terminal any more
            pass

    def expect_seen(self, text):
        """Waits until `text` has been written to the terminal, and forgets all up to it."""
        def look():
            self.read()
            return text in self.seen

        try:
            wait_for(look, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; seen: {self.seen!r}") from None
        self.seen = self.seen.partition(text)[2]

    def expect_status(self, status):
        def look():
            self.read()
            pid, self.status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                self.status = None
            return pid

        wait_for(look, "end of the command")
        self.assertEqual(os.waitstatus_to_exitcode(self.status), status, self.seen)


class Interrupts(Terminal):
    def test_ctrl_c_is_the_commands_own(self):
        code = (
            "import sys, time\n"
            "print('ready', flush=True)\n"
            "for n in range(2):\n"
            "    try: time.sleep(1000)\n"
            "    except KeyboardInterrupt: print('caught', n, flush=True)\n"
            "sys.exit(9)\n"
        )
        self.start_on_terminal(ECHION, "-o", "x", PYTHON, "-c", code)
        self.expect_seen("ready")
        self.type("\x03")
        self.expect_seen("caught 0")
        self.type("\x03")
        self.expect_seen("caught 1")
        self.expect_status(9)
        self.assertIn("# duration", (self.folder / "x").read_text())

    def test_a_command_that_dies_of_ctrl_c(self):
        self.start_on_terminal(ECHION, "-o", "x", "sh", "-c", "echo ready; exec sleep 1000")
        self.expect_seen("ready")
        self.type("\x03")
        self.expect_status(128 + signal.SIGINT)

    def test_ctrl_backslash_is_the_commands_own(self):
        code = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGQUIT, lambda *_: sys.exit(8))\n"
            "print('ready', flush=True)\n"
            "time.sleep(1000)\n"
        )
        self.start_on_terminal(ECHION, "-qo", "x", PYTHON, "-c", code)
        self.expect_seen("ready")
        self.type("\x1c")
        self.expect_status(8)

    def test_the_commands_terminal_settings_are_left_alone(self):
        code = (
            "import os, sys, termios, tty\n"
            "tty.setraw(0)\n"
            "print('ready', flush=True)\n"
            "got = os.read(0, 1)\n"
            "sys.exit(got[0])\n"
        )
        self.start_on_terminal(ECHION, "-qo", "x", PYTHON, "-c", code)
        self.expect_seen("ready")
        wait_for(lambda: not termios.tcgetattr(self.master)[3] & termios.ISIG, "raw mode")
        self.type("\x03")
        self.expect_status(3)

    def test_attached_ctrl_c_ends_the_profile(self):
        target = self.busy()
        self.start_on_terminal(ECHION, "-p", target.pid, "-o", "x")
        self.expect_seen("samples of 2 threads")
        self.type("\x03")
        self.expect_seen("-> x")
        self.expect_status(0)
        self.assertIsNone(target.poll())

    def test_a_hangup_reaches_the_command_once(self):
        code = (
            "import os, signal, sys, time\n"
            "count = 0\n"
            "def note(number, frame):\n"
            "    global count\n"
            "    count += 1\n"
            "signal.signal(signal.SIGHUP, note)\n"
            "print('ready', flush=True)\n"
            "while not count: time.sleep(0.01)\n"
            "time.sleep(0.5)\n"
            "open('count', 'w').write(str(count))\n"
        )
        self.start_on_terminal("sh", "-c", '"$0" -qo x "$1" -c "$2"; true', ECHION, PYTHON, code)
        self.expect_seen("ready")
        os.dup2(os.open("/dev/null", os.O_RDWR), self.master)  # hangs up
        wait_for(lambda: (self.folder / "count").exists() and
                 (self.folder / "count").read_text(), "the command's end")
        self.assertEqual((self.folder / "count").read_text(), "1")


class JobControl(Terminal):
    def start_shell(self):
        self.environment |= {"PS1": "$ ", "HISTFILE": "/dev/null", "TERM": "dumb"}
        self.start_on_terminal("bash", "--norc", "--noprofile", "-i")
        self.expect_seen("$ ")

    def expect_in_front(self):
        """Waits until a job has the terminal, in the mode that it had: what is typed goes to it."""
        wait_for(lambda: os.tcgetpgrp(self.master) != self.pid and
                 termios.tcgetattr(self.master)[3] & termios.ICANON, "a job in front")

    def test_ctrl_z_and_fg(self):
        self.start_shell()
        self.type(f"{ECHION} -qo x sh -c 'echo re\"\"ady; exec cat'\n")
        self.expect_seen("ready")
        self.type("hello\n")
        self.expect_seen("hello\r\nhello")
        self.type("\x1a")
        self.expect_seen("Stopped")
        self.type("jobs; fg\n")
        self.expect_in_front()
        self.type("again\n")
        self.expect_seen("again\r\nagain")
        self.type("\x04")
        self.type("echo done-$?\n")
        self.expect_seen("done-0")
        self.type("exit 5\n")
        self.expect_status(5)

    def test_a_command_that_ignores_ctrl_z_is_not_stopped(self):
        self.start_shell()
        code = (
            "import signal; signal.signal(signal.SIGTSTP, signal.SIG_IGN);"
            "print('go' + 'es', flush=True); print(input() + '-ed', flush=True)"
        )
        self.type(f'{ECHION} -qo x {PYTHON} -c "{code}"; echo status=$?\n')
        self.expect_seen("goes")
        self.expect_in_front()
        self.type("\x1a")
        self.type("type\n")
        self.expect_seen("type-ed")
        self.expect_seen("status=0")

    def test_a_background_job_that_reads_the_terminal_stops(self):
        self.start_shell()
        self.type(f"{ECHION} -qo x cat &\n")
        self.type("echo typed-$((1 + 1))\n")
        self.expect_seen("typed-2")

        def stopped():
            self.type("jobs -l\n")
            time.sleep(0.05)
            self.read()
            return "Stopped" in self.seen

        wait_for(stopped, "stopped job")
        self.seen = ""
        self.type("fg\n")
        self.expect_in_front()
        self.type("words\n")
        self.expect_seen("words\r\nwords")
        self.type("\x04")
        self.type("echo done-$?\n")
        self.expect_seen("done-0")

    def test_a_pause_from_elsewhere_and_cont_to_us_alone(self):
        code = "print('ready', flush=True); input()"
        daemon = self.start(ECHION, "-qo", "x", PYTHON, "-c", code, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
        daemon.stdout.readline()
        with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children", encoding="ascii") as children:
            child = int(children.read())
        os.kill(child, signal.SIGSTOP)
        wait_for(lambda: profiler.state_of(child) == "T", "stopped command")
        self.assertIn(profiler.state_of(daemon.pid), "SR")
        daemon.send_signal(signal.SIGCONT)
        wait_for(lambda: profiler.state_of(child) != "T", "continued command")
        daemon.stdin.write("\n")
        daemon.stdin.flush()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
