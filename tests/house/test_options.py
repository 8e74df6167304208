"""Help, man pages and completions speak of the options that the programs take, and of no others."""

import os
import pathlib
import re
import subprocess
import unittest

import sources

BUILD = pathlib.Path(os.environ.get("ECHION_BUILD") or sources.ROOT / "build" / "release")
PROGRAMS = {"echion": "man/echion.1", "echiond": "man/echiond.8"}
BASH = "dist/completions/echion.bash"
ZSH = "dist/completions/_echion"
FISH = "dist/completions/echion.fish"

LONG = r"--[a-z]+(?:-[a-z]+)*"
SHORT = r"(?<![\w-])-[a-zA-Z]\b"


def options_in(text):
    return set(re.findall(LONG, text)) | set(re.findall(SHORT, text))


def parser_options():
    """From the table that getopt_long goes by."""
    text = sources.text(pathlib.Path("daemon/service/options.c"))
    table = re.search(r"long_options\[\] = \{(.*?)\n\};", text, re.DOTALL).group(1)
    short = re.search(r'short_options\[\] = "\+?:?([^"]*)"', text).group(1)
    long = {f"--{name}" for name in re.findall(r'\{"([\w-]+)"', table)}
    return long | {f"-{letter}" for letter in short.replace(":", "")}


def help_of(program):
    done = subprocess.run(
        [BUILD / "bin" / program, "--help"], capture_output=True, text=True, check=True
    )
    return done.stdout


def man_sections(path):
    """From each section's title to its text, in plain characters."""
    plain = sources.text(pathlib.Path(path)).replace("\\-", "-").replace("\\(aq", "'")
    parts = re.split(r"^\.SH (.*)$", plain, flags=re.MULTILINE)
    return {title.strip('"'): body for title, body in zip(parts[1::2], parts[2::2])}


def man_options(path):
    """The options that have a paragraph of their own in OPTIONS."""
    tags = re.findall(r"^\.TP\n(.*)$", man_sections(path)["OPTIONS"], re.MULTILINE)
    return set().union(*(options_in(re.sub(r"\\f.|\.[BIR]+ |\"", " ", tag)) for tag in tags))


class Options(unittest.TestCase):
    def setUp(self):
        self.options = parser_options()
        self.assertGreater(len(self.options), 10)

    def test_help(self):
        for program in PROGRAMS:
            text = help_of(program)
            listed = re.findall(r"^  +(-\w|--[\w-]+)(?:, (--[\w-]+))?", text, re.MULTILINE)
            self.assertEqual({word for pair in listed for word in pair if word}, self.options)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 80)

    def test_man_pages(self):
        for path in PROGRAMS.values():
            # echion report has -n.
            own = man_options(path) - ({"-n"} if path.endswith(".1") else set())
            self.assertEqual(own, self.options, path)

    def test_man_pages_know_every_exit_status(self):
        header = sources.text(pathlib.Path("daemon/service/exit_status.h"))
        statuses = set(re.findall(r"^ +EXIT_STATUS_\w+ = (\d+)", header, re.MULTILINE))
        statuses |= set(re.findall(r"^ +EXIT_\w+ = (\d+)", header, re.MULTILINE))
        self.assertTrue(statuses)
        for path in PROGRAMS.values():
            text = man_sections(path)["EXIT STATUS"]
            told = set(re.findall(r"^\.B (\d+)$", text, re.MULTILINE))
            self.assertLessEqual(statuses, told, path)

    def test_bash_completion(self):
        words = {program: complete_bash([program, "-"]) for program in PROGRAMS}
        self.assertEqual(words["echion"], self.options)
        self.assertEqual(words["echiond"], self.options)
        self.assertEqual(complete_bash(["echion", "--format", ""]), {"austin", "mojo"})
        self.assertEqual(complete_bash(["echion", "re"]) & {"report"}, {"report"})
        self.assertEqual(complete_bash(["echiond", "re"]) & {"report"}, set())
        self.assertEqual(complete_bash(["echion", "wher"]) & {"where"}, {"where"})
        self.assertIn(str(os.getpid()), complete_bash(["echion", "where", str(os.getpid())]))
        self.assertIn(str(os.getpid()), complete_bash(["echiond", "-p", str(os.getpid())]))

    def test_bash_completion_leaves_the_command_its_options(self):
        self.assertEqual(complete_bash(["echion", "-i", "500us", "python3", "--vers"]), set())
        self.assertIn("--version", complete_bash(["echion", "-c", "--ver"]))

    def test_zsh_completion(self):
        own = sources.text(pathlib.Path(ZSH)).split("\n_echion() {")[1]
        pairs = re.findall(r"\{(-\w)\+?,(--\w+)=?\}", own) + re.findall(r"'(--[\w-]+)=?\[()", own)
        self.assertEqual({word for pair in pairs for word in pair if word}, self.options)
        subprocess.run(["zsh", "-n", sources.ROOT / ZSH], check=True, timeout=60)

    def test_fish_completion(self):
        for program in PROGRAMS:
            options = complete_fish(f"{program} -") | complete_fish(f"{program} --")
            self.assertEqual(options, self.options)
            self.assertEqual(complete_fish(f"{program} --format "), {"austin", "mojo"})
        self.assertIn("report", complete_fish("echion repo"))
        self.assertNotIn("report", complete_fish("echiond repo"))
        self.assertIn("where", complete_fish("echion wher"))
        self.assertNotIn("where", complete_fish("echiond wher"))
        self.assertEqual(complete_fish("echion -i 500us /bin/true --vers"), set())


def complete_bash(words):
    """What pressing Tab at the end of these words offers."""
    script = f"""
        source {sources.ROOT / BASH}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${{#COMP_LINE}}
        COMPREPLY=()
        _echion "$1" "${{!#}}" "${{@: -2:1}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def complete_fish(line):
    """The same in fish, where a description stands behind a tab."""
    script = f"source {sources.ROOT / FISH}; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True
    )
    return {word.split("\t")[0] for word in done.stdout.splitlines()}


if __name__ == "__main__":
    unittest.main()
