"""Runs inside the interpreter that is tested, 3.8 included, with its row as `name=value,...`: follows
the row through the interpreter's own memory and compares with what Python says of the same objects.
Prints one line for each disagreement; the last line is the number of comparisons."""

import ctypes
import sys
import threading

ROW = {}
for pair in sys.argv[1].split(","):
    name, value = pair.split("=")
    ROW[name] = None if value == "absent" else int(value)
MINOR = ROW["minor"]
WORD = ROW["word_size"]
MASK = ~ROW["tag_mask"]
COUNT = 0


def same(what, got, want):
    global COUNT
    COUNT += 1
    if got != want:
        print(what + ": the row leads to " + repr(got) + ", it is " + repr(want))


class ReadWord(object):
    """Reads without a Python frame of its own: the C types' from_address do the work."""

    word = ctypes.c_void_p.from_address
    ssize = ctypes.c_ssize_t.from_address
    int = ctypes.c_int.from_address
    u32 = ctypes.c_uint32.from_address
    u8 = ctypes.c_uint8.from_address
    i8 = ctypes.c_int8.from_address
    i64 = ctypes.c_int64.from_address
    ulong = ctypes.c_ulong.from_address


def pointer(address):
    return ReadWord.word(address).value or 0


def at(base, name):
    return base + ROW[name]


def has(name):
    return ROW[name] is not None


# Objects


def check_types():
    class Named(object):
        pass

    base = id(Named)
    same("ob_type", pointer(at(id("x"), "object.ob_type")), id(str))
    same("tp_name", ctypes.string_at(pointer(at(base, "type.name"))), b"Named")
    same("tp_flags", ReadWord.ulong(at(base, "type.flags")).value, Named.__flags__)
    same("tp_basicsize", ReadWord.ssize(at(base, "type.basicsize")).value, Named.__basicsize__)
    same("tp_dictoffset", ReadWord.ssize(at(base, "type.dictoffset")).value, Named.__dictoffset__)


def text_at(address):
    """A str read as the daemon does."""
    state = ReadWord.u32(at(address, "unicode.state")).value
    length = ReadWord.ssize(at(address, "unicode.length")).value
    kind = state >> ROW["unicode.kind_shift"] & 7
    if not state >> ROW["unicode.compact_shift"] & 1:
        data = pointer(at(address, "unicode.data_any"))
    elif state >> ROW["unicode.ascii_shift"] & 1:
        data = at(address, "unicode.ascii_data")
    else:
        data = at(address, "unicode.compact_data")
    encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind]
    return ctypes.string_at(data, length * kind).decode(encoding, "surrogatepass")


def check_strings():
    class Loose(str):
        """Not compact: data elsewhere."""

    for text in ("plain", "caf\xe9" * 3, "\u03c0\u03c1" * 5, "\U0001f40d" * 2 + "x", ""):
        same("str", text_at(id(text)), text)
        loose = Loose(text)
        same("str subclass", text_at(id(loose)), text)
    data = b"seven\0b"
    same("bytes.size", ReadWord.ssize(at(id(data), "bytes.size")).value, 7)
    same("bytes.data", ctypes.string_at(at(id(data), "bytes.data"), 7), data)


def integer_at(address):
    head = ReadWord.ssize(at(address, "integer.ob_size_or_tag")).value
    if ROW["integer.has_tag"]:
        count, sign = head >> 3, 1 - (head & 3)
    else:
        count, sign = abs(head), (head > 0) - (head < 0)
    bits = ROW["integer.digit_bits"]
    width = 4 if bits == 30 else 2
    value = 0
    for i in range(count if sign else 0):
        digit = ctypes.string_at(at(address, "integer.digits") + i * width, width)
        value |= int.from_bytes(digit, "little") << bits * i
    return value * sign


