"""mojo_reader: every sample of a MOJO profile in its order, with all that its frames tell.

The reader of tests/oracle, written from the format's description, keeps sums and lines only.
"""

import collections
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import profile_reader

Place = collections.namedtuple("Place", "file function line line_end column column_end")
Sample = collections.namedtuple("Sample", "pid iid thread frames metric")


class MojoReader(profile_reader.MojoReader):
    """`frames` of a sample are Places, or INVALID and GC of profile_reader, root first."""

    def __init__(self, data):
        super().__init__(data)
        self.samples = []

    @classmethod
    def read_file(cls, path):
        reader = cls(pathlib.Path(path).read_bytes())
        if reader.read().cut:
            raise profile_reader.MalformedProfile("the file ends within a record")
        return reader

    @property
    def metadata(self):
        return self.profile.metadata

    def end_sample(self):
        if self.head is not None and self.metric is not None:
            pid, iid, thread = self.head
            self.samples.append(Sample(pid, int(iid), thread, tuple(self.stack), self.metric))
        super().end_sample()

    def define_frame(self):
        key, file_key, scope_key, *place = (self.bytes.integer() for _ in range(7))
        pid = self.head[0]
        file, scope = self.text_of(file_key, pid), self.text_of(scope_key, pid)
        self.frames[pid, key] = Place(file, scope, *place)
