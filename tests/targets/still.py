"""still: a stack that stands still, of all that is hard to name or to place, and is told (told_stack).

The main thread stays below one frame of every kind in `kinds` until its standard input ends.
"""

import importlib.util
import os
import sys

from told_stack import tell


def rest():
    os.read(0, tell())


def renamed(file, function):
    """A kind of frame: of a function of any name in a file of any name."""

    def make(go):
        space = {}
        exec(compile("def f(go):\n\n    return go()\n", "<renamed>", "exec"), space)
        f = space["f"]
        names = {"co_filename": file, "co_name": function}
        if hasattr(f.__code__, "co_qualname"):
            names["co_qualname"] = function
        f.__code__ = f.__code__.replace(**names)
        return lambda: f(go)

    return make


def written(source):
    """A kind of frame: what exec makes of the source, which calls `go`."""

    def make(go):
        return lambda: exec(source, {"go": go, "__name__": "exec"})

    return make


def over_lines(go):
    def call():
        return go(
            *[],
            **{}
        )

    return call


def behind_wide_characters(go):
    def call():
        return ["é日🐍", go()][1]

    return call


class Outer:
    class Inner:
        @staticmethod
        def method(go):
            def closure():
                return [x for x in (lambda: (go(),))()]

            return closure


class Warm:
    def __init__(self, go):
        go()


def nothing():
    pass


def init_of_a_class(go):
    """Called so often before that the interpreter has made the call a special one."""

    def call():
        for number in range(3000):
            Warm(nothing if number < 2999 else go)

    return call


def called_from_c(go):
    return lambda: [*map(lambda _: go(), [1])]


def sorted_by_key(go):
    return lambda: sorted([1], key=lambda _: go())


def generator(go):
    def produce():
        yield go()

    def delegate():
        yield from produce()

    return lambda: next(delegate())


def coroutine(go):
    async def leaf():
        go()

    async def trunk():
        await leaf()

    def drive():
        try:
            trunk().send(None)
        except StopIteration:
            pass

    return drive


def special_methods(go):
    class Special:
        def __getattr__(self, name):
            return go()

        def __enter__(self):
            return self.missing

        def __exit__(self, *_):
            pass

        @property
        def value(self):
            with self:
                pass

    return lambda: Special().value


def importing(go):
    class Loader:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "made_up":
                return importlib.util.spec_from_loader(name, Loader)
            return None

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            go()

    def call():
        sys.meta_path.insert(0, Loader)
        import made_up

        return made_up

    return call


kinds = [
    renamed("/tmp/é.py", "é"),
    renamed("/tmp/日本語/函数.py", "函数"),
    renamed("/tmp/🐍.py", "🐍 snake"),
    renamed("/tmp/lone \ud800.py", "lone \udfff"),
    renamed("/tmp/latin-1 \xff and \x80.py", "\xff\x80"),
    renamed("C:\\a;b:c.py", "a;b:c"),
    renamed("two\nlines\r\t\x1b[2J\u2028.py", "two\nlines\r\t\x1b[2J\u2028"),
    renamed("/" + "f" * 3000 + ".py", "f" * 3000),
    renamed("/" + "日" * 5000 + ".py", "日" * 5000),
    renamed("/" + "g" * 5000, "g" * 5000),
    renamed(" 12 ", " 34 "),
    renamed("", ""),
    written("def été(): return go()\ndef 関数(): return été()\n関数()"),
    written("class A:\n class B:\n  def f(self):\n   def g(): return go()\n   return g()\nA.B().f()"),
    Outer.Inner.method,
    over_lines,
    behind_wide_characters,
    init_of_a_class,
    called_from_c,
    sorted_by_key,
    generator,
    coroutine,
    special_methods,
    importing,
]

if __name__ == "__main__":
    go = rest
    for kind in kinds:
        go = kind(go)
    go()
