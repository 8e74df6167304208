/* print_headers: measures a row in the headers that it is compiled with, and writes it.
 *
 * Compiled once per installed CPython and word size by check_rows.py. Cold; no owner but the test.
 *
 * PyDictKeysObject and PyModuleObject are private to CPython's .c files to 3.10
 * (Objects/dict-common.h, Objects/moduleobject.c): no header has them, so the members up to the
 * ones wanted are listed here. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <frameobject.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#if PY_VERSION_HEX < 0x030b0000
#include <code.h>
#include <longintrepr.h>
#else
#include <cpython/longintrepr.h>
#include <internal/pycore_code.h>
#include <internal/pycore_dict.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_moduleobject.h>
#endif
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_genobject.h>
#include <internal/pycore_interpframe_structs.h>
#include <internal/pycore_stackref.h>
#endif

#include "tests/layout/layout_print.h"

#define MINOR(n) (PY_VERSION_HEX >= (0x03000000 | ((n) << 16)))
#define AT(type, member) ((uint32_t)offsetof(type, member))
#define END(type, member) ((uint32_t)(offsetof(type, member) + sizeof(((type *)0)->member)))

#if !MINOR(11)
struct dict_keys {
    Py_ssize_t dk_refcnt;
    Py_ssize_t dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable;
    Py_ssize_t dk_nentries;
    char dk_indices[];
};
struct module {
    PyObject ob_base;
    PyObject *md_dict;
};
#endif

static uint32_t largest(const uint32_t *ends, size_t count) {
    uint32_t result = 0;
    for (size_t i = 0; i < count; ++i) {
        result = ends[i] > result ? ends[i] : result;
    }
    return result;
}
#define LARGEST(...)                                                                               \
    largest((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

/* The lowest bit set in the 32 bits of a string's state: where the compiler put a bit field. */
static uint8_t state_shift(const PyASCIIObject *string) {
    uint32_t state;
    memcpy(&state, &string->state, sizeof state);
    return (uint8_t)__builtin_ctz(state);
}
#define STATE_SHIFT(field, bits)                                                                   \
    __extension__({                                                                                \
        PyASCIIObject string_;                                                                     \
        memset(&string_, 0, sizeof string_);                                                       \
        string_.state.field = (bits);                                                              \
        state_shift(&string_);                                                                     \
    })

static void measure_states(struct py_layout *layout) {
    layout->major = PY_MAJOR_VERSION;
    layout->minor = PY_MINOR_VERSION;
    layout->word_size = sizeof(void *);

    typedef _PyRuntimeState runtime;
    layout->runtime.interpreters_head = AT(runtime, interpreters.head);
    layout->runtime.initialized = AT(runtime, initialized);
#if MINOR(9)
    layout->runtime.finalizing = AT(runtime, _finalizing);
#else
    layout->runtime.finalizing = AT(runtime, finalizing);
#endif
    /* Patch releases of 3.11 and 3.12 differ; from 3.13 on the target tells. */
    layout->runtime.size = MINOR(11) && !MINOR(13) ? LAYOUT_ABSENT : (uint32_t)sizeof(runtime);

    typedef PyInterpreterState interp;
    layout->interpreter.next = AT(interp, next);
    layout->interpreter.id = AT(interp, id);
#if MINOR(12)
    layout->interpreter.modules = AT(interp, imports.modules);
    uint32_t modules_end = END(interp, imports.modules);
#else
    layout->interpreter.modules = AT(interp, modules);
    uint32_t modules_end = END(interp, modules);
#endif
#if MINOR(11)
    layout->interpreter.threads_head = AT(interp, threads.head);
    uint32_t threads_end = END(interp, threads.head);
#else
    layout->interpreter.threads_head = AT(interp, tstate_head);
    uint32_t threads_end = END(interp, tstate_head);
#endif
#if MINOR(14)
    layout->interpreter.jit = AT(interp, jit);
#else
    layout->interpreter.jit = LAYOUT_ABSENT;
#endif
    layout->interpreter.size =
        LARGEST(END(interp, next), END(interp, id), modules_end, threads_end);

    typedef PyThreadState tstate;
    layout->thread.prev = AT(tstate, prev);
    layout->thread.next = AT(tstate, next);
    layout->thread.interp = AT(tstate, interp);
    layout->thread.id = AT(tstate, id);
    layout->thread.thread_id = AT(tstate, thread_id);
    layout->thread.native_thread_id = LAYOUT_ABSENT;
    layout->thread.frame = LAYOUT_ABSENT;
    layout->thread.cframe = LAYOUT_ABSENT;
    layout->thread.current_frame = LAYOUT_ABSENT;
    layout->cframe.current_frame = LAYOUT_ABSENT;
    uint32_t frame_end;
#if MINOR(13)
    layout->thread.current_frame = AT(tstate, current_frame);
    frame_end = END(tstate, current_frame);
#elif MINOR(11)
    layout->thread.cframe = AT(tstate, cframe);
    frame_end = END(tstate, cframe);
    layout->cframe.current_frame = AT(_PyCFrame, current_frame);
#else
    layout->thread.frame = AT(tstate, frame);
    frame_end = END(tstate, frame);
#endif
#if MINOR(11)
    layout->thread.native_thread_id = AT(tstate, native_thread_id);
    layout->thread.datastack_chunk = AT(tstate, datastack_chunk);
    layout->thread.datastack_top = AT(tstate, datastack_top);
    layout->thread.datastack_limit = AT(tstate, datastack_limit);
    layout->chunk.previous = AT(_PyStackChunk, previous);
    layout->chunk.size = AT(_PyStackChunk, size);
    layout->chunk.top = AT(_PyStackChunk, top);
    layout->chunk.data = AT(_PyStackChunk, data);
    uint32_t stack_end = END(tstate, datastack_limit);
    uint32_t native_end = END(tstate, native_thread_id);
#else
    layout->thread.datastack_chunk = LAYOUT_ABSENT;
    layout->thread.datastack_top = LAYOUT_ABSENT;
    layout->thread.datastack_limit = LAYOUT_ABSENT;
    layout->chunk.previous = LAYOUT_ABSENT;
    layout->chunk.size = LAYOUT_ABSENT;
    layout->chunk.top = LAYOUT_ABSENT;
    layout->chunk.data = LAYOUT_ABSENT;
    uint32_t stack_end = 0;
    uint32_t native_end = 0;
#endif
#if MINOR(14)
    layout->thread.executor = AT(tstate, current_executor);
    uint32_t executor_end = END(tstate, current_executor);
#else
    layout->thread.executor = LAYOUT_ABSENT;
    uint32_t executor_end = 0;
#endif
    layout->thread.size =
        LARGEST(END(tstate, next), END(tstate, interp), END(tstate, id), END(tstate, thread_id),
                frame_end, stack_end, native_end, executor_end);
}

