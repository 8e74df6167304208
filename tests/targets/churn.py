"""churn: keeps compiling new code and throws it away, so that code objects take one another's addresses.

The functions of one round carry the round's number, so a frame decoded with the name of dead code makes a
pair that this program never makes.
"""

import driver

SOURCE = """
def outer_{0}(n):
    return middle_{0}(n) + 1

def middle_{0}(n):
    total = 0
    for i in range(4):
        total += inner_{0}(i + n)
    return total

def inner_{0}(n):
    return n * {1}

outer_{0}({1})
"""

ROUND = [0]
NAMES = [64]


def add_arguments(parser):
    parser.add_argument("--names", type=int, default=64, help="different names before they come again")


def setup(options):
    NAMES[0] = options.names


def unit():
    ROUND[0] += 1
    number = ROUND[0] % NAMES[0]
    source = SOURCE.format(number, ROUND[0] % 1000)
    code = compile(source, "<churn %d>" % number, "exec")
    space = {}
    exec(code, space)
    for _ in range(10):
        space["outer_%d" % number](1)


if __name__ == "__main__":
    driver.main(unit, setup, add_arguments)
