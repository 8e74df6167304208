"""short_threads: threads that live for a moment, each below a function that is numbered as its name is.

    short_threads.py busy|rest MILLISECONDS TOGETHER COUNT [SECONDS]

Prints a line once it stands. With the first line of standard input, starts COUNT threads, TOGETHER of them
at a time, that each live so long, busy or at rest, and the same again until SECONDS are over; prints how many
it has started when all have ended, and ends with standard input. Thread 7 is called "short 7" and runs body_7.
No code is freed meanwhile: what a frame is called can be
told by its code's address for as long as this runs.
"""

import sys
import threading
import time


def body():
    end = time.perf_counter() + life
    if busy:
        while time.perf_counter() < end:
            pass
    else:
        time.sleep(life)


def numbered(number):
    """The body under a name of its own."""
    code = body.__code__
    names = {name: "body_%d" % number for name in ("co_name", "co_qualname") if hasattr(code, name)}
    return type(body)(code.replace(**names), globals())


if __name__ == "__main__":
    busy = sys.argv[1] == "busy"
    life = float(sys.argv[2]) / 1000
    together, count = int(sys.argv[3]), int(sys.argv[4])
    bodies = [numbered(number) for number in range(count)]
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + (float(sys.argv[5]) if len(sys.argv) > 5 else 0)
    started = 0
    while started < count or time.monotonic() < end:
        numbers = [number % count for number in range(started, started + together)]
        threads = [threading.Thread(target=bodies[n], name="short %d" % n) for n in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        started += together
    print(started, flush=True)
    sys.stdin.read()
