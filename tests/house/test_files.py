"""The house rules that can be read off the files: their length, their names, their openings."""

import pathlib
import re
import unittest

import sources

LINES_MAX = 500
HEADER_LINES_MAX = 100  # It fits on a screen.
# One struct, whose members are the whole of what differs between CPythons.
LONG_HEADERS = {pathlib.Path("daemon/python/layout.h")}

SILENT_NAMES = {"util", "utils", "helper", "helpers", "misc", "common", "stuff", "all"}
# In pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|not (yet )?imple" r"mented)\b")
DIRTY = re.compile(r"[ \t]+$|\r|[^\n]\Z", re.MULTILINE)

# In a file whose first line says HOT: never, and only where that line speaks of an exception.
COLD_CALLS = re.compile(r"\b(printf|fprintf|dprintf|syslog|perror|notice_\w+|pthread_mutex_\w+)\(")
ALLOCATIONS = re.compile(r"\b(malloc|calloc|realloc|strdup|asprintf|mmap)\(")
EXCEPTION = re.compile(r"\b(except|unless|corners)\b")
ALWAYS_HOT = {"daemon/snapshot/picture.c", "daemon/decode/frame_walk.c", "daemon/aggregate/batch.c"}


def is_code(path):
    """Whether a person wrote it for a machine: sources and scripts."""
    return path.suffix in (".c", ".h", ".py", ".cmake") or sources.is_script(path)


class Files(unittest.TestCase):
    def find(self, wrong):
        """Fails with the files for which `wrong(path, text)` says something."""
        found = {str(path): wrong(path, sources.text(path)) for path in sources.files() if is_code(path)}
        self.assertGreater(len(found), 50)
        self.assertEqual({path: what for path, what in found.items() if what}, {})

    def test_none_is_long(self):
        self.find(lambda path, text: max(0, text.count("\n") - LINES_MAX))

    def test_names_say_something(self):
        self.find(lambda path, text: path.stem in SILENT_NAMES)

    def test_none_is_unfinished(self):
        self.find(lambda path, text: UNFINISHED.findall(text))

    def test_lines_end_cleanly(self):
        self.find(lambda path, text: DIRTY.search(text) and "white space, or no last line break")


class Headers(unittest.TestCase):
    def find(self, wrong):
        found = {str(path): wrong(path, sources.text(path)) for path in sources.of_stages(".h")}
        self.assertGreater(len(found), 20)
        self.assertEqual({path: what for path, what in found.items() if what}, {})

    def test_each_opens_with_its_noun(self):
        self.find(lambda path, text: not text.startswith(f"/* {path.stem}: "))

    def test_each_is_guarded_by_its_path(self):
        def wrong(path, text):
            guard = "ECHION_" + re.sub(r"[/.]", "_", str(path)).upper()
            return f"#ifndef {guard}\n#define {guard}\n" not in text

        self.find(wrong)

    def test_each_fits_on_a_screen(self):
        self.find(
            lambda path, text: path not in LONG_HEADERS
            and max(0, text.count("\n") - HEADER_LINES_MAX)
        )

    def test_structs_have_no_typedefs(self):
        self.find(lambda path, text: re.findall(r"\btypedef\s+(?:struct|union|enum)\b.*", text))


class Hot(unittest.TestCase):
    def test_hot_files_keep_to_it(self):
        hot, wrong = set(), []
        for path in sources.of_stages(".c"):
            text = sources.text(path)
            first = text.split("\n", 1)[0]
            if not first.startswith("/* HOT"):
                continue
            hot.add(str(path))
            wrong += [f"{path}: {call}" for call in COLD_CALLS.findall(text)]
            if not EXCEPTION.search(first):
                wrong += [f"{path}: {call}" for call in ALLOCATIONS.findall(text)]
        self.assertEqual(wrong, [])
        self.assertLessEqual(ALWAYS_HOT, hot)


class Units(unittest.TestCase):
    def test_each_mirrors_a_source(self):
        folders = {stage.name: sources.ROOT / stage.folder for stage in sources.stages()}
        strays = []
        for path in sources.files():
            if path.match("tests/unit/*/test_*.c"):
                noun = path.stem.removeprefix("test_")
                folder = folders.get(path.parent.name)
                if folder is None or not any(folder.glob(f"{noun}.[ch]")):
                    strays.append(str(path))
        self.assertEqual(strays, [])


if __name__ == "__main__":
    unittest.main()
