"""echion where: what a process does at this moment."""

import collections
import contextlib
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import time
import unittest

import interpreters
import profiler
import shown

TARGETS = profiler.ROOT / "tests/targets"
WAITS = TARGETS / "waits.py"
WAITING = 14  # threads of that, the main one included
DUMP_MOST = 100  # frames that faulthandler shows of a thread

Thread = collections.namedtuple("Thread", "name tid words frames notes")
Frame = collections.namedtuple("Frame", "function file line source")


# What tests/targets/values.py has, as --locals shows it, without the addresses.
VALUES = {
    "first": "1", "rest": "(2,)", "keyword": "'given'", "more": "{'other': 3}",
    "inner": "'held by a cell'",
    "none": "None", "true": "True", "false": "False",
    "zero": "0", "small": "12345", "negative": "-2147483648", "large": "4611686018427387905",
    "derived": "<int at 0x>",
    "tenth": "0.1", "whole": "-3.0", "tiny": "5e-324", "infinite": "-inf",
    "text": "'söurce 日本 \U0001f600'", "empty": "''", "quoted": r"'it\'s \\ a\nline \x1b[31m'",
    "long": f"'{'x' * 60}...'",
    "raw": r"b'by\'tes\x00\xff\n'",
    "pair": "(1, 'two')", "one": "(3,)", "nothing": "()",
    "numbers": "[1.5, None, [2, [3, [...]]]]", "many": "[0, 1, 2, 3, 4, 5, ...]",
    "itself": "[[[[...]]]]",
    "mapping": "{'a': 1, 2: ('b',), None: {}}", "gone": "{'y': 2}",
    "some": "{7}", "no": "set()",
    "own": "<Own at 0x>", "kind": "<type at 0x>", "cell": "<function at 0x>",
}


class Scene:
    """What echion where has printed: its header, its deadlocks, its threads."""

    THREAD = re.compile(r"(?:x (\d+): )?(.*) \((\d+)\)(?:, \.\.\.)?: (.*)")
    FRAME = re.compile(r"    (\S.*) \((.*):(\d+)\)")

    def __init__(self, text):
        head, *blocks = text.rstrip("\n").split("\n\n")
        self.header = head.splitlines()
        self.deadlocks = [block.splitlines() for block in blocks if block.startswith("Deadlock")]
        self.threads = [self.thread(b.splitlines()) for b in blocks if not b.startswith("Deadlock")]

    def thread(self, lines):
        _, name, tid, words = self.THREAD.fullmatch(lines[0]).groups()
        frames, notes = [], []
        for line in lines[1:]:
            place = self.FRAME.fullmatch(line)
            if line.startswith(" " * 8) and not line.startswith(" " * 9):
                frames[-1] = frames[-1]._replace(source=line.strip())
            elif place:
                frames.append(Frame(place[1], place[2], int(place[3]), None))
            else:
                notes.append(line.strip())
        return Thread(name, int(tid), words, frames, notes)

    def named(self, name):
        (thread,) = [thread for thread in self.threads if thread.name == name]
        return thread


def dumped(text):
    """The stacks that faulthandler has written, outermost frame first."""
    stacks = []
    for line in text.splitlines():
        frame = re.fullmatch(r'  File "(.*)", line (\d+) in (.*)', line)
        if frame:
            stacks[-1].insert(0, (frame[1], frame[3].rpartition(".")[2], int(frame[2])))
        elif "most recent call first" in line:
            stacks.append([])
    return stacks


class TestCase(shown.TestCase):
    def where(self, pid, *options, program=("where",), **popen):
        return self.run_to_end(profiler.ECHION, *program, *options, pid, **popen)

    def look(self, pid, *options, **popen):
        done = self.where(pid, *options, **popen)
        self.expect(done, 0)
        if "-v" not in options:
            self.assertEqual(done.stderr, "")
        return Scene(done.stdout)

    def waits(self, python):
        """The target whose threads wait for one another, once they all do, and where its stacks go."""
        stacks = self.folder / f"stacks-{python.name}"
        target, _ = self.spawn(python, WAITS, "/dev/stdout" if python.kind == "root" else stacks)
        tasks = pathlib.Path(f"/proc/{target.pid}/task")

        def parked():
            calls = [(task / "syscall").read_text().split()[0] for task in tasks.iterdir()]
            return len(calls) == WAITING and set(calls) <= {"202", "240", "422"}

        profiler.wait_for(parked, "threads that all wait", target.process)
        return target, stacks


