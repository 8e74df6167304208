"""What documents and comments point to is there."""

import re
import unittest

import sources


class Links(unittest.TestCase):
    def test_documents_link_to_what_is_there(self):
        broken = []
        for path in sources.with_suffix(".md"):
            text = re.sub(r"```.*?```", "", sources.text(path), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
                if "://" not in target and not (sources.ROOT / path.parent / target).exists():
                    broken.append(f"{path}: {target}")
        self.assertEqual(broken, [])

    def test_comments_name_documents_that_are_there(self):
        broken = []
        for path in sources.with_suffix(".c", ".h", ".py", ".cmake", ".md"):
            for name in re.findall(r"\b(docs/[\w/.-]+\.md|tests/[\w/]+\.(?:py|c|h))\b", sources.text(path)):
                pattern = re.search(r"[A-Z]{4}", name)  # test_NOUN.c and the like
                if not pattern and not (sources.ROOT / name).is_file():
                    broken.append(f"{path}: {name}")
        self.assertEqual(broken, [])


if __name__ == "__main__":
    unittest.main()
