"""Makes functions that live for one call, all of the same bytecode, one after the other at the same
addresses: the short-lived one of number N, fN, calls the lasting one of that number, gN. So whoever
sees fM call gN has taken a code object for its predecessor.

    short_code.py SECONDS
"""

import builtins
import sys
import time
import types

NUMBERS = range(40)


def lasting(number):
    def work(rounds):
        total = 0
        for i in range(rounds):
            total += i
        return total

    return types.FunctionType(work.__code__.replace(co_name=f"g{number}"), {"__builtins__": builtins})


def template(work, rounds):
    return work(rounds)


def renamed(code, name):
    named = code.replace(co_name=name)
    return named.replace(co_qualname=name) if sys.version_info >= (3, 11) else named


def main():
    works = [lasting(number) for number in NUMBERS]
    for number, work in enumerate(works):
        work.__code__ = renamed(work.__code__, f"g{number}")
    code = template.__code__
    print("ready", flush=True)
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end:
        for number in NUMBERS:
            short = types.FunctionType(renamed(code, f"f{number}"), {"__builtins__": builtins})
            short(works[number], 300 + number % 7 * 400)
            del short


main()
