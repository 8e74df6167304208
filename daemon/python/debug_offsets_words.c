/* The order of the words: Include/internal/pycore_runtime.h of 3.13.0 and 3.13.18, and
 * Include/internal/pycore_debug_offsets.h of 3.14.0, 3.14.10 and 3.15.2. It does not change within
 * a minor once that is released ("only guaranteed to be stable between patch versions"), and
 * tests/layout compares it with the installed headers. */
#include "daemon/python/debug_offsets_words.h"

#include "daemon/python/layout.h"

/* 3.15.2 has a thread state of 888 bytes, and objects up to 900 (a heap type). */
enum { CAP_STATE = WORD_OTHER_MOST, CAP_THREAD = 64 << 10, CAP_OBJECT = 4 << 10 };

/* clang-format off */
#define INTO(member) (uint16_t) offsetof(struct py_layout, member)
#define SIZE(name, most) {name, most, WORD_NOWHERE, WORD_SIZE, WIDTH_END}
#define SIZE_INTO(name, most, member) {name, most, INTO(member), WORD_SIZE, WIDTH_END}
#define TAKEN(name, member, width) {name, 0, INTO(member), WORD_TAKEN, width}
#define SAME(name, member, width) {name, 0, INTO(member), WORD_SAME, width}
#define SEEN(name) {name, 0, WORD_NOWHERE, WORD_SEEN, WIDTH_END}
#define OTHER(name) {name, 0, WORD_NOWHERE, WORD_OTHER, WIDTH_END}

/* Stretches that are the same in every minor so far. */
#define RUNTIME_WORDS                                                                              \
    SIZE_INTO("_PyRuntimeState", CAP_STATE, runtime.size),                                        \
        SAME("finalizing", runtime.finalizing, WIDTH_POINTER),                                     \
        TAKEN("interpreters.head", runtime.interpreters_head, WIDTH_POINTER)
#define INTERPRETER_FIRST_WORDS                                                                    \
    SIZE("PyInterpreterState", CAP_STATE), TAKEN("id", interpreter.id, WIDTH_INT64),               \
        TAKEN("next", interpreter.next, WIDTH_POINTER),                                            \
        TAKEN("threads.head", interpreter.threads_head, WIDTH_POINTER)
#define INTERPRETER_LAST_WORDS                                                                     \
    SEEN("gc"), TAKEN("imports.modules", interpreter.modules, WIDTH_POINTER), SEEN("sysdict"),     \
        SEEN("builtins"), SEEN("ceval.gil"), SEEN("_gil"), SEEN("_gil.enabled"),                   \
        SEEN("_gil.locked"), SEEN("_gil.last_holder")
#define THREAD_FIRST_WORDS                                                                         \
    SIZE("PyThreadState", CAP_THREAD), TAKEN("prev", thread.prev, WIDTH_POINTER),                  \
        TAKEN("next", thread.next, WIDTH_POINTER),                                                 \
        TAKEN("interp", thread.interp, WIDTH_POINTER),                                             \
        TAKEN("current_frame", thread.current_frame, WIDTH_POINTER)
#define THREAD_LAST_WORDS                                                                          \
    TAKEN("thread_id", thread.thread_id, WIDTH_POINTER),                                           \
        TAKEN("native_thread_id", thread.native_thread_id, WIDTH_POINTER),                         \
        TAKEN("datastack_chunk", thread.datastack_chunk, WIDTH_POINTER), SEEN("_status")
#define FRAME_WORDS                                                                                \
    SIZE("_PyInterpreterFrame", CAP_OBJECT), SAME("previous", iframe.previous, WIDTH_POINTER),     \
        SAME("f_executable", iframe.executable, WIDTH_POINTER),                                    \
        SAME("instr_ptr", iframe.instr, WIDTH_POINTER),                                            \
        SAME("localsplus", iframe.localsplus, WIDTH_POINTER),                                      \
        SAME("owner", iframe.owner, WIDTH_BYTE)
#define CODE_WORDS                                                                                 \
    SIZE("PyCodeObject", CAP_OBJECT), SAME("co_filename", code.filename, WIDTH_POINTER),           \
        SAME("co_name", code.name, WIDTH_POINTER),                                                 \
        SAME("co_qualname", code.qualname, WIDTH_POINTER),                                         \
        SAME("co_linetable", code.linetable, WIDTH_POINTER),                                       \
        SAME("co_firstlineno", code.firstlineno, WIDTH_INT),                                       \
        SAME("co_argcount", code.argcount, WIDTH_INT), SEEN("co_localsplusnames"),                 \
        SEEN("co_localspluskinds"), SAME("co_code_adaptive", code.bytecode, WIDTH_BYTE)
#define OBJECT_WORDS                                                                               \
    SIZE_INTO("PyObject", CAP_OBJECT, object.size),                                                \
        SAME("ob_type", object.ob_type, WIDTH_POINTER)
#define TYPE_WORDS                                                                                 \
    SIZE("PyTypeObject", CAP_OBJECT), SAME("tp_name", type.name, WIDTH_POINTER), SEEN("tp_repr"),  \
        SAME("tp_flags", type.flags, WIDTH_POINTER)
#define TUPLE_LIST_WORDS                                                                           \
    SIZE("PyTupleObject", CAP_OBJECT), SEEN("ob_item"), SEEN("ob_size"),                           \
        SIZE("PyListObject", CAP_OBJECT), SEEN("ob_item"), SEEN("ob_size")
