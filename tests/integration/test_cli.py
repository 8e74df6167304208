"""What the two programs say of themselves, and how echion finds echiond."""

import os
import shutil
import unittest

import profiler
from profiler import ECHION, ECHIOND


class Cli(profiler.TestCase):
    def test_version(self):
        for program, name in ((ECHION, "echion"), (ECHIOND, "echiond")):
            for option in ("-V", "--version"):
                done = self.run_to_end(program, option)
                self.expect(done, 0)
                self.assertRegex(done.stdout, rf"\A{name} \d+\.\d+\.\d+\n\Z")
                self.assertEqual(done.stderr, "")

    def test_help(self):
        for program, name in ((ECHION, "echion"), (ECHIOND, "echiond")):
            for option in ("-h", "--help"):
                done = self.run_to_end(program, option)
                self.expect(done, 0)
                self.assertTrue(done.stdout.startswith(f"Usage: {name} "), done.stdout)
                for word in ("--pid", "--output", "--interval", "--cpu", "--exposure", "--quiet",
                             "--verbose", "--version", "--help", "--format", "Examples:"):
                    self.assertIn(word, done.stdout)
                self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        self.assertIn("echion report", self.run_to_end(ECHION, "--help").stdout)

    def test_help_into_a_full_disk_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = self.run_to_end(ECHIOND, "--help", stdout=full)
        self.assertEqual(done.returncode, 74)

    def test_options_of_later_issues_are_unknown(self):
        for option in ("-n", "--native"):
            done = self.run_to_end(ECHION, option, "-p", "1")
            self.expect(done, 64, "unknown")
            self.assertIn(option.strip("-") if option.startswith("--") else option, done.stderr)

    def test_echion_speaks_in_its_own_name(self):
        self.assertTrue(self.run_to_end(ECHION, "-x").stderr.startswith("echion: "))
        self.assertTrue(self.run_to_end(ECHIOND, "-x").stderr.startswith("echiond: "))

    def install(self, *, daemon_at):
        for place, program in (("bin/echion", ECHION), (daemon_at, ECHIOND)):
            if place is not None:
                target = self.folder / "usr" / place
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(program, target)
        return self.folder / "usr/bin/echion"

    def test_echion_finds_echiond_where_it_is_installed(self):
        for place in ("bin/echiond", "sbin/echiond", "libexec/echiond"):
            with self.subTest(place=place):
                echion = self.install(daemon_at=place)
                self.expect(self.run_to_end(echion, "-V"), 0)
                shutil.rmtree(self.folder / "usr")

    def test_echion_is_found_through_a_link_and_through_path(self):
        self.install(daemon_at="sbin/echiond")
        (self.folder / "links").mkdir()
        os.symlink(self.folder / "usr/bin/echion", self.folder / "links/echion")
        self.expect(self.run_to_end(self.folder / "links/echion", "-V"), 0)
        self.environment["PATH"] = f"{self.folder}/links:{self.environment['PATH']}"
        self.expect(self.run_to_end("echion", "-V"), 0)

    def test_echion_without_echiond_says_so(self):
        echion = self.install(daemon_at=None)
        self.expect(self.run_to_end(echion, "-V"), 71, "there is no echiond")

    def test_closed_standard_streams_are_not_taken_for_files(self):
        target = self.busy()
        done = self.run_to_end(
            "sh", "-c", '"$0" -p "$1" -x 0.3 -o out.austin <&- >&- 2>&-', ECHIOND, target.pid
        )
        self.assertEqual(done.returncode, 0)
        profile = profiler.Profile.read(self.folder / "out.austin")
        self.expect_whole(profile)

    def test_a_command_may_be_named_report(self):
        script = self.folder / "report"
        script.write_text("#!/bin/sh\nexit 3\n")
        script.chmod(0o755)
        done = self.run_to_end(ECHION, "-q", "./report")
        self.assertEqual(done.returncode, 3, done.stderr)
        done = self.run_to_end(ECHION, "report", "missing.austin")
        self.assertEqual(done.returncode, 66, done.stderr)

    def test_report_reads_what_was_just_written(self):
        target = self.busy()
        for name in ("out.austin", "out.mojo"):
            self.expect(
                self.run_to_end(ECHION, "-p", target.pid, "-x", "0.5", "-o", name), 0, name
            )
            done = self.run_to_end(ECHION, "report", name, "-n", "5")
            self.expect(done, 0)
            self.assertIn("inner", done.stdout)
            self.assertIn("outer", done.stdout)


if __name__ == "__main__":
    unittest.main()
