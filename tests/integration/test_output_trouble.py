"""An output that fails while it is written: status 74, and the file is cut back to whole records."""

import errno
import os
import resource
import subprocess
import unittest

import profiler
import seccomp
from profiler import ECHIOND, Profile

# Ever new stacks, so that the profile grows fast; before that, if there is a file to wait for, but one.
GROWING = """
import os, sys, time
def make(depth, n):
    if depth == 0:
        return sum(range(100))
    return eval(compile(f"make(depth - 1, n)", f"/file-{n % 997}-{depth}.py", "eval"))
print("ready", flush=True)
while sys.argv[1:] and not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
n = 0
while True:
    n += 1
    make(20, n)
"""


class Trouble(profiler.TestCase):
    def expect_cut_back(self, path):
        """What is left can be read to its last byte."""
        data = path.read_bytes()
        self.assertTrue(data)
        if path.suffix == ".austin":
            self.assertTrue(data.endswith(b"\n"))
            self.assertGreater(len(Profile(data.decode()).samples), 0)
        done = self.run_to_end(profiler.ECHION, "report", path)
        self.expect(done, 0)
        self.assertEqual(done.stderr, "")
        self.assertNotIn("cut off", done.stdout, "the last record is not whole")

    def test_a_full_disk(self):
        self.need_root()
        target = self.python(GROWING)
        for name in ("out.austin", "out.mojo"):
            with self.subTest(name=name):
                disk = self.folder / f"disk-{name}"
                disk.mkdir()
                # A file system of our own: it goes with the namespace.
                done = self.run_to_end(
                    "unshare", "-m", "--propagation", "private", "sh", "-c",
                    'mount -t tmpfs -o size=128k tmpfs "$1" || exit 99; '
                    '"$0" -p "$2" -i 100us -o "$1/$3"; status=$?; cp "$1/$3" "$3"; exit $status',
                    ECHIOND, disk, target.pid, name,
                )
                self.expect(done, 74, "No space left on device")
                self.expect_cut_back(self.folder / name)

    def test_a_limit_on_the_size_of_files(self):
        target = self.python(GROWING)
        for name in ("out.austin", "out.mojo"):
            with self.subTest(name=name):
                done = self.run_to_end(
                    ECHIOND, "-p", target.pid, "-i", "100us", "-o", name,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
                )
                self.expect(done, 74, "File too large", "ulimit -f")
                self.assertLessEqual((self.folder / name).stat().st_size, 60_000)
                self.expect_cut_back(self.folder / name)

    def test_a_quota(self):
        # As a file system with a quota answers: to the writes of the growing profile, not the first ones.
        def refuse():
            seccomp.refuse(seccomp.SYS_WRITE, errno.EDQUOT, third_at_least=4096)

        for name in ("out.austin", "out.mojo"):
            with self.subTest(name=name):
                target = self.python(GROWING, f"grow-{name}")
                daemon = self.attach(target.pid, "-i", "10ms", "-o", name, preexec_fn=refuse)
                self.wait_for_samples(self.folder / name, daemon)
                (self.folder / f"grow-{name}").touch()
                _, told = daemon.communicate(timeout=profiler.PATIENCE)
                self.assertEqual(daemon.returncode, 74, told)
                for text in ("Disk quota exceeded", "what was written before is whole",
                             "free some space or choose another place"):
                    self.assertIn(text, told)
                self.expect_cut_back(self.folder / name)

    def test_a_full_device(self):
        target = self.busy()
        done = self.run_to_end(ECHIOND, "-p", target.pid, "-o", "/dev/full")
        self.expect(done, 74, "No space left on device")

    def test_a_folder_that_is_removed_meanwhile_does_no_harm(self):
        target = self.busy()
        folder = self.folder / "gone"
        folder.mkdir()
        daemon = self.attach(target.pid, "-o", "gone/x.austin")
        self.wait_for_samples(folder / "x.austin", daemon)
        (folder / "x.austin").unlink()
        folder.rmdir()
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, daemon.stderr.read())

    def test_a_reader_that_reads_late_gets_everything(self):
        target = self.python(GROWING)
        daemon = self.attach(target.pid, "-o", "-", "-x", "1", "-i", "100us", stdout=subprocess.PIPE)
        profiler.wait_for(lambda: target.poll() is None and self.waits_to_write(daemon),
                          "a full pipe", daemon)
        text = daemon.stdout.read()
        self.assertEqual(daemon.wait(timeout=profiler.PATIENCE), 0, daemon.stderr.read())
        self.expect_whole(Profile(text))

    @staticmethod
    def waits_to_write(daemon):
        tasks = f"/proc/{daemon.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/wchan", encoding="ascii") as wchan:
                if "pipe_write" in wchan.read():
                    return True
        return False


if __name__ == "__main__":
    unittest.main()
