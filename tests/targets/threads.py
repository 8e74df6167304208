"""threads: many threads, nearly always asleep; each wakes now and then and works for a moment."""

import threading
import time

import driver

BUSY_LOOPS = 300


def add_arguments(parser):
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--nap", type=float, default=0.5, help="seconds that each sleeps at a time")


def work():
    total = 0
    for n in range(BUSY_LOOPS):
        total += step(n)
    return total


def step(n):
    return n & 3


def nap(seconds):
    time.sleep(seconds)


def live(seconds, shift):
    nap(shift)
    while True:
        work()
        nap(seconds)


def setup(options):
    for number in range(options.threads):
        shift = options.nap * number / options.threads
        thread = threading.Thread(target=live, args=(options.nap, shift), name="napper-%d" % number)
        thread.daemon = True
        thread.start()


def unit():
    nap(0.01)


if __name__ == "__main__":
    driver.main(unit, setup, add_arguments)
