"""Seeds for fuzz_frame_walk: sane stacks of every minor, word size and number of chunks."""

import pathlib
import sys

# Codes: a number of instructions less one, their classes, locals, size of the value stack.
CALLER = [5, 0, 4, 5, 6, 1, 0, 2, 2]
GENERATOR = [4, 2, 0, 3, 5, 1, 1, 3]
CODES = (CALLER + GENERATOR) * 3

WALK, WALK_AT_ONCE = [0], [128]
LAST, NONE = [3, 0], [0]
PLAIN, OF_GENERATOR, ENTRY = 0, 1, 3


def placed(area, code, unit, previous, depth, owner, state=0):
    return [7, area, code, unit, *previous, depth & 255, owner, state]


def seeds(chunks):
    outside = chunks  # the first area that is no chunk
    calls = placed(0, 0, 1, NONE, 2, PLAIN) + placed(0, 2, 1, LAST, 2, PLAIN)
    leaf = placed(chunks - 1, 4, 0, LAST, -1, PLAIN)
    yield calls + leaf + WALK + WALK + WALK_AT_ONCE
    yield calls + leaf + WALK + leaf + WALK  # one frame more
    yield calls + placed(outside, 0, 0, LAST, 0, ENTRY) + leaf + WALK * 2  # called from C
    running = calls + placed(outside, 1, 2, LAST, 0, OF_GENERATOR, 0)
    yield running + [5, *LAST] + [6] + WALK * 5 + leaf + WALK * 5
    yield running + [5, *LAST] + [2 + 8 * 2, *LAST] + WALK * 5
    yield calls + leaf + [4, 20] + WALK + WALK_AT_ONCE  # a short read


number = 0
for minor in range(5):
    for wide in (0, 128):
        for chunks in (1, 2, 3):
            # The option byte's remainder by 5 is the minor's; its bits from 3 on say how many chunks.
            options = next(
                option
                for option in range(wide, wide + 128)
                if option % 5 == minor and 1 + option // 8 % 3 == chunks
            )
            for seed in seeds(chunks):
                data = bytes([options, 31, *CODES, *seed])
                (pathlib.Path(sys.argv[1]) / f"seed{number:04}").write_bytes(data)
                number += 1
