"""A target that does check-summed work: workload.py MODE LIBRARY.

Says "ready LIBRARY" first, works until a line or the end of standard input comes, and then prints a
JSON object with the rounds that it has done and with all that has changed in the interpreter since
it began. A round with a wrong sum ends it with status 9. LIBRARY is only repeated, so that the test
learns its path inside a root.
"""

import json
import linecache
import os
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


def report():
    if work() != EXPECTED:
        os._exit(9)
    after = state()
    changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    print(json.dumps({"rounds": rounds, "changed": changed}), flush=True)
    os._exit(0)


def wait_for_stdin():
    sys.stdin.readline()
    STOP.set()
    time.sleep(3600)  # stays in the list of threads


def stop_by_stdin():
    threading.Thread(target=wait_for_stdin, daemon=True).start()


def stop_and_report():
    sys.stdin.readline()
    STOP.set()
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
    threading.Thread(target=stop_and_report, daemon=True).start()
    ready()
    time.sleep(3600)


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
            good = work() == EXPECTED
            names = []
            for fd in os.listdir("/proc/self/fd"):
                try:
                    names.append(os.readlink("/proc/self/fd/" + fd))
                except OSError:
                    pass
            mine = "echion-marker-%d-" % os.getpid()
            os._exit(0 if good and not any(mine in name for name in names) else 9)
        if os.waitpid(pid, 0)[1] != 0:
            os._exit(8)
        rounds += 1
    report()


globals()[MODE]()
