"""values: a function with a local of every kind, at rest in a read. Says "ready" before. Python 3.8 to 3.15."""

import os


class Own:
    pass


class int_(int):
    pass


int_.__name__ = "int"


def show(first, *rest, keyword=None, **more):
    inner = "held by a cell"
    none, true, false = None, True, False
    zero, small, negative, large = 0, 12345, -(2**31), 2**62 + 1
    huge, derived = -(10**40), int_(7)
    tenth, whole, tiny, infinite = 0.1, -3.0, 5e-324, float("-inf")
    text, empty, quoted = "söurce 日本 \U0001f600", "", "it's \\ a\nline \x1b[31m"
    long = "x" * 1000
    raw = b"by'tes\x00\xff\n"
    pair, one, nothing = (1, "two"), (3,), ()
    numbers, many = [1.5, None, [2, [3, [4]]]], list(range(100))
    itself = []
    itself.append(itself)
    mapping, gone = {"a": 1, 2: ("b",), None: {}}, {"x": 1, "y": 2}
    del gone["x"]
    some, no = {7}, set()
    own, kind = Own(), Own
    unset = 1
    del unset

    def cell():
        return inner

    print("ready", flush=True)
    return os.read(0, 1), locals


show(1, 2, keyword="given", other=3)
