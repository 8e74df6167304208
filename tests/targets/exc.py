"""exc: exceptions, then a long call of C code from the frame that caught them; and `__del__`."""

import driver


class Trouble(Exception):
    pass


class Droppable:
    def __init__(self, value):
        self.value = value

    def __del__(self):
        note_drop(self.value)


def note_drop(value):
    total = 0
    for n in range(10):
        total += n * value
    return total


def fail():
    raise Trouble("expected")


def fail_below(n):
    return fail() + n


def fail_far_below(n):
    local = n + 1
    return fail_below(local) + 1


def fail_holding(n):
    held = Droppable(n)
    return fail_far_below(held.value)


def catch_then_sum():
    try:
        fail_far_below(3)
    except Trouble:
        pass
    return sum(range(3000))


def catch_then_sort():
    try:
        fail()
    except Trouble as error:
        str(error)
    return sorted(range(2000, 0, -1))


def catch_in_handler():
    try:
        fail_below(1)
    except Trouble:
        return sum(range(2000))


def catch_of_c():
    try:
        int("not a number")
    except ValueError:
        pass
    return max(range(1500))


def catch_holding():
    try:
        fail_holding(4)
    except Trouble:
        return sum(range(1000))


def finally_then_sum():
    try:
        try:
            fail_below(2)
        finally:
            note_drop(2)
    except Trouble:
        pass
    return sum(range(1000))


def drop_explicitly():
    one = Droppable(1)
    del one
    return sum(range(500))


def drop_at_return():
    Droppable(2)
    held = Droppable(3)
    return held.value


def drop_in_list():
    many = [Droppable(n) for n in range(4)]
    many.clear()
    return min(range(500))


def pass_through():
    return pass_through_more() + 1


def pass_through_more():
    held = Droppable(5)
    return fail_far_below(held.value) + 1


def unit():
    catch_then_sum()
    catch_then_sort()
    catch_in_handler()
    catch_of_c()
    catch_holding()
    finally_then_sum()
    drop_explicitly()
    drop_at_return()
    drop_in_list()
    try:
        pass_through()
    except Trouble:
        sum(range(1000))


if __name__ == "__main__":
    driver.main(unit)
