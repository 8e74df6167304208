"""waits: threads that wait for one another and for others, each in a way of its own, for good.

Two plain Locks are taken in opposite order: "pay" and "refund" wait for each other. Says "ready" once all
have begun to wait, or are about to; writes all stacks to the file that its argument names whenever it gets
SIGUSR1. Python 3.8 to 3.15.
"""

import faulthandler
import queue
import signal
import sys
import threading

PAIR = threading.Barrier(2)
HOLDING = threading.Semaphore(0)  # released by each thread that holds what another one is to wait for

accounts, ledger = threading.Lock(), threading.Lock()
again, bare, own = threading.RLock(), threading.Lock(), threading.Lock()
room = threading.Condition(threading.Lock())
slow = threading.Condition(threading.Lock())
never, nothing = threading.Event(), threading.Semaphore(0)
empty = queue.Queue()


def transfer(first, second):
    with first:
        PAIR.wait()
        with second:
            pass


def hold(lock):
    for line in ["as a `with` inside of a loop that keeps its iterator"]:
        with lock:
            HOLDING.release()
            never.wait(len(line) * 10000)


def enter(lock):
    with lock:
        pass


def be_notified(condition):
    with condition:
        HOLDING.release()
        condition.wait()


def twice(lock):
    with lock:
        with lock:
            pass


def deep(depth):
    if depth:
        deep(depth - 1)
    else:
        empty.get()


def generate():
    yield never.wait()


def resume():
    return [item for item in generate()]


START = [
    ("pay", transfer, accounts, ledger),
    ("refund", transfer, ledger, accounts),
    ("rlock holder", hold, again),
    ("room holder", hold, room),
    ("notified", be_notified, slow),
]
WAIT = [
    ("rlock", enter, again),
    ("room", enter, room),
    ("bare", enter, bare),
    ("timed", lambda: bare.acquire(timeout=86400)),
    ("itself", twice, own),
    ("deep", deep, 12),
    ("event", resume),
    ("semaphore", nothing.acquire),
]


def start(name, function, *arguments):
    thread = threading.Thread(target=function, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def main():
    stacks = open(sys.argv[1], "w")
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
    bare.acquire()
    first, *_ = [start(*how) for how in START]
    for _ in range(3):
        HOLDING.acquire()
    slow.acquire()  # which "notified" has released while it waits, and will want back
    slow.notify()
    for how in WAIT:
        start(*how)
    print("ready", flush=True)
    first.join()


main()
