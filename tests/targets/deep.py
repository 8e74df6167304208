"""deep: recursion 800 deep, over several chunks of the interpreter's stack, with changing leaves.

Three functions with frames of different sizes call one another in turn, so that frames of one round do not
lie where those of the last one lay.
"""

import driver

DEPTH = 800


def leaf_add(n):
    total = 0
    for i in range(40):
        total += i
    return total + n


def leaf_chain(n):
    return leaf_end(n) + leaf_end(n + 1)


def leaf_end(n):
    return n * 2


def leaf_list(n):
    return len([i for i in range(30)]) + n


def bottom(n):
    total = 0
    for i in range(30):
        total += leaf_add(i) + leaf_chain(i) + leaf_list(i)
    return total + n


def down_small(left):
    if left == 0:
        return bottom(left)
    return down_middle(left - 1)


def down_middle(left):
    a = left + 1
    b = left + 2
    if left == 0:
        return bottom(a)
    return down_large(left - 1) + b - a


def down_large(left):
    a = left + 1
    b = left + 2
    c = a + b
    d = a - b
    e = c + d
    if left == 0:
        return bottom(e)
    return down_small(left - 1) + (a + b + c + d + e) - e


def unit():
    down_small(DEPTH)
    down_middle(DEPTH)
    down_large(DEPTH)
    down_small(DEPTH // 8)


if __name__ == "__main__":
    driver.main(unit)