class EveryPython(TestCase):
    def test_waits(self):
        self.on_every(self.pythons, self.look_at_waits)

    def look_at_waits(self, python):
        target, _ = self.waits(python)
        scene = self.look(target.pid, "-v")
        self.assertTrue(scene.header[0].startswith(f"Process {target.pid}: "))
        self.assertTrue(scene.header[1].startswith(f"CPython {'.'.join(map(str, python.version[:2]))}"))
        self.assertIn(f"{python.bits}-bit", scene.header[1])

        lock = r"waiting for the (?:R?)Lock at 0x[0-9a-f]+"
        tid = {thread.name: thread.tid for thread in scene.threads}
        for name, words in {
            "MainThread": rf"waiting for pay \({tid['pay']}\) to end",
            "pay": rf"{lock}, which refund \({tid['refund']}\) holds",
            "refund": rf"{lock}, which pay \({tid['pay']}\) holds",
            "rlock holder": r"waiting in Event\.wait, for a limited time",
            "rlock": rf"{lock}, which rlock holder \({tid['rlock holder']}\) holds",
            "room": rf"{lock}, which room holder \({tid['room holder']}\) holds",
            "notified": rf"{lock}, holder unknown: a Lock records none",
            "bare": rf"{lock}, holder unknown: a Lock records none",
            "timed": rf"{lock}, for a limited time, holder unknown: a Lock records none",
            "itself": rf"{lock}, which it holds",
            "deep": r"waiting in Queue\.get",
            "event": r"waiting in Event\.wait",
            "semaphore": r"waiting in Semaphore\.acquire",
        }.items():
            self.assertRegex(scene.named(name).words, f"^{words}$", name)

        pair, alone = scene.deadlocks
        self.assertEqual(pair[0], "Deadlock: 2 threads wait for one another")
        self.assertRegex(pair[1], rf"^    pay \(\d+\) is {lock}, which refund \(\d+\) holds in transfer \(")
        self.assertRegex(pair[2], rf"^    refund \(\d+\) is {lock}, which pay \(\d+\) holds in transfer \(")
        self.assertEqual(len(pair), 3)
        self.assertEqual(alone[0], "Deadlock: a thread waits for itself")
        self.assertRegex(alone[1], rf"^    itself \(\d+\) is {lock}, which it holds in twice \(")

    def test_frames_are_those_of_faulthandler(self):
        self.on_every(self.pythons, self.look_at_frames)

    def look_at_frames(self, python):
        target, stacks = self.waits(python)
        scene = self.look(target.pid, "-v")
        os.kill(target.pid, signal.SIGUSR1)
        # Of the last thread, which is the main one, the outermost frame comes last.
        text = ""
        if python.kind == "root":
            while not text.endswith("in <module>\n"):
                text += target.process.stdout.readline()
        else:
            profiler.wait_for(lambda: stacks.read_text().endswith("in <module>\n"), "stacks")
            text = stacks.read_text()
        frames = [
            [(frame.file, frame.function.rpartition(".")[2], frame.line) for frame in thread.frames]
            for thread in scene.threads
        ]
        self.assertEqual(sorted(stack[-DUMP_MOST:] for stack in frames), sorted(dumped(text)))
        self.assertGreater(max(map(len, frames)), 12)
        self.expect_same_as_json(scene, target.pid)
        for thread in scene.threads:
            self.assertEqual(thread.notes, [])
            for frame in thread.frames:
                self.assertTrue(frame.source or not os.access(frame.file, os.R_OK), frame)


    def expect_same_as_json(self, scene, pid):
        done = self.where(pid, "--json")
        self.expect(done, 0)
        document = json.loads(done.stdout)
        self.assertEqual(document["version"], 1)
        (process,) = document["processes"]
        self.assertEqual(process["pid"], pid)
        self.assertIn(f"CPython {process['python']}, {process['bits']}-bit", scene.header[1])
        ids = {thread.name: thread.tid for thread in scene.threads}
        pair, alone = process["deadlocks"]
        self.assertEqual((sorted(pair), alone), (sorted([ids["pay"], ids["refund"]]), [ids["itself"]]))
        for thread, told in zip(scene.threads, process["threads"], strict=True):
            self.assertEqual((thread.name, thread.tid), (told["name"], told["tid"]))
            self.assertEqual(thread.words, told["doing"])
            self.assertEqual(thread.frames, [Frame(**frame) for frame in told["frames"]])
            self.assertTrue(told["python"] and told["consistent"])
            self.assertEqual((told["state"], told["system_call"][:5]), ("S", "futex"))
        waits = {thread["name"]: thread["waits_for"] for thread in process["threads"]}
        self.assertEqual(waits["MainThread"], {"kind": "thread", "timed": False, "holder": ids["pay"]})
        self.assertEqual((waits["pay"]["kind"], waits["pay"]["holder"]), ("Lock", ids["refund"]))
        self.assertEqual((waits["timed"]["timed"], waits["timed"]["holder"]), (True, None))
        self.assertEqual(waits["deep"]["call"], "Queue.get")


    def test_locals(self):
        self.on_every(self.pythons, self.look_at_locals)

    def look_at_locals(self, python):
        target, _ = self.spawn(python, TARGETS / "values.py")
        calls = pathlib.Path(f"/proc/{target.pid}/syscall")
        profiler.wait_for(lambda: calls.read_text().split()[0] == shown.READ[python.bits], "a read")
        done = self.where(target.pid, "--locals", "--json")
        self.expect(done, 0)
        (process,) = json.loads(done.stdout)["processes"]
        frame = process["threads"][0]["frames"][-1]
        self.assertEqual(frame["function"], "show")
        values = {name: re.sub("0x[0-9a-f]+", "0x", text) for name, text in frame["locals"].items()}
        bits = int(re.fullmatch(r"<int of up to (\d+) bits>", values.pop("huge"))[1])
        self.assertIn(bits, (135, 150))  # 9 digits of 15 bits, 5 of 30
        self.assertEqual(values, VALUES)

        text = self.where(target.pid, "--locals").stdout
        for name, value in VALUES.items():
            shown_value = re.escape(value).replace("0x", "0x[0-9a-f]+")
            self.assertRegex(text, rf"\n          {name} = {shown_value}\n")


