"""labels: threads of every kind of name, each below a function that is named after its native id.

Prints a line of JSON: from the native id, as the thread itself has it, to the name that it was given, None
where it has none. Then, for each line of standard input, does the step of that name in `steps`, and prints
what has become of that: from native id to new name.
"""

import _thread
import json
import sys
import threading

native_ids = {}  # name -> native ids of the threads that were given it
ended = threading.Lock()
ended.acquire()


def stand(gate, name, ready):
    """Waits at a gate, as leaf of a function that is named after this thread."""
    native = threading.get_native_id()
    native_ids.setdefault(name, []).append(native)

    def f():
        ready.release()
        gate.acquire()

    names = {name: "native_%d" % native for name in ("co_name", "co_qualname") if hasattr(f.__code__, name)}
    f.__code__ = f.__code__.replace(**names)
    f()


def start(name):
    gate, ready = _thread.allocate_lock(), _thread.allocate_lock()
    gate.acquire()
    ready.acquire()
    if name is None:
        _thread.start_new_thread(stand, (gate, name, ready))
        thread = None
    else:
        thread = threading.Thread(target=stand, args=(gate, name, ready), name=name, daemon=True)
        thread.start()
    ready.acquire()
    return thread, gate


def one_of_two_ends():
    thread, gate = twins[0]
    gate.release()
    thread.join()
    return {native_ids["twin"][1]: "twin"}


def rename():
    renamed[0].name = "a new name"
    fresh[0].name = "second"
    return {native_ids["renamed"][0]: "a new name", native_ids["fresh"][0]: "second"}


def start_another():
    start("later")
    return {native_ids["later"][0]: "later"}


steps = {step.__name__: step for step in (one_of_two_ends, rename, start_another)}


def tell(threads):
    print(json.dumps(threads), flush=True)


if __name__ == "__main__":
    for name in ("dead", "12", "0xFEed", " +f_00 ", "a;b:c\nd", "日🐍", "lone \ud800", "é" * 1000, None, None):
        start(name)
    renamed = start("renamed")
    fresh = start("fresh")
    twins = [start("twin"), start("twin")]
    start("triple"), start("triple"), start("triple")
    tell({native: name for name, natives in native_ids.items() for native in natives})
    for line in sys.stdin:
        tell(steps[line.strip()]())
