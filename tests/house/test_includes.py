"""The data's way through the house runs in one direction: each stage includes only its own headers
and those of the stages that CMakeLists.txt gives it, which stand before it."""

import pathlib
import unittest

import sources

IO_HEADERS = ("stdio.h", "unistd.h", "fcntl.h", "sys/uio.h", "pthread.h")


class Includes(unittest.TestCase):
    def test_stages_build_on_earlier_ones_only(self):
        earlier = set()
        for stage in sources.stages():
            self.assertLessEqual(set(stage.includes), earlier, stage.name)
            earlier.add(stage.name)
        self.assertIn("service", earlier)

    def test_each_source_is_of_a_stage(self):
        strays = [str(path) for path in sources.of_stages(".c", ".h") if not sources.stage_of(path)]
        self.assertEqual(strays, [])

    def test_includes_go_forward(self):
        wrong = []
        for path in sources.of_stages(".c", ".h"):
            stage = sources.stage_of(path)
            for name in sources.includes_of(path):
                other = sources.stage_of(pathlib.Path(name))
                if not (sources.ROOT / name).is_file():
                    wrong.append(f"{path}: {name} is no path from the top folder")
                elif other is None or other.name not in (stage.name, *stage.includes):
                    wrong.append(f"{path}: {stage.name} may not include {name}")
        self.assertEqual(wrong, [])

    def test_decoders_do_no_io(self):
        wrong = [
            f"{path}: {header}"
            for path in sources.of_stages(".c", ".h")
            for header in IO_HEADERS
            if path.parent == pathlib.PurePath("daemon/decode")
            and f"#include <{header}>" in sources.text(path)
        ]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