class States(TestCase):
    def test_busy_threads_share_the_gil(self):
        target = self.python(
            "import threading\ndef spin():\n    while True: pass\n"
            "for i in range(3): threading.Thread(target=spin, name=f'spin{i}', daemon=True).start()\n"
            "print('ready', flush=True)\nspin()"
        )
        profiler.wait_for(  # the main thread says "ready" before it has the GIL again
            lambda: {t.frames[-1].function for t in self.look(target.pid, "-v").threads} == {"spin"},
            "threads that all spin",
            target,
        )
        seen = collections.Counter()
        for _ in range(20):
            threads = self.look(target.pid, "-v").threads
            self.assertEqual(len(threads), 4)
            holders = [thread for thread in threads if thread.words.endswith("holds the GIL")]
            self.assertLessEqual(sum(t.words.endswith(", holds the GIL") for t in threads), 1)
            for thread in threads:
                self.assertEqual(thread.frames[-1].function, "spin")
                seen[thread.words.split(",")[0]] += 1
            for waiting in threads:
                if " which " in waiting.words:
                    name = waiting.words.split(" which ")[1].split(" (")[0]
                    self.assertIn(name, [t.name for t in threads if t.words.endswith(", holds the GIL")])
            self.assertTrue(holders or seen)
        self.assertGreater(seen["waiting for the GIL"], 20)
        self.assertGreater(seen["running"], 0)

    def test_native_code_that_keeps_the_gil(self):
        target = self.python(
            "import ctypes, threading, time\n"
            "threading.Thread(target=time.sleep, args=(1000,), name='other', daemon=True).start()\n"
            "print('ready', flush=True)\nctypes.PyDLL(None).sleep(1000)"
        )
        calls = pathlib.Path(f"/proc/{target.pid}/syscall")
        profiler.wait_for(lambda: calls.read_text().split()[0] == "230", "a sleep in C", target)
        scene = self.look(target.pid)
        self.assertEqual(
            scene.named("MainThread").words, "waiting in system call clock_nanosleep, holds the GIL"
        )

    def test_stopped(self):
        target = self.busy()
        os.kill(target.pid, signal.SIGSTOP)
        profiler.wait_for(lambda: profiler.state_of(target.pid) == "T", "a stop", target)
        scene = self.look(target.pid)
        self.assertTrue(scene.named("MainThread").words.startswith("stopped"))
        self.assertIn("outer", [frame.function for frame in scene.named("MainThread").frames])
        self.assertEqual(profiler.state_of(target.pid), "T")

    def test_a_thousand_threads_are_grouped(self):
        target = self.python(
            "import threading\nend = threading.Event()\n"
            "for i in range(999): threading.Thread(target=end.wait, name=f'w{i}', daemon=True).start()\n"
            "print('ready', flush=True)\nend.wait()"
        )
        tasks = pathlib.Path(f"/proc/{target.pid}/task")
        profiler.wait_for(
            lambda: all(t.joinpath("syscall").read_text().startswith("202") for t in tasks.iterdir()),
            "threads that all wait",
            target,
        )
        done = self.where(target.pid)
        self.expect(done, 0)
        self.assertRegex(done.stdout, r"\nx 999: w0 \(\d+\), .*, \.\.\.: waiting in Event\.wait\n")
        self.assertEqual(len(self.look(target.pid, "-v").threads), 1000)

    def test_five_thousand_frames(self):
        target = self.python(
            "import sys, threading\nsys.setrecursionlimit(20000)\nthreading.stack_size(256 << 20)\n"
            "def odd(n):\n    even(n - 1)\n"
            "def even(n):\n    if n: odd(n - 1)\n    else: print('ready', flush=True); sys.stdin.read()\n"
            "threading.Thread(target=even, args=(5000,), name='deep').start()"
        )
        frames = self.look(target.pid).named("deep").frames
        functions = [frame.function for frame in frames]
        self.assertEqual(functions[-5001:], ["even", "odd"] * 2500 + ["even"])

    def test_a_call_that_calls_itself_is_shown_once(self):
        target = self.python(
            "import sys\ndef again(n):\n"
            "    if n: again(n - 1)\n    else: print('ready', flush=True); sys.stdin.read()\nagain(50)"
        )
        main = self.look(target.pid).named("MainThread")
        self.assertEqual(main.notes, ["[the same 47 more times]"])
        self.assertEqual([f.function for f in main.frames].count("again"), 4)

    def test_zombie(self):
        target = self.busy()
        target.kill()
        profiler.wait_for(lambda: profiler.state_of(target.pid) == "Z", "a zombie")
        done = self.where(target.pid)
        self.expect(done, 66, "zombie", f"process {os.getpid()}")
        self.assertEqual(done.stdout, "")


