"""Lets the inner planets fly for some seconds, and draws where they went.

    python3 examples/orbits.py [SECONDS]

An example to profile: where does its time go? Any Python 3.8 or later.
"""

import math
import sys
import time

WIDTH, HEIGHT = 64, 26
GRAVITY = 4 * math.pi**2  # With years, astronomical units and solar masses.
STEP = 1 / 3000  # years
STEPS_PER_FRAME = 60

# Name, letter, mass, distance from the sun.
PLANETS = [
    ("Mercury", "m", 1.7e-7, 0.387),
    ("Venus", "v", 2.4e-6, 0.723),
    ("Earth", "e", 3.0e-6, 1.0),
    ("Mars", "a", 3.2e-7, 1.524),
]


class Body:
    def __init__(self, name, letter, mass, distance):
        self.name, self.letter, self.mass = name, letter, mass
        self.x, self.y = distance, 0.0
        self.vx, self.vy = 0.0, math.sqrt(GRAVITY / distance) if distance else 0.0

    def pull(self, other):
        """The acceleration towards another body."""
        dx, dy = other.x - self.x, other.y - self.y
        square = dx * dx + dy * dy
        strength = GRAVITY * other.mass / (square * math.sqrt(square))
        return strength * dx, strength * dy

    def push(self, ax, ay):
        self.vx += ax * STEP
        self.vy += ay * STEP

    def drift(self):
        self.x += self.vx * STEP
        self.y += self.vy * STEP


def gravity(bodies):
    """What all the others do to each body."""
    for body in bodies:
        for ax, ay in (body.pull(other) for other in bodies if other is not body):
            body.push(ax, ay)


def advance(bodies):
    gravity(bodies)
    for body in bodies:
        body.drift()


def energy(bodies):
    """What stays the same, if the numbers are any good."""
    total = 0.0
    for i, body in enumerate(bodies):
        total += body.mass * (body.vx**2 + body.vy**2) / 2
        for other in bodies[:i]:
            distance = math.hypot(body.x - other.x, body.y - other.y)
            total -= GRAVITY * body.mass * other.mass / distance
    return total


def mark(page, body):
    column = round(WIDTH / 2 + body.x * WIDTH / 3.6)
    row = round(HEIGHT / 2 - body.y * HEIGHT / 3.6)
    if 0 <= column < WIDTH and 0 <= row < HEIGHT:
        page[row][column] = body.letter


def fly(seconds):
    bodies = [Body("Sun", "O", 1.0, 0.0)] + [Body(*planet) for planet in PLANETS]
    page = [[" "] * WIDTH for _ in range(HEIGHT)]
    before, years, end = energy(bodies), 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(STEPS_PER_FRAME):
            advance(bodies)
        years += STEPS_PER_FRAME * STEP
        for body in bodies:
            mark(page, body)
    drift = abs(energy(bodies) / before - 1)
    return page, years, drift


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    page, years, drift = fly(seconds)
    for row in page:
        print("".join(row).rstrip())
    print("%.1f years; %s" % (years, ", ".join("%s %s" % (p[1], p[0]) for p in PLANETS)))
    print("energy kept to %.2g" % drift)


if __name__ == "__main__":
    main()
