"""subinterpreters: two threads, each of which runs code in an interpreter of its own.

Each line printed is JSON: the interpreter's id and the stack in it (told_stack), once it stands still; and
at last the same of the main interpreter.
"""

import os
import sys
import threading

from told_stack import tell

# What runs in each. It ends with the process.
CODE = """
import sys
sys.path.insert(0, {folder!r})
import os
from told_stack import tell
def inner():
    os.read({stop}, tell(id={id}))
class Outer:
    def method(self):
        return [inner() for _ in range(1)]
Outer().method()
"""


def create():
    """A new interpreter: its id, and a function that runs code in it."""
    try:
        from concurrent import interpreters  # from 3.14 on

        new = interpreters.create()
        return new.id, new.exec
    except ImportError:
        pass
    try:
        import _interpreters as interpreters  # 3.13
    except ImportError:
        import _xxsubinterpreters as interpreters
    new = interpreters.create()
    return int(new), lambda code: interpreters.run_string(new, code)


def run_in_another(stop):
    number, run = create()
    run(CODE.format(folder=os.path.dirname(os.path.abspath(__file__)), stop=stop, id=number))


def main():
    stop, keep = os.pipe()
    for number in range(2):
        thread = threading.Thread(target=run_in_another, args=(stop,), name="in-%d" % number)
        thread.daemon = True
        thread.start()
    os.read(stop, tell(id=0))
    return keep


if __name__ == "__main__":
    main()