class CommandLine(TestCase):
    def test_ways_to_ask(self):
        target = self.busy()
        for words in (["where", target.pid], ["-w", target.pid], ["where", target.pid, "--verbose"],
                      ["--where", target.pid, "-v"]):
            done = self.run_to_end(profiler.ECHION, *words)
            self.expect(done, 0)
            self.assertIn("MainThread", done.stdout)
        done = self.run_to_end(profiler.ECHIOND, "--where", target.pid)
        self.expect(done, 0)
        self.assertIn("MainThread", done.stdout)

    def test_usage(self):
        for words, text in (
            (["where"], "needs a value"),
            (["where", "me"], "not a process id"),
            (["where", "1", "2"], "no meaning beside -w"),
            (["where", "-c", "1"], "no meaning beside -w"),
            (["-w", "1", "-p", "2"], "no meaning beside -w"),
            (["-w", "1", "--format", "mojo"], "no meaning beside -w"),
            (["--json", "-p", "1"], "--json is for -w"),
            (["--locals", "true"], "--locals is for -w"),
        ):
            done = self.run_to_end(profiler.ECHION, *words)
            self.expect(done, 64, text)
            self.assertEqual(done.stdout, "")

    def test_statuses(self):
        sleep = self.start("sleep", "1000")
        self.expect(self.where(sleep.pid), 65)
        sleep.kill()
        sleep.wait()
        self.expect(self.where(sleep.pid), 66, "there is no process")

    def test_output_that_cannot_be_written(self):
        target = self.busy()
        with open("/dev/full", "w") as full:
            done = self.where(target.pid, stdout=full)
        self.expect(done, 74)

    def test_colour_on_a_terminal_only(self):
        target = self.busy()
        self.assertNotIn("\x1b", self.where(target.pid).stdout)
        for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                                      ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            with self.subTest(environment):
                base = {k: v for k, v in self.environment.items() if k != "NO_COLOR"}
                text = self.in_terminal(target.pid, base | environment)
                self.assertIn("MainThread", text)
                self.assertEqual("\x1b" in text, coloured)

    def in_terminal(self, pid, environment):
        ours, theirs = pty.openpty()
        process = self.start(profiler.ECHION, "where", pid, stdout=theirs, env=environment)
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # EIO once nobody has it open
            while piece := os.read(ours, 65536):
                text += piece
        os.close(ours)
        self.assertEqual(process.wait(), 0)
        return text.decode()