#define SET_WORDS SIZE("PySetObject", CAP_OBJECT), SEEN("used"), SEEN("table"), SEEN("mask")
#define DICT_TO_BYTES_WORDS                                                                        \
    SIZE("PyDictObject", CAP_OBJECT), SAME("ma_keys", dict.keys, WIDTH_POINTER),                   \
        SAME("ma_values", dict.values, WIDTH_POINTER), SIZE("PyFloatObject", CAP_OBJECT),          \
        SEEN("ob_fval"), SIZE("PyLongObject", CAP_OBJECT),                                         \
        SAME("lv_tag", integer.ob_size_or_tag, WIDTH_POINTER),                                     \
        SAME("ob_digit", integer.digits, WIDTH_INT), SIZE("PyBytesObject", CAP_OBJECT),            \
        SAME("ob_size", bytes.size, WIDTH_POINTER), SAME("ob_sval", bytes.data, WIDTH_BYTE)
#define UNICODE_WORDS                                                                              \
    SIZE("PyUnicodeObject", CAP_OBJECT), SAME("state", unicode.state, WIDTH_INT),                  \
        SAME("length", unicode.length, WIDTH_POINTER),                                             \
        SAME("sizeof(PyASCIIObject)", unicode.ascii_data, WIDTH_END)
#define GENERATOR_WORDS                                                                            \
    SIZE("PyGenObject", CAP_OBJECT), SEEN("gi_name"),                                              \
        SAME("gi_iframe", generator.iframe, WIDTH_POINTER),                                        \
        SAME("gi_frame_state", generator.frame_state, WIDTH_BYTE)
#define LAST_WORDS                                                                                 \
    OTHER("llist_node.next"), OTHER("llist_node.prev"), OTHER("eval_breaker"),                     \
        OTHER("remote_debugger_support"), OTHER("remote_debugging_enabled"),                       \
        OTHER("debugger_pending_call"), OTHER("debugger_script_path"),                             \
        OTHER("debugger_script_path_size")
/* clang-format on */

static const struct word words_3_13[] = {
    RUNTIME_WORDS,
    INTERPRETER_FIRST_WORDS,
    INTERPRETER_LAST_WORDS,
    THREAD_FIRST_WORDS,
    THREAD_LAST_WORDS,
    FRAME_WORDS,
    CODE_WORDS,
    OBJECT_WORDS,
    TYPE_WORDS,
    TUPLE_LIST_WORDS,
    DICT_TO_BYTES_WORDS,
    UNICODE_WORDS,
    SIZE("_gc_runtime_state", CAP_STATE),
    SEEN("collecting"),
};

static const struct word words_3_14[] = {
    RUNTIME_WORDS,
    INTERPRETER_FIRST_WORDS,
    SEEN("threads.main"),
    INTERPRETER_LAST_WORDS,
    SEEN("_code_object_generation"),
    SEEN("tlbc_generation"),
    THREAD_FIRST_WORDS,
    THREAD_LAST_WORDS,
    FRAME_WORDS,
    SAME("stackpointer", iframe.stackpointer, WIDTH_POINTER),
    SEEN("tlbc_index"),
    CODE_WORDS,
    SEEN("co_tlbc"),
    OBJECT_WORDS,
    TYPE_WORDS,
    TUPLE_LIST_WORDS,
    SET_WORDS,
    DICT_TO_BYTES_WORDS,
    UNICODE_WORDS,
    SIZE("_gc_runtime_state", CAP_STATE),
    SEEN("collecting"),
    GENERATOR_WORDS,
    LAST_WORDS,
};

static const struct word words_3_15[] = {
    RUNTIME_WORDS,
    INTERPRETER_FIRST_WORDS,
    SEEN("threads.main"),
    INTERPRETER_LAST_WORDS,
    SEEN("_code_object_generation"),
    SEEN("tlbc_generation"),
    THREAD_FIRST_WORDS,
    SEEN("base_frame"),
    SEEN("last_profiled_frame"),
    SEEN("last_profiled_frame_seq"),
    THREAD_LAST_WORDS,
    SEEN("holds_gil"),
    SEEN("gil_requested"),
    SEEN("current_exception"),
    SEEN("exc_state"),
    OTHER("exc_value"),
    FRAME_WORDS,
    SAME("stackpointer", iframe.stackpointer, WIDTH_POINTER),
    SEEN("tlbc_index"),
    CODE_WORDS,
    SEEN("co_tlbc"),
    OBJECT_WORDS,
    TYPE_WORDS,
    SAME("tp_basicsize", type.basicsize, WIDTH_POINTER),
    SAME("tp_dictoffset", type.dictoffset, WIDTH_POINTER),
    SIZE("PyHeapTypeObject", CAP_OBJECT),
    SAME("ht_cached_keys", type.cached_keys, WIDTH_POINTER),
    TUPLE_LIST_WORDS,
    SET_WORDS,
    DICT_TO_BYTES_WORDS,
    UNICODE_WORDS,
    SAME("sizeof(PyCompactUnicodeObject)", unicode.compact_data, WIDTH_END),
    SIZE("_gc_runtime_state", CAP_STATE),
    SEEN("collecting"),
    SEEN("frame"),
    OTHER("sizeof(gc_stats)"),
    SEEN("generation_stats"),
    GENERATOR_WORDS,
    LAST_WORDS,
};

#define TABLE(words) ((struct word_table){words, sizeof words / sizeof *words})

struct word_table debug_offsets_words(unsigned minor) {
    switch (minor) {
    case 13:
        return TABLE(words_3_13);
    case 14:
        return TABLE(words_3_14);
    case 15:
        return TABLE(words_3_15);
    default:
        return (struct word_table){NULL, 0};
    }
}