static void measure_frames(struct py_layout *layout) {
    layout->tag_mask = 0;
    layout->owner_generator = -1;
    layout->owner_cstack = -1;
    layout->iframe.executable = LAYOUT_ABSENT;
    layout->iframe.func = LAYOUT_ABSENT;
    layout->iframe.previous = LAYOUT_ABSENT;
    layout->iframe.instr = LAYOUT_ABSENT;
    layout->iframe.stacktop = LAYOUT_ABSENT;
    layout->iframe.stackpointer = LAYOUT_ABSENT;
    layout->iframe.is_entry = LAYOUT_ABSENT;
    layout->iframe.return_offset = LAYOUT_ABSENT;
    layout->iframe.owner = LAYOUT_ABSENT;
    layout->iframe.localsplus = LAYOUT_ABSENT;
    layout->frame.back = LAYOUT_ABSENT;
    layout->frame.code = LAYOUT_ABSENT;
    layout->frame.lasti = LAYOUT_ABSENT;
    layout->frame.state = LAYOUT_ABSENT;
    layout->frame.gen = LAYOUT_ABSENT;
    layout->frame.localsplus = LAYOUT_ABSENT;
    layout->generator.frame = LAYOUT_ABSENT;
    layout->generator.iframe = LAYOUT_ABSENT;
    layout->generator.frame_state = LAYOUT_ABSENT;
#if MINOR(11)
    typedef _PyInterpreterFrame iframe;
    layout->owner_generator = FRAME_OWNED_BY_GENERATOR;
    layout->frame_executing = FRAME_EXECUTING;
    layout->iframe.previous = AT(iframe, previous);
    layout->iframe.owner = AT(iframe, owner);
    layout->iframe.localsplus = AT(iframe, localsplus);
    layout->generator.iframe = AT(PyGenObject, gi_iframe);
    layout->generator.frame_state = AT(PyGenObject, gi_frame_state);
#if MINOR(13)
    layout->iframe.executable = AT(iframe, f_executable);
    layout->iframe.instr = AT(iframe, instr_ptr);
#else
    layout->iframe.executable = AT(iframe, f_code);
    layout->iframe.instr = AT(iframe, prev_instr);
#endif
#if MINOR(12)
    layout->iframe.func = AT(iframe, f_funcobj);
    layout->iframe.return_offset = AT(iframe, return_offset);
#else
    layout->iframe.func = AT(iframe, f_func);
    layout->iframe.is_entry = AT(iframe, is_entry);
#endif
#if MINOR(14)
    layout->owner_cstack = FRAME_OWNED_BY_INTERPRETER;
    layout->tag_mask = Py_TAG_BITS;
    layout->iframe.stackpointer = AT(iframe, stackpointer);
#else
#if MINOR(12)
    layout->owner_cstack = FRAME_OWNED_BY_CSTACK;
#endif
    layout->iframe.stacktop = AT(iframe, stacktop);
#endif
#else
    typedef PyFrameObject frame;
    layout->frame.back = AT(frame, f_back);
    layout->frame.code = AT(frame, f_code);
    layout->frame.lasti = AT(frame, f_lasti);
    layout->frame.gen = AT(frame, f_gen);
    layout->frame.localsplus = AT(frame, f_localsplus);
    layout->generator.frame = AT(PyGenObject, gi_frame);
#if MINOR(10)
    layout->frame.state = AT(frame, f_state);
    layout->frame_executing = FRAME_EXECUTING;
#else
    layout->frame.state = AT(frame, f_executing);
    layout->frame_executing = 1; /* a truth value */
#endif
#endif
}

