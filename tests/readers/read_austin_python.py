"""What austin-python makes of a profile, as JSON. Runs with the folder that install.py makes.

    read_austin_python.py PROFILE               its samples, times and metadata
    read_austin_python.py --cut FROM PROFILE    what it has of the first FROM bytes, FROM + 1, ... one less
                                                than there are
"""

import io
import json
import sys
from collections import Counter

from austin.events import AustinSample
from austin.format.collapsed_stack import AustinFileReader
from austin.format.mojo import MojoStreamReader


def reader_of(path, data):
    if path.endswith(".mojo"):
        return MojoStreamReader(io.BytesIO(data))
    return AustinFileReader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def samples_of(reader):
    return (event for event in reader if isinstance(event, AustinSample))


def read(path, data):
    reader = reader_of(path, data)
    samples, total = 0, 0
    own, inclusive = Counter(), Counter()
    for event in samples_of(reader):
        samples += 1
        total += event.metrics.time
        frames = [f"{frame.filename}:{frame.function}" for frame in event.frames or ()]
        own[frames[-1] if frames else "(no frame)"] += event.metrics.time
        for frame in set(frames or ["(no frame)"]):
            inclusive[frame] += event.metrics.time
    return {
        "samples": samples,
        "total": total,
        "own": own,
        "inclusive": inclusive,
        "metadata": reader.metadata,
    }


def read_cut(path, data, size, whole):
    """How many samples there are, how many of them from the first on are as in the `whole` profile, and
    which exception came behind them."""
    samples, error = [], None
    try:
        for sample in samples_of(reader_of(path, data[:size])):
            samples.append(sample)
    except Exception as exception:  # Whichever it is: check.py knows which may be.
        error = "ValueError" if isinstance(exception, ValueError) else type(exception).__name__
    same = 0
    while same < len(samples) and samples[same] == whole[same]:
        same += 1
    return {"size": size, "yielded": len(samples), "same": same, "error": error}


def main(arguments):
    path = arguments[-1]
    with open(path, "rb") as file:
        data = file.read()
    if arguments[0] == "--cut":
        whole = list(samples_of(reader_of(path, data)))
        sizes = range(int(arguments[1]), len(data))
        result = [read_cut(path, data, size, whole) for size in sizes]
    else:
        result = read(path, data)
    json.dump(result, sys.stdout)


main(sys.argv[1:])