def check_integers():
    same("digit bits", ROW["integer.digit_bits"], sys.int_info.bits_per_digit)
    for value in (0, 7, -7, 2**30 + 1, -(2**70) - 5, 2**64 - 1):
        same("int", integer_at(id(value)), value)


def keys_at(keys):
    """The entries of a table of keys: (key, value) addresses, in order."""
    size = at(keys, "dict_keys.log2_size")
    if ROW["dict_keys.size_is_log2"]:
        index_bytes = 1 << ReadWord.u8(at(keys, "dict_keys.log2_index_bytes")).value
        short = ReadWord.u8(at(keys, "dict_keys.kind")).value != 0
    else:
        size = ReadWord.ssize(size).value
        index_bytes = size * (1 if size <= 0xFF else 2 if size <= 0xFFFF else 4)
        short = False
    entries = at(keys, "dict_keys.indices") + index_bytes
    words = 2 if short else 3
    found = []
    for i in range(ReadWord.ssize(at(keys, "dict_keys.nentries")).value):
        entry = entries + ((i + 1) * words - 2) * WORD
        found.append((pointer(entry), pointer(entry + WORD)))
    return found


def dict_at(address):
    return keys_at(pointer(at(address, "dict.keys")))


def check_dicts():
    strings = dict(("key%d" % i, object()) for i in range(300))
    mixed = {1: object(), "two": object(), (3,): object()}
    for made in ({}, strings, mixed):
        same("dict.used", ReadWord.ssize(at(id(made), "dict.used")).value, len(made))
        if made:
            same("dict entries", dict_at(id(made)), [(id(k), id(v)) for k, v in made.items()])
            same("dict.values", pointer(at(id(made), "dict.values")), 0)
    if has("dict_keys.kind"):
        keys = pointer(at(id(strings), "dict.keys"))
        same("kind of str keys", ReadWord.u8(at(keys, "dict_keys.kind")).value, 1)
        keys = pointer(at(id(mixed), "dict.keys"))
        same("kind of mixed keys", ReadWord.u8(at(keys, "dict_keys.kind")).value, 0)
    same("module.dict", pointer(at(id(sys), "module.dict")), id(vars(sys)))


def attributes_at(address):
    """An instance's attributes: (name, value) addresses."""
    kind = pointer(at(address, "object.ob_type"))
    flags = ReadWord.ulong(at(kind, "type.flags")).value
    dict_words = ROW["managed_dict.dict_words"]
    managed = dict_words != 0 and flags >> 4 & 1
    values = 0
    if managed:
        made = pointer(address + dict_words * WORD)
        if ROW["managed_dict.values_tagged"]:
            if made & 1:
                made, values = 0, made + 1
        elif ROW["managed_dict.values_words"] != 0:
            values = pointer(address + ROW["managed_dict.values_words"] * WORD)
        elif ROW["managed_dict.values_inline"] and flags >> 2 & 1 and not made:
            values = address + ReadWord.ssize(at(kind, "type.basicsize")).value
            assert ReadWord.u8(values + 3).value == 1, "values that are not valid"
    else:
        made = pointer(address + ReadWord.ssize(at(kind, "type.dictoffset")).value)
    if made:
        keys = pointer(at(made, "dict.keys"))
        values = pointer(at(made, "dict.values"))
    else:
        keys = pointer(at(kind, "type.cached_keys"))
    names = [key for key, _ in keys_at(keys)]
    if not values:
        return keys_at(keys)
    first = values + ROW["managed_dict.values_data"] if has("managed_dict.values_data") else values
    return [(name, pointer(first + i * WORD)) for i, name in enumerate(names)]


def check_instances():
    class Plain(object):
        def __init__(self, many):
            self.first = object()
            self.second = object()
            for i in range(many):
                setattr(self, "more%d" % i, object())

    for many in (0, 3, 60):
        for look_at_dict in (False, True):
            made = Plain(many)
            if look_at_dict:
                vars(made)
            want = [(id(sys.intern("first")), id(made.first)), (id(sys.intern("second")), id(made.second))]
            same("attributes (%d more)" % many, attributes_at(id(made))[:2], want)


