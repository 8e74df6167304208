"""A target that does check-summed work: workload.py MODE LIBRARY.

Says "ready LIBRARY" first, works until a line or the end of standard input comes, and then prints a
JSON object with the rounds that it has done and with all that has changed in the interpreter since
it began, and how often the library was loaded. A round with a wrong sum ends it with status 9.
LIBRARY is only repeated, so that the test learns its path inside a root.
"""

import json
import linecache
import os
import select
import signal
import sys
import threading
import time

MODE = sys.argv[1]
STOP = threading.Event()
rounds = 0
before = {}


def work():
    value = 1
    for i in range(5000):
        value = (value * 31 + i) & 0xFFFFFFFF
    return value


EXPECTED = work()


def work_until_stop():
    global rounds
    while not STOP.is_set():
        if work() != EXPECTED:
            os._exit(9)
        rounds += 1


def state():
    return {
        "modules": sorted(sys.modules),
        "main": sorted(vars(sys.modules["__main__"])),
        "path": list(sys.path),
        "linecache": sorted(linecache.cache),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "profile": str((sys.getprofile(), sys.gettrace())),
    }


def ready():
    before.update(state())
    print("ready", sys.argv[2], flush=True)


def markers():
    """What the library has left in this process, once for each time that it was loaded."""
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink("/proc/self/fd/" + fd))
        except OSError:
            pass
    return sum("echion-marker-%d-" % os.getpid() in name for name in names)


def tell(**more):
    if work() != EXPECTED:
        os._exit(9)
    after = state()
    changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    print(json.dumps({"rounds": rounds, "changed": changed, "loads": markers(), **more}), flush=True)


def report(**more):
    tell(**more)
    os._exit(0)


def wait_for_stdin():
    sys.stdin.readline()
    STOP.set()
    time.sleep(3600)  # stays in the list of threads


def stop_by_stdin():
    threading.Thread(target=wait_for_stdin, daemon=True).start()


def wait_and_report():
    """While the others go on, so that they are all still there."""
    sys.stdin.readline()
    report()


def busy():
    stop_by_stdin()
    ready()
    work_until_stop()
    report()


def stop_by_signal():
    """For those that are to have a single thread."""
    signal.signal(signal.SIGTERM, lambda *_: STOP.set())


def alone():
    """Busy in the only thread."""
    stop_by_signal()
    ready()
    work_until_stop()
    report()


def sleep():
    threading.Thread(target=work_until_stop, daemon=True).start()
    threading.Thread(target=wait_and_report, daemon=True).start()
    ready()
    time.sleep(3600)


def watched(set_function):
    """A blocked main thread, and a busy one with a function of its own that watches it."""
    seen = [0]

    def watch(*_):
        seen[0] += 1

    def run():
        set_function(watch)
        work_until_stop()
        set_function(None)
        if not seen[0]:
            os._exit(7)

    threading.Thread(target=run, daemon=True).start()
    threading.Thread(target=wait_and_report, daemon=True).start()
    ready()
    time.sleep(3600)


def profiled():
    watched(sys.setprofile)


def traced():
    watched(sys.settrace)


def join():
    thread = threading.Thread(target=work_until_stop)
    stop_by_stdin()
    thread.start()
    ready()
    thread.join()
    before["threads"].remove(thread.name)
    report()


def blocked():
    for _ in range(3):
        threading.Thread(target=STOP.wait, daemon=True).start()
    ready()
    sys.stdin.readline()
    report()


def loop():
    import asyncio

    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().add_reader(0, stop.set)
        ready()
        await stop.wait()

    asyncio.run(main())
    after = state()
    before["modules"], before["linecache"] = after["modules"], after["linecache"]
    report()


def many():
    """256 threads, of which one runs."""
    for _ in range(254):
        threading.Thread(target=STOP.wait, daemon=True).start()
    threading.Thread(target=work_until_stop, daemon=True).start()
    ready()
    sys.stdin.readline()
    report()


def churn():
    """Threads that live for a moment, as fast as they can."""
    stop_by_stdin()
    ready()
    global rounds
    while not STOP.is_set():
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rounds += 1
    report()


