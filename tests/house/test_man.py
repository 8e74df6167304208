"""The man pages are clean, and say what the sources say."""

import os
import re
import shutil
import subprocess
import unittest

import sources

PAGES = ("man/echion.1", "man/echiond.8")


class Man(unittest.TestCase):
    def test_man_has_no_warnings(self):
        self.assertTrue(shutil.which("man"), "missing: apt-get install man-db")
        for page in PAGES:
            done = subprocess.run(
                ["man", "--warnings=all,mac", "-E", "UTF-8", "-Tutf8", "-l", sources.ROOT / page],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PAGER": "cat"},
            )
            self.assertEqual(done.stderr, "", page)
            text = re.sub(".\b", "", done.stdout)
            self.assertLessEqual(max(map(len, text.splitlines())), 80, page)

    def test_version(self):
        version = re.search(r"project\(echion VERSION ([\d.]+)", sources.text("CMakeLists.txt")).group(1)
        for page in PAGES:
            title = next(line for line in sources.text(page).splitlines() if line.startswith(".TH"))
            self.assertIn(f'"echion {version}"', title)

    def test_each_section_that_people_look_for(self):
        for page in PAGES:
            titles = re.findall(r'^\.SH "?([^"\n]*)"?$', sources.text(page), re.MULTILINE)
            for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES",
                          "SEE ALSO"):
                self.assertIn(title, titles, page)


if __name__ == "__main__":
    unittest.main()