# Code, functions and frames


def closure(captured):
    def sample(first, second=2, *rest, key=3, **others):
        def inner():
            return rest

        return first, captured, inner, others

    return sample


def check_code():
    function = closure(object())
    code = function.__code__
    base = id(code)
    same("func_code", pointer(at(id(function), "function.code")), base)
    for member in ("argcount", "flags", "firstlineno", "stacksize"):
        got = ReadWord.int(at(base, "code." + member)).value
        same("co_" + member, got, getattr(code, "co_" + member))
    same("co_filename", pointer(at(base, "code.filename")), id(code.co_filename))
    same("co_name", pointer(at(base, "code.name")), id(code.co_name))
    table = code.co_linetable if MINOR >= 10 else code.co_lnotab
    address = pointer(at(base, "code.linetable"))
    size = ReadWord.ssize(at(address, "bytes.size")).value
    same("co_linetable", ctypes.string_at(at(address, "bytes.data"), size), table)
    if MINOR < 11:
        same("co_code", pointer(at(base, "code.bytecode")), id(code.co_code))
        return
    same("co_qualname", text_at(pointer(at(base, "code.qualname"))), code.co_qualname)
    units = ReadWord.ssize(at(base, "code.ob_size")).value
    same("code units", units * 2, len(code.co_code))
    fresh = ctypes.string_at(at(base, "code.bytecode"), units * 2)
    same("code", fresh, code._co_code_adaptive)
    names = set(code.co_varnames) | set(code.co_cellvars) | set(code.co_freevars)
    same("co_nlocalsplus", ReadWord.int(at(base, "code.nlocalsplus")).value, len(names))
    if MINOR >= 12:
        words = len(names) + code.co_stacksize + ROW["iframe.localsplus"] // WORD
        same("co_framesize", ReadWord.int(at(base, "code.framesize")).value, words)

    def callee():
        return 1

    for _ in range(2000):
        callee()
    version = ReadWord.u32(at(id(callee), "function.version")).value
    same("func_version is set", version != 0, True)
    if MINOR >= 12:
        same("co_version", ReadWord.u32(at(id(callee.__code__), "code.version")).value, version)


def check_heap_frames():
    caller = sys._getframe(1)
    base = id(caller)
    same("f_back", pointer(at(base, "frame.back")), id(caller.f_back))
    same("f_code", pointer(at(base, "frame.code")), id(caller.f_code))
    scale = 2 if MINOR >= 10 else 1
    same("f_lasti", ReadWord.int(at(base, "frame.lasti")).value * scale, caller.f_lasti)
    same("f_state of a caller", ReadWord.i8(at(base, "frame.state")).value, ROW["frame_executing"])

    def generate(argument):
        yield argument

    argument = object()
    generator = generate(argument)
    frame = pointer(at(id(generator), "generator.frame"))
    same("gi_frame", frame, id(generator.gi_frame))
    same("f_gen", pointer(at(frame, "frame.gen")), id(generator))
    same("f_localsplus", pointer(at(frame, "frame.localsplus")), id(argument))
    executing = ReadWord.i8(at(frame, "frame.state")).value == ROW["frame_executing"]
    same("an unstarted generator runs", executing, False)

    def plain():
        return argument

    plain()
    zombie = pointer(at(id(plain.__code__), "code.zombieframe"))
    same("co_zombieframe", pointer(at(zombie, "frame.code")), id(plain.__code__))
    same("its state", ReadWord.i8(at(zombie, "frame.state")).value == ROW["frame_executing"], False)


def unit_of(frame, code):
    distance = pointer(at(frame, "iframe.instr")) - at(id(code), "code.bytecode")
    return distance // ROW["instr_scale"] + ROW["instr_is_prev"]