def fork():
    """Each child works, and fails if the library was loaded in it."""
    stop_by_signal()
    ready()
    global rounds
    while not STOP.is_set():
        pid = os.fork()
        if pid == 0:
            os._exit(0 if work() == EXPECTED and markers() == 0 else 9)
        if os.waitpid(pid, 0)[1] != 0:
            os._exit(8)
        rounds += 1
    report()


def gate():
    """Blocked in its only thread until a line comes, then busy for a while."""
    ready()
    sys.stdin.readline()
    global rounds
    while rounds < 100:
        if work() != EXPECTED:
            os._exit(9)
        rounds += 1
    report()


def leave():
    """Blocked until a line comes, then ends as a program does."""
    ready()
    sys.stdin.buffer.raw.readline()
    tell()


def idle(wait):
    """A single thread that mostly waits."""
    stop_by_signal()
    ready()
    global rounds
    while not STOP.is_set():
        wait(0.02)
        if work() != EXPECTED:
            os._exit(9)
        rounds += 1
    report()


def idle_sleep():
    idle(time.sleep)


def idle_select():
    idle(lambda seconds: select.select([], [], [], seconds))


def idle_asyncio():
    """With the selector whose system call restarts by itself."""
    import asyncio
    import selectors

    stop_by_signal()

    async def main():
        global rounds
        ready()
        while not STOP.is_set():
            await asyncio.sleep(0.02)
            if work() != EXPECTED:
                os._exit(9)
            rounds += 1

    asyncio.SelectorEventLoop(selectors.SelectSelector()).run_until_complete(main())
    before["modules"], before["linecache"] = state()["modules"], state()["linecache"]
    report()


SHADOWED = ("exec", "type", "BaseException", "__import__", "object", "print")


def shadow():
    """Names of builtins mean something else in __main__."""
    stop_by_signal()
    ready()
    for name in SHADOWED:
        globals()[name] = None
    work_until_stop()
    for name in SHADOWED:
        del globals()[name]
    report()


def nested(depth):
    return nested(depth - 1) if depth else work_until_stop()


def deep():
    """Close to its recursion limit."""
    stop_by_signal()
    sys.setrecursionlimit(400)
    ready()
    nested(400 - 45)
    report()


def ways_to_ask(call):
    """Functions that ask for a pending call, one for each queue that the main thread looks at. They
    give up the GIL, as threads of C would not have it."""
    import ctypes

    library = ctypes.CDLL(None)
    yield lambda: library.Py_AddPendingCall(call, None)
    if sys.version_info >= (3, 12):
        get = ctypes.pythonapi.PyInterpreterState_Get
        get.restype = ctypes.c_void_p
        interpreter = ctypes.c_void_p(get())
        yield lambda: library._PyEval_AddPendingCall(interpreter, call, None, 0)


def calls():
    """Asks for pending calls of its own, handles signals, starts threads and forks."""
    import ctypes
    import warnings

    warnings.simplefilter("ignore")  # of fork beside threads
    globals()["__warningregistry__"] = {}  # it is entered here all the same

    made, asked, handled = [0], [0], [0]

    @ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    def call(_):
        made[0] += 1
        return 0

    def ask():
        ways = list(ways_to_ask(call))
        while not STOP.is_set():
            for way in ways:
                asked[0] += way() == 0
            time.sleep(0.0005)

    def handle(*_):
        handled[0] += 1

    stop_by_signal()
    signal.signal(signal.SIGALRM, handle)
    ready()
    asker = threading.Thread(target=ask)
    asker.start()
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    global rounds
    while not STOP.is_set():
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if work() == EXPECTED and markers() == 0 else 9)
        if os.waitpid(pid, 0)[1] != 0:
            os._exit(8)
        for thread in threads:
            thread.join()
        rounds += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    asker.join()
    deadline = time.monotonic() + 10
    while made[0] < asked[0] and time.monotonic() < deadline:
        work()
    before["modules"], before["linecache"] = state()["modules"], state()["linecache"]
    report(made=made[0], asked=asked[0], handled=handled[0])


globals()[MODE]()
