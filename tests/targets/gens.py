"""gens: plain generators, generator expressions, delegation with `yield from` down to a generator leaf,
send, throw, close."""

import driver


class Stop(Exception):
    pass


class Series:
    def __init__(self, length):
        self.length = length

    def __iter__(self):
        for n in range(self.length):
            yield n * 2


def count_up(length):
    n = 0
    while n < length:
        yield n
        n += 1


def squares(source):
    for n in source:
        yield n * n


def inner_most(length):
    for n in range(length):
        yield n + 1


def middle_delegate(length):
    yield from inner_most(length)
    yield 0


def outer_delegate(length):
    yield from middle_delegate(length)
    yield from middle_delegate(length)


def averager():
    total = 0
    count = 1
    while True:
        value = yield total // count
        total += value
        count += 1


def recovering():
    received = 0
    while True:
        try:
            yield received
        except Stop:
            received += tidy_up(received)


def closing():
    try:
        while True:
            yield 1
    finally:
        tidy_up(1)


def tidy_up(n):
    return n % 3 + 1


def helper_of_generator(n):
    return n - 1


def calling_generator(length):
    for n in range(length):
        yield helper_of_generator(n)


def tree_walk(depth):
    if depth:
        yield from tree_walk(depth - 1)
        yield depth
        yield from tree_walk(depth - 1)


def use_loop():
    total = 0
    for n in count_up(60):
        total += n
    return total


def use_pipeline():
    total = 0
    for n in squares(count_up(40)):
        total += n
    return total


def use_expression():
    return sum(n & 3 for n in range(80))


def use_nested_expression():
    return sum(n for n in (m + 1 for m in range(40)))


def use_delegates():
    total = 0
    for n in outer_delegate(30):
        total += n
    return total


def use_send():
    machine = averager()
    next(machine)
    for n in range(30):
        machine.send(n)


def use_throw():
    machine = recovering()
    next(machine)
    for _ in range(8):
        machine.throw(Stop())
        next(machine)


def use_close():
    for _ in range(5):
        machine = closing()
        next(machine)
        machine.close()


def use_abandoned():
    for _ in closing():
        break


def use_next():
    machine = count_up(30)
    for _ in range(30):
        next(machine)


def use_iterable():
    total = 0
    for n in Series(30):
        total += n
    return total


def use_from_c():
    return max(count_up(30)) + len(list(inner_most(30))) + sum(calling_generator(30))


def use_tree():
    return sum(tree_walk(5))


def unit():
    use_loop()
    use_pipeline()
    use_expression()
    use_nested_expression()
    use_delegates()
    use_send()
    use_throw()
    use_close()
    use_abandoned()
    use_next()
    use_iterable()
    use_from_c()
    use_tree()


if __name__ == "__main__":
    driver.main(unit, creations=[("gens.py:use_pipeline", "gens.py:count_up")])
