"""Launching a command: what is profiled, and that the command does not notice."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import unittest

import profiler
from profiler import ECHION, PYTHON, Profile, wait_for

WORK = """
import sys, time
def work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))
work(float(sys.argv[1]))
sys.exit(int(sys.argv[2]))
"""

# Spawns its arguments from a thread that is not its first one, and waits: as `uv run` does.
LAUNCHER = r"""
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static char **command;
static int status;
static void *spawn(void *unused) {
    (void)unused;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return NULL;
}
int main(int argc, char **argv) {
    pthread_t thread;
    (void)argc;
    command = argv + 1;
    if (pthread_create(&thread, NULL, spawn, NULL) != 0) {
        return 99;
    }
    pthread_join(thread, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
"""


class Launch(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.script = self.folder / "work.py"
        self.script.write_text(WORK)
        self.out = self.folder / "out.austin"

    def launch(self, *command, options=(), **popen):
        return self.run_to_end(ECHION, "-o", "out.austin", *options, *command, **popen)

    def expect_profile(self, done, status):
        self.expect(done, status, "-> out.austin")
        profile = Profile.read(self.out)
        self.expect_whole(profile)
        self.assertIn("work", profile.functions())
        self.assertIn("gap", profile.metadata)
        return profile


class WhatIsProfiled(Launch):
    def test_a_python(self):
        profile = self.expect_profile(self.launch(PYTHON, "work.py", "0.3", "5"), 5)
        pids = {s.pid for s in profile.samples}
        self.assertEqual(len(pids), 1)

    def test_its_start_and_its_end(self):
        code = "import atexit, time\ndef last(): time.sleep(0.2)\natexit.register(last)\n"
        self.expect(self.launch(PYTHON, "-c", code), 0)
        profile = Profile.read(self.out)
        self.assertIn("last", profile.functions())
        imports = {f for s in profile.samples for f in s.frames if "importlib" in f}
        self.assertTrue(imports, "nothing of the interpreter's own start was seen")

    def test_mojo(self):
        done = self.run_to_end(ECHION, "-i", "500us", "-o", "out.mojo", PYTHON, "work.py", "0.3", "0")
        self.expect(done, 0, "-> out.mojo")
        self.assertEqual((self.folder / "out.mojo").read_bytes()[:3], b"MOJ")
        self.assertIn("work", self.run_to_end(ECHION, "report", "out.mojo").stdout)

    def test_options_of_the_command_are_its_own(self):
        code = "import sys; print(sys.argv[1:])"
        done = self.launch(PYTHON, "-c", code, "-p", "3", "--cpu", "-x", "0")
        self.expect(done, 0)
        self.assertEqual(done.stdout, "['-p', '3', '--cpu', '-x', '0']\n")

    def test_a_shell_that_execs(self):
        self.expect_profile(
            self.launch("sh", "-c", 'exec "$0" work.py 0.3 3', PYTHON), 3
        )

    def test_a_shell_that_waits(self):
        self.expect_profile(
            self.launch("sh", "-c", '"$0" work.py 0.3 3; exit $(($? + 1))', PYTHON), 4
        )

    def test_a_script_that_idles_first(self):
        script = self.folder / "run.sh"
        script.write_text(f'#!/bin/sh\nsleep 1.5\n"{PYTHON}" work.py 0.3 3\n')
        script.chmod(0o755)
        self.expect_profile(self.launch("./run.sh"), 3)

    def test_env(self):
        done = self.launch("env", "COLOUR=green", PYTHON, "work.py", "0.3", "0")
        self.expect_profile(done, 0)

    def test_a_chain_of_shims(self):
        shim = self.folder / "python"
        shim.write_text(
            "#!/usr/bin/env bash\nset -e\nexport STEP=$((${STEP:-0} + 1))\n"
            'if [ "$STEP" -lt 3 ]; then exec "$0" "$@"; fi\n'
            f'exec "{PYTHON}" "$@"\n'
        )
        shim.chmod(0o755)
        self.expect_profile(self.launch("./python", "work.py", "0.3", "6"), 6)

    def test_a_pyenv_shim(self):
        shim = pathlib.Path.home() / ".pyenv/shims/python3"
        if not shim.exists():
            self.skipTest(f"there is no pyenv shim {shim}")
        self.expect_profile(self.launch(shim, "work.py", "0.3", "6"), 6)

    def test_a_launcher_that_spawns_from_a_thread_and_waits(self):
        (self.folder / "launcher.c").write_text(LAUNCHER)
        subprocess.run(["cc", "-pthread", "-o", "launcher", "launcher.c"], cwd=self.folder, check=True)
        self.expect_profile(self.launch("./launcher", PYTHON, "work.py", "0.3", "8"), 8)

    def test_the_pid_in_the_name_is_the_pythons(self):
        done = self.run_to_end(
            ECHION, "-o", "p-%(pid).austin", "sh", "-c", '"$0" work.py 0.3 0; true', PYTHON
        )
        self.expect(done, 0)
        (path,) = self.folder.glob("p-*.austin")
        (pid,) = {s.pid for s in Profile.read(path).samples}
        self.assertEqual(path.name, f"p-{pid}.austin")

    def test_the_pid_in_the_name_of_a_binary_profile(self):
        done = self.run_to_end(
            ECHION, "-o", "%(pid).mojo", "sh", "-c", '"$0" -c "import os; print(os.getpid())"; true', PYTHON
        )
        self.expect(done, 0, f"-> {done.stdout.strip()}.mojo")
        self.assertEqual((self.folder / f"{done.stdout.strip()}.mojo").read_bytes()[:3], b"MOJ")
        self.assertEqual(len(list(self.folder.glob("*.mojo"))), 1)

    def test_the_default_output(self):
        done = self.run_to_end(ECHION, "sh", "-c", '"$0" work.py 0.3 4; exit $?', PYTHON)
        self.expect(done, 4)
        (path,) = self.folder.glob("*.austin")
        self.assertIn(f"-> {path.name}\n", done.stderr)
        profile = Profile.read(path)
        self.expect_whole(profile)
        self.assertEqual({s.pid for s in profile.samples}, {int(path.stem)})

    def test_a_second_one_is_named_in_one_line(self):
        done = self.launch(
            "sh", "-c", '"$0" work.py 1 0 & "$0" work.py 1 0; wait; "$0" work.py 0.3 0', PYTHON
        )
        self.expect_profile(done, 0)
        self.assertEqual(done.stderr.count("is another Python"), 1)
        self.assertEqual(len(done.stderr.splitlines()), 2)

    def test_a_child_of_the_profiled_one_is_not_beside_it(self):
        code = (
            "import subprocess, sys\n"
            "def work(): subprocess.run([sys.executable, 'work.py', '0.4', '0'])\n"
            "work()\n"
        )
        done = self.launch(PYTHON, "-c", code)
        self.expect_profile(done, 0)
        self.assertNotIn("another Python", done.stderr)

    def test_a_command_without_python(self):
        done = self.launch("sh", "-c", "echo hello; exit 3")
        self.expect(done, 3, "no Python was found")
        self.assertEqual(done.stdout, "hello\n")
        self.assertFalse(self.out.exists())

    def test_a_command_without_python_leaves_an_old_file_alone(self):
        self.out.write_text("old")
        self.expect(self.launch("true"), 0, "no Python was found")
        self.assertEqual(self.out.read_text(), "old")

    def test_a_python_that_is_not_known_runs_normally(self):
        versions = pathlib.Path.home() / ".pyenv/versions"
        old = [p for p in (versions / v / "bin/python" for v in ("2.7.18", "3.6.15", "3.7.16"))
               if p.exists()]
        if not old:
            self.skipTest("pyenv has no Python before 3.8")
        for python in old:
            with self.subTest(python=python):
                done = self.launch(
                    python, "-c", "import time, sys; time.sleep(0.5); sys.exit(11)"
                )
                self.expect(done, 11, "not profiled: ")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_a_target_that_execs_another_python_is_followed(self):
        code = (
            "import os, sys, time\n"
            "def first():\n"
            "    end = time.monotonic() + 0.3\n"
            "    while time.monotonic() < end: pass\n"
            "first()\n"
            "os.execv(sys.executable, [sys.executable, 'work.py', '0.3', '9'])\n"
        )
        profile = self.expect_profile(self.launch(PYTHON, "-c", code), 9)
        self.assertIn("first", profile.functions())


class WhatTheCommandSees(Launch):
    def outside_and_inside(self, *command, **popen):
        """The standard output of a command, without us and with us."""
        outside = self.run_to_end(*command, **popen)
        inside = self.launch(*command, options=["-q"], **popen)
        self.assertEqual(outside.returncode, inside.returncode)
        return outside.stdout, inside.stdout

    def test_its_exit_status(self):
        for status in (0, 1, 77, 255):
            self.expect(self.launch("sh", "-c", f"exit {status}"), status)

    def test_128_and_the_signal_that_ended_it(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGPIPE):
            # A background job of a script has SIGINT ignored.
            done = self.launch(
                "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$",
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            self.expect(done, 128 + number)

    def test_127_and_126(self):
        (self.folder / "data").write_text("x")
        for command, status in (("no-such-command", 127), ("./no-such-file", 127), ("/", 126),
                                ("./data", 126), ("./data/x", 126)):
            with self.subTest(command=command):
                done = self.launch(command)
                self.expect(done, status, f"cannot run '{command}'")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertFalse(self.out.exists())

    def test_its_standard_streams(self):
        done = self.launch("sh", "-c", "cat; echo error >&2; exec >&-; exec 2>&-", options=["-q"],
                           stdin=None, input="text\n" * 10_000)
        self.assertEqual(done.stdout, "text\n" * 10_000)
        self.assertTrue(done.stderr.startswith("error\n"), done.stderr)

    def test_its_descriptors(self):
        outside, inside = self.outside_and_inside("ls", "/proc/self/fd")
        self.assertEqual(outside, inside)

    def test_its_closed_descriptors(self):
        for closed in ("<&-", ">&-", "2>&-", "<&- 2>&-"):
            code = f'"$0" -qo out.austin sh -c "ls /proc/self/fd > inside" {closed}'
            self.run_to_end("sh", "-c", code, ECHION)
            self.run_to_end("sh", "-c", f'sh -c "ls /proc/self/fd > outside" {closed}')
            self.assertEqual(
                (self.folder / "inside").read_text(), (self.folder / "outside").read_text(), closed
            )

    def test_its_signals(self):
        for prepare in ("", "trap '' HUP INT QUIT PIPE CHLD XFSZ TSTP TERM; "):
            outside, inside = self.outside_and_inside(
                "sh", "-c", prepare + "exec grep ^Sig[BIC] /proc/self/status"
            )
            self.assertEqual(outside, inside)
            code = prepare + '"$0" -qo out.austin grep "^Sig[BIC]" /proc/self/status'
            self.assertEqual(self.run_to_end("sh", "-c", code, ECHION).stdout, outside)

    def test_its_process_group_and_limits(self):
        code = "ps -o pgid= -o sid= -o tpgid= -o ni= -p $$; ulimit -a"
        outside, inside = self.outside_and_inside("sh", "-c", code, start_new_session=False)
        strip = lambda text: text.splitlines()[1:]
        self.assertEqual(strip(outside), strip(inside))

    def test_its_environment(self):
        outside, inside = self.outside_and_inside("env")
        self.assertEqual(outside, inside)

    def test_a_name_in_path(self):
        (self.folder / "bin").mkdir()
        os.symlink("/bin/true", self.folder / "bin/my-own-true")
        self.environment["PATH"] += f":{self.folder}/bin"
        self.expect(self.launch("my-own-true"), 0)

    def test_signals_sent_to_us_reach_it(self):
        code = (
            "import signal, sys, time\n"
            "def end(number, frame): print(number, flush=True)\n"
            "for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):\n"
            "    signal.signal(n, end)\n"
            "print('ready', flush=True)\n"
            "while True: time.sleep(0.01)\n"
        )
        daemon = self.start(ECHION, "-qo", "out.austin", PYTHON, "-c", code, stdout=subprocess.PIPE)
        self.assertEqual(daemon.stdout.readline(), "ready\n")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            daemon.send_signal(number)
            self.assertEqual(daemon.stdout.readline(), f"{int(number)}\n")
        self.assertIsNone(daemon.poll())

    def test_a_signal_that_it_sends_to_its_group_reaches_it_once(self):
        code = (
            "import os, signal, sys, time\n"
            "count = 0\n"
            "def end(number, frame):\n"
            "    global count\n"
            "    count += 1\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "os.kill(0, signal.SIGTERM)\n"
            "time.sleep(0.5)\n"
            "sys.exit(count)\n"
        )
        done = self.launch(PYTHON, "-c", code, start_new_session=True)
        self.expect(done, 1)

    def test_it_dies_of_a_forwarded_signal(self):
        daemon = self.start(ECHION, "-qo", "out.austin", "sleep", "1000")
        wait_for(lambda: self.child_of(daemon.pid), "the command", daemon)
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 128 + signal.SIGTERM)

    @staticmethod
    def child_of(pid):
        """The process that `pid` has become the parent of, once it runs its own program."""
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not text or os.readlink(f"/proc/{text[0]}/exe") == os.readlink(f"/proc/{pid}/exe"):
            return None
        return int(text[0])

    def test_it_goes_on_when_we_are_killed(self):
        code = "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\nopen('done', 'w')\n"
        daemon = self.start(ECHION, "-qo", "out.austin", PYTHON, "-c", code,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(daemon.stdout.readline(), "ready\n")
        daemon.kill()
        daemon.wait()
        daemon.stdin.write("\n")
        daemon.stdin.flush()
        wait_for(lambda: (self.folder / "done").exists(), "the command's end")

    def test_what_it_leaves_in_the_background_does_not_hold_us(self):
        done = self.launch("sh", "-c", 'sleep 1000 >&- 2>&- & echo $!')
        self.expect(done, 0)
        os.kill(int(done.stdout), signal.SIGKILL)

    def test_waiting_costs_little(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.launch("sh", "-c", "sleep 4; true")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.assertLess(used, 0.4, "over a tenth of a core, only to wait")


class HowTheProfileEnds(Launch):
    def test_exposure_ends_the_profile_not_the_command(self):
        # Long enough for a busy machine to have started the interpreter, and to reach the work.
        done = self.launch(PYTHON, "work.py", "6", "4", options=["-x", "2.5"])
        profile = self.expect_profile(done, 4)
        self.assertLess(profile.number("duration"), 5_500_000)

    def test_exposure_ends_the_profile_on_standard_output_too(self):
        code = (
            "import sys, time\n"
            "print('begun', flush=True)\n"
            "sys.stdin.readline()\n"
            "print('ended', flush=True)\n"
            "sys.exit(6)\n"
        )
        daemon = self.start(ECHION, "-x", "0.3", "-o", "-", PYTHON, "-c", code, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        text = daemon.stdout.read()  # to its end
        self.expect_whole(Profile(text))
        self.assertIsNone(daemon.poll(), "the command goes on")
        daemon.stdin.write("now\n")
        daemon.stdin.flush()
        told = daemon.stderr.read()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 6)
        for text in ("begun\n", "ended\n", "-> standard output\n"):
            self.assertIn(text, told)

    def test_standard_output_is_the_profiles(self):
        code = "import sys, time\nprint('to stdout', flush=True)\ntime.sleep(0.3)\n"
        done = self.run_to_end(ECHION, "-o", "-", PYTHON, "-c", code)
        self.expect(done, 0, "to stdout\n", "-> standard output")
        self.assertNotIn("to stdout", done.stdout)
        self.expect_whole(Profile(done.stdout))

    def test_a_closed_pipe_ends_the_profile_not_the_command(self):
        read, write = os.pipe()
        os.close(read)
        done = self.run_to_end(ECHION, "-o", "-", PYTHON, "work.py", "1.5", "6", stdout=write)
        os.close(write)
        self.assertEqual(done.returncode, 6, done.stderr)

    def test_a_full_disk_ends_the_profile_not_the_command(self):
        done = self.run_to_end(ECHION, "-o", "/dev/full", PYTHON, "work.py", "1.5", "6")
        self.expect(done, 6, "No space left")

    def test_a_bad_output_is_found_out_before_the_command_starts(self):
        done = self.run_to_end(ECHION, "-o", self.folder, "touch", "started")
        self.expect(done, 73, "it is a folder", "not started")
        done = self.run_to_end(ECHION, "-o", "x.svg", "touch", "started")
        self.expect(done, 64, "--format")
        self.assertFalse((self.folder / "started").exists())

    def test_quiet(self):
        done = self.launch(PYTHON, "work.py", "0.3", "0", options=["-q"])
        self.expect(done, 0)
        self.assertEqual(done.stderr, "")

    def test_under_sudo_the_file_is_the_callers(self):
        self.need_root()
        self.folder.chmod(0o777)
        self.environment |= {"SUDO_UID": "12345", "SUDO_GID": "12346"}
        self.expect(self.launch(PYTHON, "work.py", "0.2", "0"), 0)
        self.assertEqual(self.out.stat().st_uid, 12345)

    def test_echiond_is_the_commands_parent(self):
        # Which is all that Yama asks for where ptrace_scope is 1 (Documentation/admin-guide/LSM/Yama.rst).
        script = "import os; print(open('/proc/%d/comm' % os.getppid()).read())"
        self.assertEqual(self.launch(PYTHON, "-c", script).stdout.split(), ["echiond"])

    def test_without_any_privilege(self):
        self.need_root()
        python = shutil.which("python3", path="/usr/bin")
        if python is None:
            self.skipTest("needs a Python that everybody may run, /usr/bin/python3")
        daemon = self.copy_programs(self.folder / "programs")
        self.folder.chmod(0o777)
        done = self.run_to_end(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs", daemon, "-o", "out.austin",
            python, "work.py", "0.3", "5",
        )
        self.expect_profile(done, 5)


if __name__ == "__main__":
    unittest.main()
