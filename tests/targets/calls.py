"""calls: eight tiny functions in two call chains, and a recursive fib."""

import driver


def north_four(n):
    return n + 1


def north_three(n):
    return north_four(n) + 1


def north_two(n):
    return north_three(n) + north_four(n)


def north_one(n):
    return north_two(n) + 1


def south_four(n):
    return n * 3


def south_three(n):
    return south_four(n) - 1


def south_two(n):
    return south_three(n) - south_four(n)


def south_one(n):
    return south_two(n) - 1


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def unit():
    for n in range(50):
        north_one(n)
        south_one(n)
    fib(10)


if __name__ == "__main__":
    driver.main(unit)