def check_generator_frames():
    state = {}

    def generate(argument):
        frame = at(id(generator), "generator.iframe")
        state["running"] = ReadWord.i8(at(id(generator), "generator.frame_state")).value
        state["stacktop"] = has("iframe.stacktop") and ReadWord.int(at(frame, "iframe.stacktop")).value
        yield argument

    argument = object()
    generator = generate(argument)
    frame = at(id(generator), "generator.iframe")
    code = generate.__code__
    same("f_executable", pointer(at(frame, "iframe.executable")) & MASK, id(code))
    same("f_funcobj", pointer(at(frame, "iframe.func")) & MASK, id(generate))
    same("owner", ReadWord.i8(at(frame, "iframe.owner")).value, ROW["owner_generator"])
    # A cell variable may stand in front of the argument.
    local = at(frame, "iframe.localsplus")
    names = ReadWord.int(at(id(code), "code.nlocalsplus")).value
    locals_ = [pointer(local + i * WORD) & MASK for i in range(names)]
    same("localsplus", id(argument) in locals_, True)
    units = ReadWord.ssize(at(id(code), "code.ob_size")).value
    same("instr of a new generator", 0 <= unit_of(frame, code) < units, True)
    suspended = ReadWord.i8(at(id(generator), "generator.frame_state")).value
    same("a new generator runs", suspended == ROW["frame_executing"], False)
    next(generator)
    same("gi_frame_state", state["running"], ROW["frame_executing"])
    if has("iframe.stacktop"):
        same("stacktop of a running frame", state["stacktop"], -1)
        top = ReadWord.int(at(frame, "iframe.stacktop")).value
    else:
        top = (pointer(at(frame, "iframe.stackpointer")) - local) // WORD
    same("stack of a suspended frame", names <= top <= names + code.co_stacksize, True)


def check_resume_slot():
    """While a generator runs, a slot of the frame that resumed it by FOR_ITER or SEND names it."""
    named = []

    def generate():
        for _ in range(500):
            frame = at(id(generator), "generator.iframe")
            caller = pointer(at(frame, "iframe.previous"))
            if ReadWord.i8(at(caller, "iframe.owner")).value != ROW["owner_cstack"]:
                if has("iframe.stacktop"):
                    top = ReadWord.int(at(caller, "iframe.stacktop")).value
                    top = at(caller, "iframe.localsplus") + top * WORD
                else:
                    top = pointer(at(caller, "iframe.stackpointer"))
                named.append(pointer(top - ROW["resume_slot"] * WORD) & MASK)
            yield

    def iterate():
        for _ in generator:
            pass

    def delegate():
        yield from generator

    generator = generate()
    iterate()
    same("the generator of FOR_ITER", set(named), {id(generator)})
    del named[:]
    generator = generate()
    for _ in delegate():
        pass
    same("the generator of SEND", set(named), {id(generator)})


# Runtime, interpreter and thread


def chain(first, next_):
    found = []
    while first and len(found) < 100:
        found.append(first)
        first = pointer(first + next_)
    return found


def api(name, *arguments, **kind):
    function = getattr(ctypes.pythonapi, name)
    function.restype = kind.get("restype", ctypes.c_void_p)
    return function(*arguments)


