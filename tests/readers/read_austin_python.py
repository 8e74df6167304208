"""What austin-python makes of a profile, as JSON. Runs in the venv that check.py makes."""

import json
import sys
from collections import Counter

from austin.events import AustinSample
from austin.format.collapsed_stack import AustinFileReader
from austin.format.mojo import MojoStreamReader


def main(path):
    if path.endswith(".mojo"):
        reader = MojoStreamReader(open(path, "rb"))
    else:
        reader = AustinFileReader(open(path, encoding="utf-8"))
    samples, total = 0, 0
    own, inclusive = Counter(), Counter()
    for event in reader:
        if not isinstance(event, AustinSample):
            continue
        samples += 1
        total += event.metrics.time
        frames = [f"{frame.filename}:{frame.function}" for frame in event.frames or ()]
        own[frames[-1] if frames else "(no frame)"] += event.metrics.time
        for frame in set(frames or ["(no frame)"]):
            inclusive[frame] += event.metrics.time
    json.dump(
        {
            "samples": samples,
            "total": total,
            "own": own,
            "inclusive": inclusive,
            "metadata": reader.metadata,
        },
        sys.stdout,
    )


main(sys.argv[1])