class Children(TestCase):
    START = (
        "import subprocess, sys\n"
        "for i in range(2):\n"
        "    subprocess.Popen(['sh', '-c', '%s -c \"$0\"; true' % sys.executable, "
        "\"import os, sys; os.write(1, b'up' + bytes([10])); sys.stdin.read()\"])\n"
        "sys.stdin.read()"
    )

    def test_all_that_it_has_started(self):
        parent = self.start(profiler.PYTHON, "-c", self.START, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual([parent.stdout.readline() for _ in range(2)], ["up\n"] * 2)
        done = self.where(parent.pid, "-C")
        self.expect(done, 0)
        self.assertEqual(done.stderr, "")
        pids = [int(pid) for pid in re.findall(r"^Process (\d+): ", done.stdout, re.MULTILINE)]
        self.assertEqual(len(pids), 3)
        self.assertEqual(pids[0], parent.pid)
        listed = json.loads(self.where(parent.pid, "-C", "--json").stdout)["processes"]
        self.assertEqual([process["pid"] for process in listed], pids)
        self.assertLess(set(pids[1:]), set(profiler.descendants_of(parent.pid)))
        self.assertEqual(len(re.findall("^Process ", self.where(parent.pid).stdout, re.MULTILINE)), 1)

    def test_below_a_process_that_is_no_python(self):
        shell = self.start("sh", "-c", f"{profiler.PYTHON} -c 'import sys; print(1, flush=True); "
                           "sys.stdin.read()'; true", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        shell.stdout.readline()
        done = self.where(shell.pid, "-C")
        self.expect(done, 0)
        self.assertIn("MainThread", done.stdout)
        self.expect(self.where(shell.pid), 65)

    def test_no_python_at_all(self):
        done = self.where(self.start("sleep", "1000").pid, "-C")
        self.expect(done, 65)
        self.assertEqual(done.stdout, "")


class Sources(TestCase):
    PARK = "def park():\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    CODE = (
        "import sys\nscope = {'sys': sys}\n"
        "exec(compile(%r, sys.argv[1], 'exec'), scope)\nscope['park']()" % PARK
    )

    def parked_in(self, name, **popen):
        """The frame of a function that says that it is from line 3 of that file."""
        target = self.python(self.CODE, name, **popen)

        def parked():
            frames = self.look(target.pid).threads[0].frames
            return next((f for f in frames if f.function == "park" and f.line == 3), None)

        frame = profiler.wait_for(parked, "a rest in line 3", target)
        self.assertEqual(frame.file, str(name))
        return frame

    def test_line(self):
        path = self.folder / "söurce 日本.py"
        path.write_text("first\nsecond\n\t  third \x1b[31m\u202eline\t# end \r\nfourth")
        self.assertEqual(self.parked_in(path).source, "third ?[31m?line # end")

    def test_relative_to_the_working_folder(self):
        (self.folder / "source.py").write_text("1\n2\nthe third\n")
        self.assertEqual(self.parked_in("source.py").source, "the third")

    def test_no_such_line(self):
        path = self.folder / "short.py"
        path.write_text("1\n2\n")
        self.assertIsNone(self.parked_in(path).source)

    def test_what_is_no_file(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        for name in (fifo, self.folder, "/dev/zero", "/dev/tty", "/proc/self/fd/0", "<string>"):
            begun = time.monotonic()
            self.assertIsNone(self.parked_in(name).source, name)
            self.assertLess(time.monotonic() - begun, 20)

    def test_rights_of_the_owner(self):
        self.need_root()
        nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        secret = self.folder / "secret.py"
        secret.write_text("1\n2\nsecret\n")
        self.folder.chmod(0o755)
        secret.chmod(0o600)
        self.assertIsNone(self.parked_in("/etc/shadow", python="/usr/bin/python3", **nobody).source)
        self.assertIsNone(self.parked_in(secret, python="/usr/bin/python3", **nobody).source)
        secret.chmod(0o644)
        self.assertEqual(
            self.parked_in(secret, python="/usr/bin/python3", **nobody).source, "secret"
        )

    def test_links_stay_within_the_root(self):
        self.need_root()
        roots = [p for p in self.pythons if p.kind == "root"]
        if not roots:
            self.skipTest("needs a root of tests/roots")
        outside = self.folder / "outside.py"
        outside.write_text("1\n2\noutside of the root\n")
        link = self.folder / "link.py"
        link.symlink_to(f"/proc/{os.getpid()}/root{outside}")
        self.assertIsNone(self.parked_in(link).source)


if __name__ == "__main__":
    unittest.main()