static void measure_code(struct py_layout *layout) {
    typedef PyCodeObject code;
    layout->code.argcount = AT(code, co_argcount);
    layout->code.flags = AT(code, co_flags);
    layout->code.firstlineno = AT(code, co_firstlineno);
    layout->code.stacksize = AT(code, co_stacksize);
    layout->code.nlocalsplus = LAYOUT_ABSENT;
    layout->code.framesize = LAYOUT_ABSENT;
    layout->code.version = LAYOUT_ABSENT;
    layout->code.filename = AT(code, co_filename);
    layout->code.name = AT(code, co_name);
    layout->code.qualname = LAYOUT_ABSENT;
    layout->code.ob_size = LAYOUT_ABSENT;
    layout->code.zombieframe = LAYOUT_ABSENT;
#if MINOR(10)
    layout->code.linetable = AT(code, co_linetable);
#else
    layout->code.linetable = AT(code, co_lnotab);
#endif
    layout->function.code = AT(PyFunctionObject, func_code);
    layout->function.version = LAYOUT_ABSENT;
#if MINOR(12)
    layout->code.framesize = AT(code, co_framesize);
    layout->code.version = AT(code, co_version);
#endif
#if MINOR(11)
    layout->code.nlocalsplus = AT(code, co_nlocalsplus);
    layout->code.qualname = AT(code, co_qualname);
    layout->code.bytecode = AT(code, co_code_adaptive);
    layout->code.ob_size = AT(PyVarObject, ob_size);
    layout->function.version = AT(PyFunctionObject, func_version);
#else
    layout->code.bytecode = AT(code, co_code);
    layout->code.zombieframe = AT(code, co_zombieframe);
#endif
}

static void measure_objects(struct py_layout *layout) {
    layout->object.ob_type = AT(PyObject, ob_type);
    layout->object.size = sizeof(PyObject);
    layout->type.name = AT(PyTypeObject, tp_name);
    layout->type.flags = AT(PyTypeObject, tp_flags);
    layout->type.basicsize = AT(PyTypeObject, tp_basicsize);
    layout->type.dictoffset = AT(PyTypeObject, tp_dictoffset);
    layout->type.cached_keys = AT(PyHeapTypeObject, ht_cached_keys);

    layout->unicode.state = AT(PyASCIIObject, state);
    layout->unicode.length = AT(PyASCIIObject, length);
    layout->unicode.ascii_data = sizeof(PyASCIIObject);
    layout->unicode.compact_data = sizeof(PyCompactUnicodeObject);
    layout->unicode.data_any = AT(PyUnicodeObject, data);
    layout->unicode.kind_shift = STATE_SHIFT(kind, 7);
    layout->unicode.compact_shift = STATE_SHIFT(compact, 1);
    layout->unicode.ascii_shift = STATE_SHIFT(ascii, 1);

    layout->bytes.size = AT(PyVarObject, ob_size);
    layout->bytes.data = AT(PyBytesObject, ob_sval);

    layout->dict.keys = AT(PyDictObject, ma_keys);
    layout->dict.values = AT(PyDictObject, ma_values);
    layout->dict.used = AT(PyDictObject, ma_used);
#if MINOR(11)
    typedef struct _dictkeysobject keys;
    layout->dict_keys.log2_size = AT(keys, dk_log2_size);
    layout->dict_keys.log2_index_bytes = AT(keys, dk_log2_index_bytes);
    layout->dict_keys.kind = AT(keys, dk_kind);
    layout->dict_keys.size_is_log2 = true;
    layout->managed_dict.values_data = AT(struct _dictvalues, values);
    layout->module.dict = AT(PyModuleObject, md_dict);
#else
    typedef struct dict_keys keys;
    layout->dict_keys.log2_size = AT(keys, dk_size);
    layout->dict_keys.log2_index_bytes = LAYOUT_ABSENT;
    layout->dict_keys.kind = LAYOUT_ABSENT;
    layout->dict_keys.size_is_log2 = false;
    layout->managed_dict.values_data = LAYOUT_ABSENT;
    layout->module.dict = AT(struct module, md_dict);
#endif
    layout->dict_keys.nentries = AT(keys, dk_nentries);
    layout->dict_keys.indices = AT(keys, dk_indices);

#if MINOR(12)
    layout->integer.ob_size_or_tag = AT(PyLongObject, long_value.lv_tag);
    layout->integer.digits = AT(PyLongObject, long_value.ob_digit);
    layout->integer.has_tag = true;
#else
    layout->integer.ob_size_or_tag = AT(PyVarObject, ob_size);
    layout->integer.digits = AT(PyLongObject, ob_digit);
    layout->integer.has_tag = false;
#endif
    layout->integer.digit_bits = PyLong_SHIFT;
}

