"""told_stack: the stack that a caller of tell() stands on, as a sampler should show it.

For a thread that calls os.read(pipe, tell()) on one line, where it then waits for good. Python 3.8 to 3.15.
"""

import _thread
import json
import os
import sys


def place_of(frame, innermost):
    """Line, last line, column and the one behind the last; 0 where this Python does not know."""
    code = frame.f_code
    if not hasattr(code, "co_positions"):
        return frame.f_lineno, 0, 0, 0
    positions = list(code.co_positions())
    place = positions[frame.f_lasti // 2]
    if innermost:
        # It will stand in the call around the one that it is in: the widest of this line.
        here = [p for p in positions if p[0] == p[1] == frame.f_lineno and p[2] is not None]
        place = max(here, key=lambda p: p[3] - p[2])
    line, line_end, column, column_end = place
    if column is None or column_end is None:
        return frame.f_lineno, line_end or 0, 0, 0
    return line, line_end, column + 1, column_end + 1


def stack_of(frame):
    """Of every frame file, function (qualified where the Python knows it) and place, root first."""
    stack, innermost = [], True
    while frame is not None:
        code = frame.f_code
        function = getattr(code, "co_qualname", code.co_name)
        stack.append([code.co_filename, function, *place_of(frame, innermost)])
        frame, innermost = frame.f_back, False
    return stack[::-1]


def tell(**more):
    """Prints a line of JSON: the thread's native id, the caller's stack, and what else there is to tell.
    Returns 1."""
    told = {"tid": _thread.get_native_id(), "stack": stack_of(sys._getframe(1)), **more}
    line = json.dumps(told) + "\n"
    os.write(1, line.encode())  # at once: other interpreters of this process may write too
    return 1
