"""Seeds for fuzz_frame_chain: sane stacks of every minor and word size, and how they change."""

import pathlib
import sys

# Codes: a choice of flags, a number of instructions less one, their classes.
CALLER = [1, 4, 0, 6, 0, 5, 1]
LEAF = [1, 1, 0, 1]
GENERATOR = [0, 2, 0, 3, 1]
CODES = (CALLER + LEAF + GENERATOR) * 2
CALLING, RESUMING, RETURNING = 1, 3, 4  # units of the caller
NONE = [0]

WALK, WALK_AT_ONCE = [0], [128]
RUNNING = {8: 1, 9: 1, 10: 0}
ENDED = {8: 0, 9: 0, 10: 4}
SUSPENDED = {8: 0, 9: 0, 10: 5}


def at(place):
    """The address of a place, as a word."""
    return [1 + 8 * place]


def placed(minor, place, code, unit, back):
    return [7, place, code, unit, 1, RUNNING[minor], *back]


def ended(minor, place, back):
    return [1 + 8 * place, ENDED[minor], *back]


def seeds(minor):
    calls = placed(minor, 0, 0, CALLING, NONE) + placed(minor, 1, 3, CALLING, at(0))
    leaf = placed(minor, 2, 1, 0, at(1))
    known = calls + leaf + WALK_AT_ONCE * 4
    yield known + WALK
    yield known + placed(minor, 3, 4, 0, at(1)) + WALK * 5
    yield known + ended(minor, 2, at(1)) + WALK  # its code keeps it
    yield known + ended(minor, 2, at(9)) + WALK  # in the list of the free
    yield known + ended(minor, 2, NONE) + [3 + 8, RETURNING * 2] + WALK + WALK_AT_ONCE
    deep = calls
    for place in range(2, 12):
        deep += placed(minor, place, 0, CALLING, at(place - 1))
    yield deep + WALK_AT_ONCE * 4 + WALK
    free = b"".join(bytes(ended(minor, place, at(place + 1))) for place in range(11, 4, -1))
    yield deep + WALK_AT_ONCE * 4 + list(free) + [2, *at(9)] + WALK * 3 + WALK_AT_ONCE
    running = placed(minor, 0, 0, RESUMING, NONE) + placed(minor, 1, 2, 0, at(0))
    yield running + WALK_AT_ONCE * 4 + [6 + 8, SUSPENDED[minor]] + [4 + 8, 3, *NONE] + WALK * 2
    yield known + [5, 1] + WALK * 2 + [5 + 8, 1] + WALK * 2  # frames that the picture lacks
    yield known + [5 + 16, 0, 0, 1] + WALK_AT_ONCE * 2  # another code, and a short one
    yield known + [5 + 32, 0] + WALK * 2  # no longer believed
    yield calls + leaf + [2, *at(1)] + [4 + 8, 3, *at(2)] + WALK * 3 + WALK_AT_ONCE  # a circle


number = 0
for minor in (8, 9, 10):
    for wide in (0, 128):
        # The option byte's remainder by 3 is the minor's.
        options = next(option for option in range(wide, wide + 3) if 8 + option % 3 == minor)
        for seed in seeds(minor):
            for room in (3, 31):
                data = bytes([options, room, *CODES, *seed])
                (pathlib.Path(sys.argv[1]) / f"seed{number:04}").write_bytes(data)
                number += 1
