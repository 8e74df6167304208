"""clang-tidy has nothing to say, as .clang-tidy asks it, of any C file that the build compiles.

A file that passed is not looked at again until it, one of the project's headers that it includes,
.clang-tidy or its command line changes: what passed is remembered under ${ECHION_CACHE}/tidy."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import unittest

import sources

BUILD = pathlib.Path(os.environ.get("ECHION_BUILD") or sources.ROOT / "build" / "release")
REMEMBERED_SECONDS = 60 * 24 * 3600


def cache_folder():
    home_cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("ECHION_CACHE") or pathlib.Path(home_cache) / "echion") / "tidy"


def compiled():
    """From each source below ROOT to the first command that compiles it."""
    commands = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(sources.ROOT):
            commands.setdefault(path.relative_to(sources.ROOT), entry["command"])
    return commands


class Tidy(unittest.TestCase):
    def setUp(self):
        self.assertTrue(shutil.which("clang-tidy"), "missing: apt-get install clang-tidy")
        self.cache = cache_folder()
        self.cache.mkdir(parents=True, exist_ok=True)
        for old in self.cache.iterdir():
            if time.time() - old.stat().st_mtime > REMEMBERED_SECONDS:
                old.unlink()
        version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
        self.common = version + b"".join(
            (sources.ROOT / path).read_bytes() for path in sources.files() if path.name == ".clang-tidy"
        )

    def key(self, path, command):
        """Of everything that the answer depends on, but for the system's headers."""
        digest = hashlib.sha256(self.common)
        # Build folders and checkouts differ from run to run; defines and warnings do not.
        digest.update(command.replace(str(BUILD), "").replace(str(sources.ROOT), "").encode())
        for other in sources.closure(path):
            digest.update(str(other).encode() + b"\0" + (sources.ROOT / other).read_bytes())
        return self.cache / digest.hexdigest()

    def complaints(self, item):
        path, command = item
        passed = self.key(path, command)
        if passed.exists():
            passed.touch()
            return ""
        done = subprocess.run(
            ["clang-tidy", "--quiet", "-p", BUILD, path],
            cwd=sources.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            passed.touch()
            return ""
        return done.stdout or done.stderr or f"{path}: status {done.returncode}"

    def test_every_source(self):
        commands = compiled()
        self.assertGreater(len(commands), 50)
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = [text for text in pool.map(self.complaints, sorted(commands.items())) if text]
        self.assertFalse(found, "\n".join(found))


if __name__ == "__main__":
    unittest.main()