/* The bit of a thread state's status that `active` is. */
static uint32_t active_bit(void) {
#if MINOR(12)
    PyThreadState state;
    uint32_t status;
    memset(&state, 0, sizeof state);
    state._status.active = 1;
    memcpy(&status, &state._status, sizeof status);
    return status;
#else
    return 16; /* there is none: the daemon has one number for all */
#endif
}

static void measure_sync(struct sync_layout *sync) {
    sync->gil_size = sizeof(struct _gil_runtime_state);
    sync->status_active = active_bit();
    sync->runtime.gil = LAYOUT_ABSENT;
    sync->runtime.current = LAYOUT_ABSENT;
    sync->interpreter.gil = LAYOUT_ABSENT;
    sync->thread.status = LAYOUT_ABSENT;
#if MINOR(12)
    sync->interpreter.gil = AT(PyInterpreterState, ceval.gil);
    sync->thread.status = AT(PyThreadState, _status);
#else
    sync->runtime.gil = AT(_PyRuntimeState, ceval.gil);
    sync->runtime.current = AT(_PyRuntimeState, gilstate.tstate_current);
#endif
    sync->frame.valuestack = LAYOUT_ABSENT;
    sync->frame.iblock = LAYOUT_ABSENT;
    sync->frame.blockstack = LAYOUT_ABSENT;
    sync->frame.block_size = 0;
    sync->frame.block_level = 0;
    sync->code.exceptiontable = LAYOUT_ABSENT;
#if MINOR(11)
    sync->code.exceptiontable = AT(PyCodeObject, co_exceptiontable);
#else
    sync->frame.valuestack = AT(PyFrameObject, f_valuestack);
    sync->frame.iblock = AT(PyFrameObject, f_iblock);
    sync->frame.blockstack = AT(PyFrameObject, f_blockstack);
    sync->frame.block_size = sizeof(PyTryBlock);
    sync->frame.block_level = AT(PyTryBlock, b_level);
#endif
    sync->builtin.method = AT(PyCFunctionObject, m_ml);
    sync->builtin.self = AT(PyCFunctionObject, m_self);
    sync->method.function = AT(PyMethodObject, im_func);
    sync->method.self = AT(PyMethodObject, im_self);
    sync->descriptor.method = AT(PyMethodDescrObject, d_method);
}

static void measure_values(struct value_layout *values) {
#if MINOR(11)
    values->code.names = AT(PyCodeObject, co_localsplusnames);
    values->code.cells = LAYOUT_ABSENT;
    values->code.free = LAYOUT_ABSENT;
#else
    values->code.names = AT(PyCodeObject, co_varnames);
    values->code.cells = AT(PyCodeObject, co_cellvars);
    values->code.free = AT(PyCodeObject, co_freevars);
#endif
    values->tuple.size = AT(PyVarObject, ob_size);
    values->tuple.items = AT(PyTupleObject, ob_item);
    values->list.size = AT(PyVarObject, ob_size);
    values->list.items = AT(PyListObject, ob_item);
    values->set.used = AT(PySetObject, used);
    values->set.mask = AT(PySetObject, mask);
    values->set.table = AT(PySetObject, table);
    values->cell = AT(PyCellObject, ob_ref);
    values->real = AT(PyFloatObject, ob_fval);
}

int main(void) {
    struct py_layout layout;
    struct sync_layout sync;
    struct value_layout values;
    memset(&layout, 0, sizeof layout);
    measure_states(&layout);
    measure_frames(&layout);
    measure_code(&layout);
    measure_objects(&layout);
    layout_print(stdout, &layout);
    memset(&sync, 0, sizeof sync);
    measure_sync(&sync);
    layout_print_sync(stdout, &sync);
    memset(&values, 0, sizeof values);
    measure_values(&values);
    layout_print_values(stdout, &values);
    (void)printf("# sizeof(PyInterpreterState) is %zu\n", sizeof(PyInterpreterState));
    return 0;
}
