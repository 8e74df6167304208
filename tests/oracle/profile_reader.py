"""profile_reader: reads Austin profiles, text and MOJO, into blocks of stacks with their weights.

Written from the formats' public description alone: it shares nothing with the programs it judges. A block
is a stretch of time: in text it ends where a stack comes again, in MOJO after a fixed number of samples.
"""

import collections

MOJO_BLOCK_SAMPLES = 5000

INVALID = ":INVALID:"
GC = ":GC:"

# A Python frame. `file` is the whole name as the profile has it; line 0 stands for unknown.
Frame = collections.namedtuple("Frame", "file function line")
# One stack of one thread; `frames` holds Frames and the special strings above, root first.
Stack = collections.namedtuple("Stack", "pid iid thread frames")


class MalformedProfile(Exception):
    pass


class Weight:
    __slots__ = ("samples", "metric")

    def __init__(self):
        self.samples = 0
        self.metric = 0


class Profile:
    def __init__(self):
        self.metadata = {}
        self.blocks = [{}]  # each: Stack -> Weight
        self.counted = False  # whether `samples` of the weights is the real number of samples
        self.cut = False  # the last record was not whole

    def add(self, stack, metric):
        weight = self.blocks[-1].get(stack)
        if weight is None:
            weight = self.blocks[-1][stack] = Weight()
        weight.samples += 1
        weight.metric += metric

    def stacks(self):
        for block in self.blocks:
            yield from block.items()

    def metric(self):
        return sum(weight.metric for _, weight in self.stacks())

    def samples(self):
        """The number of samples: counted, or as the footer says, or from the interval."""
        if self.counted:
            return sum(weight.samples for _, weight in self.stacks())
        if "samples" in self.metadata:
            return int(self.metadata["samples"])
        interval = int(self.metadata.get("interval", "0"))
        return self.metric() // interval if interval else self.metric()


def parse_frame(text):
    if text in (INVALID, GC):
        return text
    parts = text.rsplit(":", 2)
    if len(parts) != 3:
        raise MalformedProfile("frame %r" % text)
    return Frame(parts[0], parts[1], int(parts[2]))


def parse_sample(line):
    head, _, metric = line.rpartition(" ")
    fields = head.split(";")
    if len(fields) < 2 or not fields[0].startswith("P") or not fields[1].startswith("T"):
        raise MalformedProfile("sample %r" % line)
    iid, _, thread = fields[1][1:].partition(":")
    frames = tuple(parse_frame(field) for field in fields[2:])
    return Stack(int(fields[0][1:]), iid, thread, frames), int(metric.split(",")[0])


def read_text(lines):
    profile = Profile()
    known = {}
    lines = iter(lines)
    for line in lines:
        if not line.endswith("\n"):
            profile.cut = True
            break
        line = line[:-1]
        if not line:
            continue
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            profile.metadata[key.strip()] = value.strip()
            continue
        head, _, metric = line.rpartition(" ")
        stack = known.get(head)
        if stack is None:
            stack, number = parse_sample(line)
            known[head] = stack
        else:
            number = int(metric.split(",")[0])
        if stack in profile.blocks[-1]:
            profile.blocks.append({})
        profile.add(stack, number)
    return profile


class Bytes:
    """Reads a MOJO file's elements; IndexError means that it ends too early."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        value = self.data[self.at]
        self.at += 1
        return value

    def integer(self):
        byte = self.byte()
        negative = byte & 0x40
        value = byte & 0x3F
        shift = 6
        while byte & 0x80:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
        return -value if negative else value

    def string(self):
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise IndexError
        try:
            text = self.data[self.at : end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedProfile("string at %d: %s" % (self.at, error))
        self.at = end + 1
        return text


class MojoReader:
    METADATA, STACK, FRAME, FRAME_INVALID, FRAME_REF, FRAME_KERNEL, GC = 1, 2, 3, 4, 5, 6, 7
    IDLE, TIME, MEMORY, STRING, STRING_REF = 8, 9, 10, 11, 12

    def __init__(self, data):
        if data[:3] != b"MOJ":
            raise MalformedProfile("not a MOJO file")
        self.bytes = Bytes(data)
        self.bytes.at = 3
        self.version = self.bytes.integer()
        if not 1 <= self.version <= 3:
            raise MalformedProfile("MOJO version %d" % self.version)
        self.profile = Profile()
        self.profile.counted = True
        self.strings = {}
        self.frames = {}
        self.head = None  # pid, iid, thread of the sample that is being read
        self.stack = []
        self.metric = None  # none read yet
        self.in_block = 0

    def read(self):
        end = len(self.bytes.data)
        while self.bytes.at < end:
            try:
                event = self.bytes.byte()
                self.read_event(event)
            except IndexError:
                self.profile.cut = True
                break
        self.end_sample()
        return self.profile

    def end_sample(self):
        if self.head is None:
            return
        if self.metric is None:  # the file ends before its metric
            self.profile.cut = True
        elif self.stack or self.metric:  # an opening stack of no time holds nothing
            if self.in_block == MOJO_BLOCK_SAMPLES:
                self.profile.blocks.append({})
                self.in_block = 0
            self.profile.add(Stack(*self.head, tuple(self.stack)), self.metric)
            self.in_block += 1
        self.head = None

    def text_of(self, key, pid):
        if key == 1:
            return "<unknown>"
        if (pid, key) not in self.strings:
            raise MalformedProfile("string %d is not defined" % key)
        return self.strings[pid, key]

    def read_event(self, event):
        data = self.bytes
        if event == self.METADATA:
            key = data.string()
            self.profile.metadata[key] = data.string()
        elif event == self.STACK:
            pid = data.integer()
            iid = data.integer() if self.version >= 3 else 0
            thread = data.string()
            self.end_sample()
            self.head, self.stack, self.metric = (pid, str(iid), thread), [], None
        elif self.head is None:
            raise MalformedProfile("event %d before the first stack" % event)
        elif event == self.FRAME:
            self.define_frame()
        elif event == self.FRAME_INVALID:
            self.stack.append(INVALID)
        elif event == self.FRAME_REF:
            key = data.integer()
            if (self.head[0], key) not in self.frames:
                raise MalformedProfile("frame %d is not defined" % key)
            self.stack.append(self.frames[self.head[0], key])
        elif event == self.FRAME_KERNEL:
            self.stack.append(Frame("kernel", data.string(), 0))
        elif event == self.GC:
            self.stack.append(GC)
        elif event == self.TIME:
            self.metric = (self.metric or 0) + data.integer()
        elif event == self.MEMORY:
            data.integer()
        elif event == self.STRING:
            key = data.integer()
            self.strings[self.head[0], key] = data.string()
        elif event == self.STRING_REF:
            data.integer()
        elif event != self.IDLE:
            raise MalformedProfile("event %d at %d" % (event, data.at - 1))

    def define_frame(self):
        data = self.bytes
        pid = self.head[0]
        key, file_key, scope_key, line = (data.integer() for _ in range(4))
        if self.version >= 2:
            for _ in range(3):  # line end, column, column end
                data.integer()
        file, scope = self.text_of(file_key, pid), self.text_of(scope_key, pid)
        self.frames[pid, key] = Frame(file, scope, line)


def read_profile(path):
    with open(path, "rb") as file:
        if file.read(3) == b"MOJ":
            file.seek(0)
            return MojoReader(file.read()).read()
    with open(path, encoding="utf-8", newline="\n") as file:
        return read_text(file)
