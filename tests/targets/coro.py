"""coro: coroutines that await short coroutines, driven by hand and by asyncio."""

import asyncio
import types

import driver


@types.coroutine
def pause():
    yield


class Awaitable:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        yield
        return self.value


class Guarded:
    async def __aenter__(self):
        return await answer_one()

    async def __aexit__(self, *_):
        await answer_two()


async def answer_one():
    return 1


async def answer_two():
    return 2


async def answer_sum():
    return await answer_one() + await answer_two()


async def answer_deep(depth):
    if depth == 0:
        return await answer_one()
    return await answer_deep(depth - 1)


async def answer_after_pause():
    await pause()
    return await Awaitable(3)


async def work_between(n):
    total = 0
    for i in range(10):
        total += i * n
    return total


async def series(length):
    for n in range(length):
        yield await answer_one() + n


async def by_hand_short():
    total = 0
    for _ in range(30):
        total += await answer_one()
        total += await answer_sum()
        total += await work_between(2)
    return total


async def by_hand_deep():
    for _ in range(8):
        await answer_deep(10)


async def by_hand_pausing():
    for _ in range(10):
        await answer_after_pause()
        async with Guarded():
            await work_between(1)


async def by_hand_series():
    total = 0
    async for n in series(15):
        total += n
    return total


async def child_task(n):
    await asyncio.sleep(0)
    return await answer_sum() + n


async def under_asyncio():
    total = 0
    for _ in range(3):
        await asyncio.sleep(0)
        total += await answer_sum()
    total += sum(await asyncio.gather(child_task(1), child_task(2)))
    return total


def run_by_hand(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


LOOPS = []


def setup(_):
    LOOPS.append(asyncio.new_event_loop())
    asyncio.set_event_loop(LOOPS[0])


def unit():
    for _ in range(3):
        run_by_hand(by_hand_short())
        run_by_hand(by_hand_deep())
        run_by_hand(by_hand_pausing())
        run_by_hand(by_hand_series())
    LOOPS[0].run_until_complete(under_asyncio())


if __name__ == "__main__":
    driver.main(
        unit,
        setup,
        creations=[
            ("coro.py:unit", "coro.py:by_hand_short"),
            ("coro.py:unit", "coro.py:by_hand_deep"),
            ("coro.py:unit", "coro.py:by_hand_pausing"),
            ("coro.py:unit", "coro.py:by_hand_series"),
            ("coro.py:unit", "coro.py:under_asyncio"),
            ("coro.py:under_asyncio", "coro.py:child_task"),
        ],
    )
