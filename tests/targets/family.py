"""family: a Python with children, made in one of the ways that there are.

    family.py WAY FOLDER

Each child writes its pid as a file's name into FOLDER and is busy in `child`, and the parent in `parent`,
until there is a file "stop". For every CPython from 3.8 on.
"""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys

CHILDREN = 2


def stopped(folder):
    return os.path.exists(os.path.join(folder, "stop"))


def child(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
    while not stopped(folder):
        sum(range(10000))


def parent(folder):
    while not stopped(folder):
        sum(range(10000))


def by_os_fork(folder):
    pids = []
    for _ in range(CHILDREN):
        pid = os.fork()
        if pid == 0:
            child(folder)
            os._exit(0)
        pids.append(pid)
    parent(folder)
    for pid in pids:
        os.waitpid(pid, 0)


def by_multiprocessing(folder, method):
    context = multiprocessing.get_context(method)
    children = [context.Process(target=child, args=(folder,)) for _ in range(CHILDREN)]
    for process in children:
        process.start()
    parent(folder)
    for process in children:
        process.join()


def by_pool(folder):
    with concurrent.futures.ProcessPoolExecutor(CHILDREN) as pool:
        for _ in range(CHILDREN):
            pool.submit(child, folder)
        parent(folder)


def by_subprocess(folder, command, **popen):
    children = [subprocess.Popen(command, **popen) for _ in range(CHILDREN)]
    parent(folder)
    for process in children:
        process.wait()


def main(way, folder):
    again = [sys.executable, os.path.abspath(__file__), "child", folder]
    if way == "child":
        child(folder)
    elif way == "os.fork":
        by_os_fork(folder)
    elif way == "pool":
        by_pool(folder)
    elif way == "subprocess":
        by_subprocess(folder, again)
    elif way == "environment":
        by_subprocess(folder, again, env={})
    elif way == "shell":
        # Not exec'ed: a process that is no Python stands between the two.
        by_subprocess(folder, ["sh", "-c", '"$@"; exit 0', "sh"] + again)
    else:
        by_multiprocessing(folder, way)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
