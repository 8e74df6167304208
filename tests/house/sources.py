"""The project's own files, the stages that CMakeLists.txt declares, and what includes what."""

import dataclasses
import functools
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def files():
    """Every file of the project, as a path relative to ROOT: no build trees, no output, no .git."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        here = pathlib.Path(folder).relative_to(ROOT)
        folders[:] = sorted(
            name
            for name in folders
            if name not in (".git", "__pycache__") and not (here == pathlib.Path() and is_build(name))
        )
        found += [here / name for name in sorted(names)]
    return found


def is_build(name):
    return name.startswith("build")


def with_suffix(*suffixes):
    return [path for path in files() if path.suffix in suffixes]


def of_stages(*suffixes):
    """The sources of the stages: what is built, as against what tests it."""
    top = ("common", "shim", "daemon", "cli")
    return [path for path in with_suffix(*suffixes) if path.parts[0] in top]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def is_script(path):
    """Whether a file without a suffix begins as a script does."""
    with open(ROOT / path, "rb") as file:
        return path.suffix in ("", ".sh") and file.read(2) == b"#!"


@dataclasses.dataclass(frozen=True)
class Stage:
    name: str
    folder: pathlib.PurePath
    includes: tuple


@functools.cache
def stages():
    """As CMakeLists.txt declares them, in its order: see cmake/Stage.cmake."""
    found = []
    for arguments in re.findall(r"^echion_stage\(([^)]*)\)", text("CMakeLists.txt"), re.MULTILINE):
        name, folder, *rest = arguments.split()
        includes, keyword = [], None
        for word in rest:
            if word in ("INCLUDES", "LIBS"):
                keyword = word
            elif keyword == "INCLUDES":
                includes.append(word)
        found.append(Stage(name, pathlib.PurePath(folder), tuple(includes)))
    return found


def stage_of(path):
    return next((stage for stage in stages() if path.parent == stage.folder), None)


def includes_of(path):
    """The names between quotes that the file includes."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', text(path), re.MULTILINE)


@functools.cache
def closure(path):
    """The project's files that compiling `path` reads, itself among them."""
    seen, waiting = set(), [path]
    while waiting:
        at = waiting.pop()
        if at in seen or not (ROOT / at).is_file():
            continue
        seen.add(at)
        for name in includes_of(at):
            waiting += [pathlib.Path(name), at.parent / name]
    return sorted(seen)
