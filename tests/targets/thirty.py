"""thirty: one thread exactly thirty frames deep, its leaf busy."""

import driver

DEPTH = 30
FRAMES_ABOVE = 4  # <module>, main, drive, unit


def busy():
    total = 0
    for n in range(20000):
        total += n & 7
    return total


def descend(left):
    if left == 1:
        return busy()
    return descend(left - 1)


def unit():
    return descend(DEPTH - FRAMES_ABOVE - 1)


if __name__ == "__main__":
    driver.main(unit)
