"""Profiles that end early, as they do when the writer is killed: what of them is whole.

    for cut in cut.everywhere(data, suffix):
        ...data[:cut.size] holds cut.whole samples whole...
"""

import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))

from profile_reader import MojoReader  # noqa: E402

# So many samples are cut at each of their bytes, the last ones, and what is behind them. In text, where
# names are written out, one is long.
SAMPLES = {".austin": 1, ".mojo": 5}

# size: how many bytes there are. whole: how many samples are in them. clean: whether a record ends there.
# between: whether the cut goes through an event of a .mojo file that stands between samples: metadata, or
# the beginning of a sample.
Cut = collections.namedtuple("Cut", "size whole clean between")


def text_records(data):
    """The end of each line, and whether it is a sample."""
    at = 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        yield at, line.startswith(b"P"), False


def mojo_records(data):
    """The end of each event, whether it makes a sample whole, and whether it stands between samples."""
    reader = MojoReader(data)
    yield reader.bytes.at, False, False
    while reader.bytes.at < len(data):
        event = reader.bytes.byte()
        reader.read_event(event)
        yield reader.bytes.at, event == reader.TIME, event in (reader.STACK, reader.METADATA)


def everywhere(data, suffix):
    """Each Cut through the last samples of a whole profile."""
    records = list(text_records(data) if suffix == ".austin" else mojo_records(data))
    ends = [end for end, is_sample, _ in records if is_sample]
    between = {
        size
        for (start, _, _), (end, _, is_between) in zip(records, records[1:])
        if is_between
        for size in range(start + 1, end)
    }
    # In a .mojo file a record is what makes a sample: only behind its metric, or metadata, is it whole.
    clean = {end for end, _, _ in records if suffix == ".austin" or end >= ends[-1]} | set(ends)
    for size in range(ends[-1 - SAMPLES[suffix]], len(data)):
        yield Cut(size, sum(end <= size for end in ends), size in clean, size in between)
