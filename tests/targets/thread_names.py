"""A program with threads of every kind of name, which tells what it has when it is asked.

Prints the address of _PyRuntime, its pid, its minor version and the size of a pointer. Then, for
each line read from standard input, it does the step of that name (in the class Steps) and prints
its threads, one a line: ident, native id (or -1), the name's code points as six hexadecimal digits
each. A line with a full stop ends the answer. At the end of the input the program ends. The other
end of the conversation is tests/unit/python/conversation.h.
"""

import _thread
import ctypes
import os
import sys
import threading
import time

stop = threading.Event()
kept = []


def wait():
    stop.wait()


def start(thread):
    thread.daemon = True
    thread.start()
    kept.append(thread)
    return thread


class Plain(threading.Thread):
    pass


class Extra(threading.Thread):
    """Attributes before and after Thread's own."""

    def __init__(self, name):
        self.before = 1
        self.also_before = 2
        super().__init__(target=wait, name=name)
        self.after = 3


class Slotted(threading.Thread):
    __slots__ = ("first", "second")

    def __init__(self, name):
        super().__init__(target=wait, name=name)
        self.first = self.second = self


class Many(threading.Thread):
    """More attributes than fit into keys that instances share."""

    def __init__(self, name):
        for i in range(50):
            setattr(self, "attribute_%d" % i, i)
        super().__init__(target=wait, name=name)


class Text(str):
    pass


class Steps:
    def nothing(self):
        pass

    def kinds_of_threads(self):
        start(threading.Thread(target=wait, name="by-name"))
        start(threading.Thread(target=wait))
        start(Plain(target=wait, name="subclass"))
        start(Extra("extra-1"))
        start(Extra("extra-2"))
        start(Slotted("slotted"))
        start(Many("many"))
        timer = threading.Timer(3600, wait)
        start(timer)
        vars(start(threading.Thread(target=wait, name="looked-at")))["new"] = 1
        replaced = start(threading.Thread(target=wait, name="replaced"))
        replaced.__dict__ = dict(replaced.__dict__)
        unordered = start(threading.Thread(target=wait, name="unordered"))
        del unordered._name
        unordered.other = 1
        unordered._name = "re-ordered"
        unknown = start(threading.Thread(target=wait, name="no native id"))
        unknown._native_id = None

    def dummies(self):
        ready = threading.Semaphore(0)

        def dummy():
            threading.current_thread()
            ready.release()
            wait()

        for _ in range(2):
            _thread.start_new_thread(dummy, ())
        for _ in range(2):
            ready.acquire()

    def kinds_of_names(self):
        names = [
            "ascii", "caf\xe9", "\u65e5\u672c\u8a9e", "\U0001f40d snake", "lone \ud800 surrogate",
            "a;b:c\nd", "x" * 1024, "\u65e5" * 1024, "\U0001f40d" * 1024, "y" * 5000, " ", "dead",
        ]
        for name in names:
            start(threading.Thread(target=wait, name=name))
        start(threading.Thread(target=wait))._name = ""
        for name in ("derived", "d\xe9riv\xe9", "\u65e5\u672c", "\U0001f40d"):
            start(threading.Thread(target=wait))._name = Text(name)

    def rename(self):
        for i, thread in enumerate(kept):
            thread.name = "renamed %d" % i
        threading.main_thread().name = "the first"

    def crowd(self):
        for i in range(200):
            start(threading.Thread(target=wait, name="crowd-%d" % i))

    def import_much(self):
        """Thousands of modules, with threading deleted and set again behind them."""
        for i in range(3000):
            sys.modules["made_up_%d" % i] = sys
        module = sys.modules.pop("threading")
        sys.modules["threading"] = module

    def fork(self):
        """Goes on in a child; the parent waits for its end."""
        pid = os.fork()
        if pid != 0:
            _, status = os.waitpid(pid, 0)
            os._exit(status != 0)
        print(os.getpid())

    def subinterpreter(self):
        """An interpreter with a threading module of its own, whose main thread has another name."""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        self.inner = interpreters.create()
        interpreters.run_string(
            self.inner, "import threading; threading.current_thread().name = 'inner'")

    def churn(self):
        """Threads that come and go and rename themselves at once, as long as the program runs."""

        def short():
            thread = threading.current_thread()
            thread.name = "short-%d" % threading.get_native_id()
            time.sleep(0.0005)

        def spawn():
            while True:
                threads = [threading.Thread(target=short, name="fresh") for _ in range(10)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

        def rename():
            thread = threading.current_thread()
            while True:
                for name in ("a" * 10, "b" * 900, "\u65e5" * 400):
                    thread.name = name[:-1] + name[-1]  # a new string, not the constant
                    time.sleep(0.0001)

        def toggle():
            thread = threading.current_thread()
            while True:
                thread.name = "one"
                thread.name = "the other"

        start(threading.Thread(target=toggle, name="one"))
        start(threading.Thread(target=spawn, name="spawner"))
        start(threading.Thread(target=rename, name="a" * 10))


def tell():
    for thread in threading.enumerate():
        if thread.ident is None:
            continue  # about to start
        native_id = thread._native_id
        name = "".join("%06x" % ord(c) for c in thread._name)
        print(thread.ident, -1 if native_id is None else native_id, name or "-")
    print(".")
    sys.stdout.flush()


def main():
    runtime = ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime")
    word_size = ctypes.sizeof(ctypes.c_void_p)
    print(ctypes.addressof(runtime), os.getpid(), sys.version_info[1], word_size)
    sys.stdout.flush()
    steps = Steps()
    for line in sys.stdin:
        getattr(steps, line.strip())()
        tell()


if __name__ == "__main__":
    main()
