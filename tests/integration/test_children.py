"""-C: every Python that a process starts or forks is profiled, and without it none of them."""

import contextlib
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import interpreters
import profiler
from profiler import ECHION, ECHIOND, PYTHON, Profile, wait_for

sys.path.insert(0, str(profiler.ROOT / "tests/readers"))

sys.path.insert(0, str(profiler.ROOT / "tests/oracle"))

import install  # noqa: E402
from profile_reader import read_profile  # noqa: E402

GUNICORN = "gunicorn==23.0.0"
# Answers with the pid of the worker.
APP = """
import os
def serve():
    return sum(range(100000))
def app(environ, start_response):
    serve()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

# Starts three scripts, and says their pids.
THREE = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, f"{n}.py"]) for n in range(1, 4)]
for child in children: print(child.pid, flush=True)
for child in children: child.wait()
"""
WORK_ON = """import os
def work():
    while not os.path.exists(%r):
        sum(range(1000))
work()
"""

FAMILY = interpreters.TARGETS / "family.py"
CHILDREN = 2  # as in family.py

WAYS = ("os.fork", "fork", "spawn", "forkserver", "pool", "subprocess", "environment", "shell")


class Children(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.kin = self.folder / "kin"
        self.kin.mkdir()
        self.out = self.folder / "out.austin"

    def children(self):
        """The pids of the children, once all are there."""
        return wait_for(
            lambda: len(found := {int(p.name) for p in self.kin.iterdir() if p.name.isdigit()})
            == CHILDREN
            and found,
            "children",
        )

    def stop(self):
        (self.kin / "stop").touch()

    def seen(self, path, pid, function):
        """Whether the profile at `path` shows that process in that function."""
        if not path.exists():
            return False
        whole = path.read_text().rpartition("\n")[0]
        return any(
            s.pid == pid and any(f.split(":")[-2] == function for f in s.frames if f != ":INVALID:")
            for s in Profile(whole).samples
        )

    def wait_until_seen(self, path, pid, function):
        wait_for(lambda: self.seen(path, pid, function), f"{function} of process {pid}")

    def holds(self, pid, prefix):
        """Whether a process has something open whose name begins so."""
        for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(link).startswith(str(prefix)):
                    return True
        return False

    def expect_counts(self, profile):
        self.assertEqual(
            profile.number("samples"), profile.number("kept") + profile.number("torn")
        )

    def expect_children(self, running, pid, looked_for):
        """All of the family are in the one file, and it ends well. `looked_for`: the children were
        found by looking, not by the shim."""
        kin = self.children()
        for child in kin:
            self.wait_until_seen(self.out, child, "child")
        self.wait_until_seen(self.out, pid, "parent")
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        profile = Profile.read(self.out)
        self.assertEqual(profile.metadata["multiprocess"], "on")
        self.expect_counts(profile)
        self.assertIn("in %d processes" % len({s.pid for s in profile.samples}), said)
        found_late = said.partition("while they ran: ")[2]
        for child in kin:
            self.assertEqual(str(child) in found_late, looked_for, said)
        return profile


class Launched(Children):
    def launch(self, way, *options):
        return self.start(
            ECHION, *options, PYTHON, FAMILY, way, self.kin, stderr=subprocess.PIPE
        )

    def expect_way(self, way, *options, looked_for=False):
        running = self.launch(way, "-C", "-o", self.out, *options)
        pid = wait_for(
            lambda: self.out.exists()
            and {s.pid for s in Profile(self.out.read_text().rpartition("\n")[0]).samples},
            "samples",
            running,
        )
        self.expect_children(running, min(pid), looked_for)

    def test_without_the_shim_they_are_looked_for(self):
        self.expect_way("subprocess", "--no-shim", looked_for=True)

    def test_by_stealth_no_environment_leads_to_them(self):
        self.expect_way("subprocess", "-s", looked_for=True)

    def test_one_file_for_each(self):
        running = self.launch("fork", "-C", "-o", self.folder / "%(pid).austin")
        kin = self.children()
        for child in kin:
            self.wait_until_seen(self.folder / f"{child}.austin", child, "child")
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        files = {int(path.stem): Profile.read(path) for path in self.folder.glob("*.austin")}
        self.assertEqual(len(files), CHILDREN + 1)
        for pid, profile in files.items():
            self.assertEqual({s.pid for s in profile.samples}, {pid})
            self.assertNotIn("multiprocess", profile.metadata)
            self.expect_counts(profile)
        self.assertIn("%(pid).austin", said)
        self.assertIn(f"in {CHILDREN + 1} processes", said)

    def test_without_it_children_are_left_alone(self):
        running = self.launch("fork", "-o", self.out)
        kin = self.children()
        parent = wait_for(
            lambda: self.out.exists() and {s.pid for s in Profile.read(self.out).samples}, "samples"
        )
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        profile = Profile.read(self.out)
        self.assertEqual({s.pid for s in profile.samples}, parent)
        self.assertFalse(parent & kin)
        self.assertNotIn("multiprocess", profile.metadata)

    def test_pythons_one_after_the_other(self):
        script = "import os; end = lambda: sum(range(3000000)); end(); print(os.getpid())"
        done = self.run_to_end(
            ECHION, "-C", "-o", self.out, "sh", "-c",
            'for i in 1 2 3; do "$0" -c "$1"; done', PYTHON, script,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        profile = Profile.read(self.out)
        self.assertEqual({s.pid for s in profile.samples}, set(map(int, done.stdout.split())))

    def test_a_child_that_is_no_python_is_nothing_to_speak_of(self):
        script = "import subprocess; [subprocess.run(['true']) for _ in range(50)]"
        done = self.run_to_end(ECHION, "-C", "-o", self.out, PYTHON, "-c", script)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(len({s.pid for s in Profile.read(self.out).samples}), 1)

    def test_the_exposure_ends_all(self):
        running = self.launch("fork", "-C", "-x", "1", "-o", self.out)
        kin = self.children()
        wait_for(
            lambda: self.out.exists() and "# errors: " in self.out.read_text(), "footer", running
        )
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        self.assertTrue(kin <= {s.pid for s in Profile.read(self.out).samples})

    def test_an_output_that_fails_ends_all(self):
        running = self.launch("fork", "-C", "-o", "/dev/full")
        self.children()
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0)
        self.assertIn("/dev/full", said)

    def test_lines_are_those_of_the_process_that_is_named(self):
        # The same bytecode in every process, on other lines.
        for n in range(1, 4):
            (self.folder / f"{n}.py").write_text("\n" * 100 * n + WORK_ON % str(self.kin / "stop"))
        for name in ("out.austin", "out.mojo"):
            with self.subTest(name=name):
                (self.kin / "stop").unlink(missing_ok=True)
                self.expect_lines(name)

    def expect_lines(self, name):
        path = self.folder / name
        running = self.start(
            ECHION, "-C", "-o", path, PYTHON, "-c", THREE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        pids = [int(running.stdout.readline()) for _ in range(3)]

        def places():
            found = {}
            begun = path.exists() and path.stat().st_size > 0  # by which its format is known
            profile = read_profile(str(path)) if begun else None
            for stack, _ in profile.stacks() if profile else ():
                for frame in stack.frames:
                    if getattr(frame, "function", None) == "work":
                        found.setdefault(stack.pid, set()).add(frame.line)
            return found

        wait_for(lambda: set(pids) <= set(places()), "work of all", running)
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        for n, pid in enumerate(pids, start=1):
            self.assertLessEqual(places()[pid], {100 * n + 3, 100 * n + 4})

    def test_too_few_descriptors(self):
        script = (
            "import os, sys, time\n"
            "children = []\n"
            "for _ in range(20):\n"
            "    children.append(os.fork())\n"
            "    if children[-1] == 0:\n"
            "        while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
            "        os._exit(0)\n"
            "for child in children: os.waitpid(child, 0)\n"
        )
        running = self.start(
            ECHION, "-C", "-o", self.out, PYTHON, "-c", script, self.kin / "stop",
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        )
        self.assertIn("some processes are left out", running.stderr.readline())
        wait_for(
            lambda: self.out.exists()
            and len({s.pid for s in Profile(self.out.read_text().rpartition("\n")[0]).samples}) > 3,
            "samples of some", running,
        )
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        self.expect_counts(Profile.read(self.out))

    def test_a_full_disk_ends_it_once(self):
        # MOJO grows with every sample.
        running = self.start(
            ECHION, "-C", "-i", "100us", "-o", self.folder / "%(pid).mojo",
            PYTHON, FAMILY, "fork", self.kin, stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
        )
        kin = self.children()
        for pid in kin:
            path = self.folder / f"{pid}.mojo"
            wait_for(path.exists, "a file", running)
            wait_for(lambda path=path: not self.holds(running.pid, path), "its end", running)
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        self.assertIn("File too large", said)
        self.assertEqual(len(list(self.folder.glob("*.mojo"))), CHILDREN + 1)
        self.assertIn(f"in {CHILDREN + 1} processes", said)

    def test_binary(self):
        path = self.folder / "out.mojo"
        running = self.launch("fork", "-C", "-o", path)
        kin = self.children()
        self.assertEqual(len(kin), CHILDREN)

        def reported():
            report = self.run_to_end(ECHION, "report", "-n", "1000", path)
            return report.returncode == 0 and {":child", ":parent"} <= {
                ":" + line.rpartition(":")[2] for line in report.stdout.splitlines()
            }

        wait_for(reported, "report of all", running)
        self.stop()
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        self.assertTrue(reported())


def way_test(way):
    return lambda self: self.expect_way(way)


for _way in WAYS:
    setattr(Launched, "test_by_" + _way.replace(".", "_"), way_test(_way))


class EveryPython(Children):
    def test_each(self):
        for interpreter in interpreters.find():
            if interpreter.root is not None:
                continue  # a process in a root is like another one: test_every_python
            with self.subTest(interpreter.name):
                if interpreter.missing:
                    self.skipTest(interpreter.missing)
                self.expect_fork(interpreter.executable)

    def expect_fork(self, python):
        with tempfile.TemporaryDirectory(dir=self.folder) as kin:
            self.kin = pathlib.Path(kin)
            self.out = self.kin / "out.austin"
            target = self.start(python, FAMILY, "os.fork", self.kin)
            self.children()
            running = self.start(
                ECHIOND, "-C", "-p", target.pid, "-o", self.out, stderr=subprocess.PIPE
            )
            self.expect_children(running, target.pid, looked_for=True)
            target.wait()


class Refused(Children):
    def test_what_is_no_python_and_what_is_not_there(self):
        """As without -C."""
        ended = self.start("true")
        wait_for(lambda: profiler.state_of(ended.pid) == "Z", "a zombie")
        target = self.start("sleep", "1000")
        for pid, status in ((target.pid, 65), (ended.pid, 66), (2**22 + 1, 66)):
            with self.subTest(pid=pid):
                one, all_ = (
                    self.run_to_end(ECHIOND, *options, "-p", pid, "-o", self.out)
                    for options in ((), ("-C",))
                )
                self.assertEqual((all_.returncode, all_.stderr), (one.returncode, one.stderr))
                self.assertEqual(all_.returncode, status)
                self.assertFalse(self.out.exists())


class RealPrograms(Children):
    def test_gunicorn(self):
        try:
            packages = install.package(GUNICORN)
        except install.NotInstallable as reason:
            self.skipTest(str(reason))
        (self.folder / "busy_app.py").write_text(APP)
        self.environment["PYTHONPATH"] = packages
        running = self.start(
            ECHION, "-C", "-o", self.out,
            PYTHON, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:0", "busy_app:app",
            stderr=subprocess.PIPE,
        )
        said = ""
        while not (at := re.search(r"Listening at: (http://\S+)", said)):
            line = running.stderr.readline()
            self.assertTrue(line, said)
            said += line

        def seen_serving():
            with urllib.request.urlopen(at[1], timeout=profiler.PATIENCE) as answer:
                workers.add(int(answer.read()))
            return len(workers) == 2 and all(self.seen(self.out, w, "serve") for w in workers)

        workers = set()
        wait_for(seen_serving, "serving workers", running)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        profile = Profile.read(self.out)
        self.expect_counts(profile)
        self.assertEqual(len({s.pid for s in profile.samples}), 3)


class Attached(Children):
    def threads(self, pid):
        """The names of a process's threads, sorted."""
        found = []
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found.append((task / "comm").read_text().strip())
        return sorted(found)

    def shows(self, pid):
        return any(s.pid == pid for s in Profile(self.out.read_text().rpartition("\n")[0]).samples)

    def family(self, way):
        return self.start(PYTHON, FAMILY, way, self.kin)

    def test_children_that_are_there(self):
        target = self.family("fork")
        self.children()
        running = self.start(
            ECHIOND, "-C", "-p", target.pid, "-o", self.out, stderr=subprocess.PIPE
        )
        self.expect_children(running, target.pid, looked_for=True)

    def test_a_signal_ends_all(self):
        target = self.family("shell")
        kin = self.children()
        running = self.start(
            ECHIOND, "-C", "-p", target.pid, "-o", self.out, stderr=subprocess.PIPE
        )
        for child in kin:
            self.wait_until_seen(self.out, child, "child")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        self.assertIn("errors", Profile.read(self.out).metadata)
        self.assertIsNone(target.poll())
        self.stop()

    def test_a_child_that_comes_and_goes(self):
        target = self.python(
            "import os, sys, time\n"
            "print('ready', flush=True)\n"
            "for line in sys.stdin:\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        end = time.monotonic() + 0.3\n"
            "        while time.monotonic() < end: sum(range(100))\n"
            "        os._exit(0)\n"
            "    os.waitpid(pid, 0)\n"
            "    print(pid, flush=True)\n"
        )
        running = self.start(
            ECHIOND, "-C", "-p", target.pid, "-o", self.out, stderr=subprocess.PIPE
        )
        wait_for(self.out.exists, "samples", running)
        pids = set()
        for _ in range(5):
            target.stdin.write("\n")
            target.stdin.flush()
            pids.add(int(target.stdout.readline()))
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=profiler.PATIENCE)
        self.assertEqual(running.returncode, 0, said)
        profile = Profile.read(self.out)
        self.assertEqual({s.pid for s in profile.samples}, pids | {target.pid})
        self.expect_counts(profile)

    def test_descriptors_of_children_that_are_gone_are_closed(self):
        target = self.python(
            "import os, sys\n"
            "print('ready', flush=True)\n"
            "for line in sys.stdin:\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        while True: sum(range(100))\n"
            "    print(pid, flush=True)\n"
            "    sys.stdin.readline()\n"
            "    os.kill(pid, 9)\n"
            "    os.waitpid(pid, 0)\n"
            "    print('gone', flush=True)\n"
        )
        running = self.start(
            ECHIOND, "-C", "-p", target.pid, "-o", self.out, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: "echion-scout" in self.threads(running.pid), "scout", running)
        wait_for(self.out.exists, "samples", running)
        alone = self.threads(running.pid)
        descriptors = set()
        for _ in range(6):
            target.stdin.write("\n")
            target.stdin.flush()
            pid = int(target.stdout.readline())
            wait_for(lambda: len(self.threads(running.pid)) > len(alone), "its session", running)
            wait_for(lambda pid=pid: self.shows(pid), "samples of the child", running)
            target.stdin.write("\n")
            target.stdin.flush()
            self.assertEqual(target.stdout.readline(), "gone\n")
            wait_for(lambda: self.threads(running.pid) == alone, "the session's end", running)
            # The scout has it open until its next round.
            wait_for(lambda pid=pid: not self.holds(running.pid, f"/proc/{pid}"), "closing", running)
            descriptors.add(len(os.listdir(f"/proc/{running.pid}/fd")))
        self.assertEqual(len(descriptors), 1, descriptors)


if __name__ == "__main__":
    unittest.main()
