"""truth: records every caller-callee pair that a program really makes.

One recorder per process, started before the workload's threads and stopped after it. From 3.12 on it
listens to sys.monitoring (start, resume and throw of every Python function, generators included), before
that to the interpreter's profile hook; not by sys.setprofile, which copies the locals of every frame into
a dictionary and so keeps objects alive: `__del__` would run elsewhere (Python/sysmodule.c 3.8-3.11,
call_trampoline). A generator's caller is whoever resumes it; that of a function called from C is the
Python function below the C code; that of `__del__` is whoever was executing. From 3.11 on the caller of
a generator function is also the caller of its body for the moment in which the generator is made.

This module's own frames are never part of what it records.
"""

import dis
import json
import os
import sys
import threading

MONITORING = sys.version_info >= (3, 12)
CREATION_HAS_A_FRAME = sys.version_info >= (3, 11)
PROFILE_CALL = 0  # PyTrace_CALL
GENERATOR_FLAGS = 0x20 | 0x80 | 0x100 | 0x200  # generator, coroutine, iterable coroutine, async generator


def function_name(code):
    """The name that a profiler shows: qualified from 3.11 on."""
    return getattr(code, "co_qualname", code.co_name)


def function_key(code):
    return os.path.basename(code.co_filename) + ":" + function_name(code)


def code_lines(code):
    """Every line that an instruction of `code` has; 0 stands for none."""
    lines = {line or 0 for _, line in dis.findlinestarts(code)}
    lines.add(code.co_firstlineno)
    if hasattr(code, "co_lines"):
        lines.update(line or 0 for _, _, line in code.co_lines())
    return lines


class Recorder:
    def __init__(self, declared_creations=()):
        self.pairs = {}  # (caller, callee) -> lines of the caller at which it was seen
        self.lines = {}  # function -> its lines
        self.roots = set()
        self.resumed = set()  # pairs seen at a start, a resume or a throw
        self.created = set()  # pairs seen at the making of a generator
        self.declared = set(declared_creations)
        self.seen = set()

    def start(self):
        self.see_stack(sys._getframe(1))
        if MONITORING:
            self.start_monitoring()
        else:
            import ctypes

            hook_type = ctypes.PYFUNCTYPE(
                ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.c_int, ctypes.c_void_p
            )
            self.hook = hook_type(self.on_profile)
            self.set_hook = ctypes.pythonapi.PyEval_SetProfile
            self.set_hook.argtypes = [hook_type, ctypes.py_object]
            self.set_hook.restype = None
            threading.setprofile(self.on_thread)
            self.set_hook(self.hook, None)

    def start_monitoring(self):
        monitoring = sys.monitoring
        events = monitoring.events
        monitoring.use_tool_id(monitoring.PROFILER_ID, "truth")
        for event in (events.PY_START, events.PY_RESUME, events.PY_THROW):
            monitoring.register_callback(monitoring.PROFILER_ID, event, self.on_entry)
        monitoring.register_callback(monitoring.PROFILER_ID, events.CALL, self.on_call)
        monitoring.set_events(
            monitoring.PROFILER_ID,
            events.PY_START | events.PY_RESUME | events.PY_THROW | events.CALL,
        )

    def stop(self):
        if MONITORING:
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
            sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        else:
            sys.setprofile(None)
            threading.setprofile(None)
        self.check_creations()

    def check_creations(self):
        """A workload declares where it makes a generator that somebody else resumes, because 3.11
        has no event for that, and 3.12 none for f(*args). Later ones prove the declaration right."""
        elsewhere = self.created - self.resumed
        unseen = self.declared - elsewhere if sys.version_info >= (3, 13) else set()
        if MONITORING and (unseen or elsewhere - self.declared):
            raise SystemExit(
                "truth: generators made where they are not resumed: %s, declared: %s"
                % (sorted(elsewhere), sorted(self.declared))
            )
        if CREATION_HAS_A_FRAME:
            for pair in self.declared:
                self.pairs.setdefault(pair, set())

    def on_thread(self, frame, _event, _argument):
        """The first event of a new thread."""
        self.set_hook(self.hook, None)
        self.see_stack(frame)

    def on_profile(self, _self, frame, event, _argument):
        if event == PROFILE_CALL:
            self.see_entry(frame)
        return 0

    def on_entry(self, _code, *_):
        self.see_entry(sys._getframe(1))

    def on_call(self, _code, _offset, function, _argument):
        function = getattr(function, "__func__", function)
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & GENERATOR_FLAGS:
            frame = sys._getframe(1)
            self.created.add((function_key(frame.f_code), function_key(code)))
            self.see_pair(frame, code)

    def see_entry(self, frame):
        if frame.f_code.co_filename == __file__:
            return
        caller = frame.f_back
        if caller is None:
            self.see_stack(frame)
            return
        code = frame.f_code
        key = (
            caller.f_code.co_filename, function_name(caller.f_code), caller.f_lineno,
            code.co_filename, function_name(code),
        )
        if key not in self.seen:
            self.seen.add(key)
            self.resumed.add((function_key(caller.f_code), function_key(code)))
            self.see_stack(frame)

    def see_stack(self, frame):
        while frame.f_back is not None:
            self.see_pair(frame.f_back, frame.f_code)
            frame = frame.f_back
        self.see_function(frame.f_code)
        self.roots.add(function_key(frame.f_code))

    def see_pair(self, caller, callee_code):
        pair = (function_key(caller.f_code), function_key(callee_code))
        self.see_function(callee_code)
        self.pairs.setdefault(pair, set()).add(caller.f_lineno or 0)

    def see_function(self, code):
        key = function_key(code)
        self.lines.setdefault(key, set()).update(code_lines(code))

    def write(self, path, workload):
        """`pairs` holds caller, callee and the caller's lines; no lines: not known at which."""
        document = {
            "python": "%d.%d.%d" % sys.version_info[:3],
            "workload": workload,
            "roots": sorted(self.roots),
            "pairs": [[a, b, sorted(lines)] for (a, b), lines in sorted(self.pairs.items())],
            "lines": {key: sorted(lines) for key, lines in sorted(self.lines.items())},
        }
        with open(path, "w") as out:
            json.dump(document, out)
            out.write("\n")
