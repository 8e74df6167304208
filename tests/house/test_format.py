"""Every C file is as .clang-format has it; every script is one that its interpreter can read."""

import ast
import shutil
import subprocess
import unittest

import sources


class Format(unittest.TestCase):
    def test_c(self):
        self.assertTrue(shutil.which("clang-format"), "missing: apt-get install clang-format")
        wrong = []
        for path in sources.with_suffix(".c", ".h"):
            done = subprocess.run(
                ["clang-format", "--style=file", path], cwd=sources.ROOT, capture_output=True, check=True
            )
            if done.stdout != (sources.ROOT / path).read_bytes():
                wrong.append(f"clang-format -i {path}")
        self.assertFalse(wrong, "\n".join(["these would change it:", *wrong]))

    def test_python(self):
        for path in sources.with_suffix(".py"):
            ast.parse(sources.text(path), str(path))

    def test_shell(self):
        wrong = []
        for path in sources.files():
            if sources.is_script(path) and "bash" in sources.text(path).split("\n", 1)[0]:
                done = subprocess.run(
                    ["bash", "-n", path], cwd=sources.ROOT, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    wrong.append(done.stderr)
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
