"""What `cmake --install` puts where, and that the programs run from there."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import sources

BUILD = pathlib.Path(os.environ.get("ECHION_BUILD") or sources.ROOT / "build" / "release")
INSTALLED = {
    "bin/echion",
    "bin/echiond",
    "lib/echion/libechion-shim.so",
    "lib/echion/libechion-shim-i386.so",
    "share/man/man1/echion.1",
    "share/man/man8/echiond.8",
    "share/bash-completion/completions/echion",
    "share/bash-completion/completions/echiond",
    "share/zsh/site-functions/_echion",
    "share/fish/vendor_completions.d/echion.fish",
    "share/fish/vendor_completions.d/echiond.fish",
    "share/doc/echion/LICENSE",
    "share/doc/echion/README.md",
    "share/doc/echion/CHANGELOG.md",
}


class Install(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.prefix = pathlib.Path(scratch.name) / "prefix"
        command = ["cmake", "--install", BUILD, "--prefix", self.prefix]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def test_every_file(self):
        found = {
            str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if not path.is_dir()
        }
        self.assertEqual(found, INSTALLED)

    def test_programs_run_from_there(self):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.prefix)}
        for program in ("echion", "echiond"):
            done = subprocess.run(
                [self.prefix / "bin" / program, "-V"], env=env, capture_output=True, text=True, check=True
            )
            self.assertRegex(done.stdout, rf"^{program} \d+\.\d+\.\d+\n$")

    def test_echion_finds_echiond_there(self):
        done = subprocess.run(
            [self.prefix / "bin" / "echion", "-q", "-o", self.prefix / "out.austin",
             "/usr/bin/python3", "-c", "import time; time.sleep(0.5)"],
            cwd=self.prefix,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.prefix)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("<module>", (self.prefix / "out.austin").read_text())


if __name__ == "__main__":
    unittest.main()
