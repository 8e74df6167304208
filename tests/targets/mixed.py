"""mixed: generators, properties, keys and callbacks called from C, operators, caught exceptions, memoised
recursion, closures, methods, `__del__`, context managers."""

import contextlib
import functools
import re

import driver

WORDS = re.compile(r"[a-z]+")
TEXT = "the quick brown fox jumps over the lazy dog"


class Number:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __lt__(self, other):
        return self.value < other.value

    def __add__(self, other):
        return Number(self.value + other.value)

    def __eq__(self, other):
        return self.value == other.value

    def __hash__(self):
        return hash(self.value)


class Row:
    def __init__(self, cells):
        self.cells = cells

    def __getitem__(self, index):
        return self.cells[index]

    def __len__(self):
        return len(self.cells)

    def __contains__(self, cell):
        return self.find(cell) >= 0

    def __bool__(self):
        return bool(self.cells)

    def __call__(self, index):
        return self[index]

    def find(self, cell):
        for index, candidate in enumerate(self.cells):
            if candidate == cell:
                return index
        return -1


class Account:
    interest = 3

    def __init__(self, amount):
        self._amount = amount

    @property
    def amount(self):
        return self._amount

    @amount.setter
    def amount(self, amount):
        self._amount = check_amount(amount)

    @property
    def doubled(self):
        return self.amount * 2

    @classmethod
    def standard(cls, amount):
        return cls(amount)

    @staticmethod
    def rate(amount):
        return amount // 10

    def deposit(self, amount):
        self.amount = self._amount + amount
        return self

    def __getattr__(self, name):
        return missing_attribute(name)


class Savings(Account):
    def deposit(self, amount):
        return super().deposit(amount + self.interest)


class Resource:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.append(1)
        return False

    def __del__(self):
        release(self.log)


class Failure(Exception):
    pass


def check_amount(amount):
    return amount if amount < 1000000 else 0


def missing_attribute(name):
    return len(name)


def release(log):
    log.append(0)


def key_of_number(number):
    return -number.value


def shift(n):
    return n + 1


def is_even(n):
    return n % 2 == 0


def add_two(a, b):
    return a + b


def compare(a, b):
    return a - b


def replace_word(match):
    return capital(match.group())


def capital(word):
    return word[:1].upper() + word[1:]


def evens(limit):
    for n in range(limit):
        if is_even(n):
            yield n


def pairs_of(limit):
    for n in evens(limit):
        yield n, shift(n)


@functools.lru_cache(maxsize=None)
def ways(n):
    return 1 if n < 2 else ways(n - 1) + ways(n - 2)


def remembered(n, memory):
    if n in memory:
        return memory[n]
    memory[n] = 1 if n < 2 else remembered(n - 1, memory) + remembered(n - 2, memory)
    return memory[n]


def make_counter(step):
    count = 0

    def counter():
        nonlocal count
        count += step
        return count

    return counter


def fail_if_odd(n):
    if n % 2:
        raise Failure(n)
    return n


def fail_deeper(n):
    return fail_if_odd(n) + 1


@contextlib.contextmanager
def managed(log):
    log.append(2)
    try:
        yield log
    finally:
        log.append(3)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@decorated
def with_defaults(a, b=2, *rest, c=3, **more):
    return a + b + c + len(rest) + len(more)


def use_operators():
    numbers = [Number((n * 7) % 31) for n in range(20)]
    total = Number(0)
    for number in numbers:
        total = total + number
    sorted(numbers)
    min(numbers)
    numbers.index(Number(21))
    return len(set(numbers)) + total.value


def use_keys():
    numbers = [Number((n * 11) % 37) for n in range(20)]
    numbers.sort(key=key_of_number)
    return max(numbers, key=key_of_number).value


def use_callbacks():
    total = sum(map(shift, range(30)))
    total += len(list(filter(is_even, range(30))))
    total += functools.reduce(add_two, range(30))
    total += sorted(range(20), key=functools.cmp_to_key(compare))[0]
    WORDS.sub(replace_word, TEXT)
    return total


def use_rows():
    row = Row(list(range(12)))
    total = 0
    for n in range(12):
        total += row[n] + row(n)
    for cell in row:
        total += cell
    if row and 7 in row:
        total += len(row)
    return total


def use_accounts():
    account = Account.standard(10)
    savings = Savings(20)
    for n in range(15):
        account.deposit(n)
        savings.deposit(n)
        account.amount = account.doubled - account.amount
        account.absent
    return Account.rate(account.amount) + savings.amount


def use_generators():
    total = 0
    for a, b in pairs_of(40):
        total += a + b
    return total + sum(shift(n) for n in range(20))


def use_memory():
    ways.cache_clear()
    return ways(25) + remembered(25, {})


def use_closures():
    count = make_counter(3)
    for _ in range(20):
        count()
    return count()


def use_exceptions():
    caught = 0
    for n in range(12):
        try:
            fail_deeper(n)
        except Failure:
            caught += 1
    return caught


def use_resources():
    log = []
    for _ in range(5):
        with Resource(log) as resource:
            resource.log.append(4)
        with managed(log):
            shift(1)
    return len(log)


def use_arguments():
    for n in range(10):
        with_defaults(n)
        with_defaults(n, 1, 2, 3, c=4, d=5)
        with_defaults(*(n, 2), **{"c": 1})


def unit():
    use_operators()
    use_keys()
    use_callbacks()
    use_rows()
    use_accounts()
    use_generators()
    use_memory()
    use_closures()
    use_exceptions()
    use_resources()
    use_arguments()


if __name__ == "__main__":
    # contextlib's name for it differs: qualified from 3.11 on, the only versions that look at it.
    maker = "contextlib.py:_GeneratorContextManagerBase.__init__"
    driver.main(unit, creations=[(maker, "mixed.py:managed")])