def check_states():
    thread = api("PyThreadState_Get")
    runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    interpreter = api("PyInterpreterState_Head")
    heads = chain(pointer(at(runtime, "runtime.interpreters_head")), ROW["interpreter.next"])
    same("interpreters.head", heads, [interpreter])
    same("initialized", ReadWord.int(at(runtime, "runtime.initialized")).value, 1)
    same("finalizing", pointer(at(runtime, "runtime.finalizing")), 0)
    same("interpreter.id", ReadWord.i64(at(interpreter, "interpreter.id")).value, 0)
    same("modules", pointer(at(interpreter, "interpreter.modules")), id(sys.modules))
    if has("interpreter.jit"):
        jit = getattr(sys, "_jit", None)
        same("jit", ReadWord.u8(at(interpreter, "interpreter.jit")).value, int(jit.is_enabled()))
    threads = chain(pointer(at(interpreter, "interpreter.threads_head")), ROW["thread.next"])
    same("threads.head", thread in threads and len(threads) == 2, True)
    same("thread.prev", [pointer(at(one, "thread.prev")) for one in threads], [0, threads[0]])
    same("thread.interp", pointer(at(thread, "thread.interp")), interpreter)
    same("thread_id", ReadWord.ulong(at(thread, "thread.thread_id")).value, threading.get_ident())
    ids = sorted(ReadWord.i64(at(address, "thread.id")).value for address in threads)
    same("thread.id", ids, [1, 2])
    if MINOR >= 9:
        unique = api("PyThreadState_GetID", ctypes.c_void_p(thread), restype=ctypes.c_uint64)
        same("its id", ReadWord.i64(at(thread, "thread.id")).value, unique)
    if has("thread.frame"):
        same("thread.frame", pointer(at(thread, "thread.frame")) != 0, True)
    if not has("thread.native_thread_id"):
        return
    native = ReadWord.ulong(at(thread, "thread.native_thread_id")).value
    same("native_thread_id", native, threading.get_native_id())
    chunk = pointer(at(thread, "thread.datastack_chunk"))
    size = ReadWord.ssize(at(chunk, "chunk.size")).value
    same("datastack_limit", pointer(at(thread, "thread.datastack_limit")), chunk + size)
    top = pointer(at(thread, "thread.datastack_top"))
    same("datastack_top", at(chunk, "chunk.data") < top <= chunk + size, True)
    same("chunk.previous", pointer(at(chunk, "chunk.previous")), 0)
    same("chunk.top", 0 <= ReadWord.ssize(at(chunk, "chunk.top")).value * WORD <= size, True)


def check_executor():
    """Only code from the JIT runs as an executor: a read from within a hot loop finds it."""
    address = at(api("PyThreadState_Get"), "thread.executor")
    seen = set()
    for _ in range(100000):
        seen.add(pointer(address) != 0)
    jit = getattr(sys, "_jit", None)
    same("current_executor", True in seen, jit is not None and jit.is_enabled())


def check_frame_chain():
    """The frames that lead from the thread are those that Python knows."""
    thread = api("PyThreadState_Get")
    if has("thread.frame"):
        frame = pointer(at(thread, "thread.frame"))
        codes = [pointer(at(f, "frame.code")) for f in chain(frame, ROW["frame.back"])]
    else:
        if has("thread.cframe"):
            frame = pointer(at(pointer(at(thread, "thread.cframe")), "cframe.current_frame"))
        else:
            frame = pointer(at(thread, "thread.current_frame"))
        codes = []
        for f in chain(frame, ROW["iframe.previous"]):
            if ReadWord.i8(at(f, "iframe.owner")).value != ROW["owner_cstack"]:
                codes.append(pointer(at(f, "iframe.executable")) & MASK)
    want = []
    frame = sys._getframe()
    while frame:
        want.append(id(frame.f_code))
        frame = frame.f_back
    # The first frame was read by pointer(), in chain() to 3.10.
    same("the chain of frames", codes[-len(want) :], want)
    same("its length", len(codes) - len(want) <= 2, True)


def check_all():
    check_types()
    check_strings()
    check_integers()
    check_dicts()
    check_instances()
    check_code()
    if MINOR < 11:
        check_heap_frames()
    else:
        check_generator_frames()
    if ROW["resume_slot"]:
        check_resume_slot()
    check_states()
    if has("thread.executor"):
        check_executor()
    list(map(lambda _: check_frame_chain(), [0]))  # With C between.


def main():
    # The main thread waits meanwhile: two threads and two chunks to tell apart.
    failures = []

    def run():
        try:
            check_all()
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    print(COUNT)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
