"""driver: runs one workload again and again, and says how far it has come.

Every workload has the same first frames: its `<module>`, `main`, `drive`, then its unit of work. The cyclic
garbage collector is off, so that nothing but the program decides what runs when. A sampler that attaches
after `ready` and leaves before the end sees nothing but pairs of the truth (--truth).
"""

import argparse
import gc
import mmap
import os
import struct
import sys
import time

WARM_UP_SECONDS = 0.3


def drive(unit, units, seconds, progress):
    """Calls `unit` until `units` are done or `seconds` have passed; returns how many were done.
    `progress`, a mapping of 8 bytes, always holds the number done."""
    monotonic = time.monotonic
    pack_into = struct.pack_into
    end = monotonic() + seconds
    done = 0
    while done < units and monotonic() < end:
        unit()
        done += 1
        pack_into("<Q", progress, 0, done)
    return done


def parse_arguments(add_arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to run; 0: until killed")
    parser.add_argument("--units", type=int, default=0, help="end after so many units of work")
    parser.add_argument("--cpu", type=int, help="run on this core only")
    parser.add_argument("--truth", metavar="FILE", help="record the caller-callee pairs and end")
    parser.add_argument("--truth-units", type=int, default=100, help="units of work for --truth")
    parser.add_argument("--ready-file", metavar="FILE", help="create it when the workload begins")
    parser.add_argument("--ready-fd", type=int, help="write a line there when the workload begins")
    parser.add_argument("--progress", metavar="FILE", help="keep the number of units done there, 8 bytes")
    parser.add_argument("--count", action="store_true", help="print units done and seconds at the end")
    if add_arguments is not None:
        add_arguments(parser)
    return parser.parse_args()


def open_progress(path):
    if path is None:
        return mmap.mmap(-1, 8)
    with open(path, "w+b") as file:
        file.write(bytes(8))
        file.flush()
        return mmap.mmap(file.fileno(), 8)


def tell_ready(options):
    if options.ready_file is not None:
        with open(options.ready_file + ".new", "w") as file:
            file.write("%d\n" % os.getpid())
        os.rename(options.ready_file + ".new", options.ready_file)
    if options.ready_fd is not None:
        os.write(options.ready_fd, b"ready\n")


def main(unit, setup=None, add_arguments=None, creations=()):
    """`setup` runs once before the first unit, with the options. `creations` names the pairs in which a
    generator is made by one function and resumed by others only."""
    options = parse_arguments(add_arguments)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    gc.disable()
    recorder = None
    if options.truth is not None:
        from truth import Recorder

        recorder = Recorder(creations)
        recorder.start()
    if setup is not None:
        setup(options)
    progress = open_progress(options.progress)
    units = options.units or sys.maxsize
    seconds = options.seconds or float("inf")
    if recorder is not None:
        units, seconds = options.truth_units, float("inf")
    else:
        drive(unit, sys.maxsize, WARM_UP_SECONDS, progress)
    tell_ready(options)
    begin = time.monotonic()
    done = drive(unit, units, seconds, progress)
    elapsed = time.monotonic() - begin
    if recorder is not None:
        recorder.stop()
        recorder.write(options.truth, os.path.basename(sys.argv[0]))
    if options.count:
        print("units %d seconds %.6f" % (done, elapsed), flush=True)
    # Nothing of the interpreter's own end belongs to the workload.
    sys.stdout.flush()
    os._exit(0)
