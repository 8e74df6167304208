/* layout: where the fields of CPython's structs are, and how one CPython minor behaves, as data.
 *
 * A plain value. One const row per minor and word size stands in rows*.c; from 3.13 on a copy is
 * filled per target from its own _Py_DebugOffsets (debug_offsets.h). A row is owned by whoever
 * holds the copy and never changes while a session runs, so any thread may read it. Read by hot
 * code.
 *
 * Offsets are bytes from the start of the struct named by the member. LAYOUT_ABSENT says that this
 * minor has no such field. A difference of behaviour between minors is a field here, not an #if
 * elsewhere. */
#ifndef ECHION_DAEMON_PYTHON_LAYOUT_H
#define ECHION_DAEMON_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define LAYOUT_ABSENT UINT32_MAX

/* How a thread's frames are laid out and told from dead ones (SAMPLING.md). */
enum frame_model {
    FRAME_MODEL_HEAP_CHAIN,      /* to 3.10: PyFrameObject on the heap, linked by f_back */
    FRAME_MODEL_STACKTOP,        /* 3.11-3.13: datastack; stacktop is -1 while a frame executes */
    FRAME_MODEL_EXECUTABLE_NULL, /* 3.14 on: datastack; a popped frame's f_executable is cleared */
};

enum line_format {
    LINE_FORMAT_LNOTAB, /* to 3.9: co_lnotab, pairs of byte and line deltas */
    LINE_FORMAT_PEP626, /* 3.10: co_linetable, pairs with -128 for "no line" */
    LINE_FORMAT_PEP657, /* 3.11 on: co_linetable, location entries with columns */
};

struct py_layout {
    uint8_t major;     /* 3 */
    uint8_t minor;     /* 8..15 */
    uint8_t word_size; /* bytes in a pointer of the target: 4 or 8 */

    enum frame_model frame_model;
    enum line_format line_format;
    /* The instruction field of a frame holds: */
    bool instr_is_index;    /* to 3.10: an index (f_lasti), not an address */
    uint8_t instr_scale;    /* bytes per unit of that index: 1 to 3.9, 2 from 3.10 on (code unit) */
    bool instr_is_prev;     /* 3.11, 3.12: prev_instr, the unit before the next instruction */
    uint8_t tag_mask;       /* bits of a _PyStackRef that are not part of the pointer: 0 to 3.13 */
    int8_t owner_generator; /* FRAME_OWNED_BY_GENERATOR; 1 from 3.11 on, -1 before */
    int8_t owner_cstack; /* FRAME_OWNED_BY_CSTACK, _INTERPRETER: an entry frame, which lies on the C
                          * stack; -1 if none (to 3.11) */
    uint8_t resume_slot; /* 3.12 on: words from stacktop or stackpointer down to the generator that
                          * a frame suspended in FOR_ITER or SEND resumes; 0 where there is none */
    int8_t frame_executing; /* gi_frame_state or f_state value that says "running" */
    int8_t frame_unwinding; /* to 3.10: f_state value that says "running, looking for a handler";
                             * the same as frame_executing where there is none */

    struct {
        uint32_t interpreters_head;
        uint32_t finalizing; /* PyThreadState * or NULL */
        uint32_t initialized;
        uint32_t size; /* sizeof(_PyRuntimeState); LAYOUT_ABSENT where patches differ */
    } runtime;

    struct {
        uint32_t next;
        uint32_t id; /* int64_t */
        uint32_t threads_head;
        uint32_t modules; /* the sys.modules dict: modules, from 3.12 on imports.modules */
        uint32_t jit;  /* bool: machine code may be generated. LAYOUT_ABSENT where there is no such
                        * field, or nothing tells its place in this patch release. Behind `size`. */
        uint32_t size; /* bytes to read to have all of the above but jit */
    } interpreter;

    struct {
        uint32_t prev; /* NULL in the head of the list */
        uint32_t next;
        uint32_t interp;
        uint32_t id;               /* uint64_t, unique among the interpreter's thread states */
        uint32_t thread_id;        /* unsigned long: pthread_t */
        uint32_t native_thread_id; /* unsigned long, from 3.11 on */
        uint32_t frame;            /* PyFrameObject *, to 3.10 */
        uint32_t cframe;           /* _PyCFrame *, 3.11 and 3.12 */
        uint32_t current_frame;    /* _PyInterpreterFrame *, from 3.13 on */
        uint32_t datastack_chunk;
        uint32_t datastack_top;
        uint32_t datastack_limit;
        uint32_t executor; /* current_executor, from 3.14 on: not NULL while the JIT's code runs */
        uint32_t size;     /* bytes to read to have all of the above */
    } thread;

    struct {
        uint32_t current_frame; /* _PyCFrame.current_frame, 3.11 and 3.12 */
    } cframe;

    struct {
        uint32_t previous;
        uint32_t size; /* bytes in the chunk, header included */
        uint32_t top;  /* words in use when the chunk is not the last one */
        uint32_t data;
    } chunk; /* _PyStackChunk */

    struct {
        uint32_t executable; /* f_code, from 3.13 on f_executable */
        uint32_t func;       /* f_func, f_funcobj */
        uint32_t previous;
        uint32_t instr;        /* prev_instr or instr_ptr */
        uint32_t stacktop;     /* int, 3.11-3.13 */
        uint32_t stackpointer; /* pointer, from 3.14 on */
        uint32_t is_entry;     /* bool, 3.11 */
        uint32_t return_offset;
        uint32_t owner;
        uint32_t localsplus; /* also FRAME_SPECIALS_SIZE in bytes */
    } iframe;                /* _PyInterpreterFrame, from 3.11 on */

    struct {
        uint32_t back;
        uint32_t code;
        uint32_t lasti; /* int */
        uint32_t state; /* char: f_executing (3.8, 3.9) or f_state (3.10) */
        uint32_t gen;   /* borrowed generator or NULL */
        uint32_t localsplus;
    } frame; /* PyFrameObject, to 3.10 */

    struct {
        uint32_t argcount;
        uint32_t flags;
        uint32_t firstlineno;
        uint32_t stacksize;
        uint32_t nlocalsplus; /* from 3.11 on */
        uint32_t framesize;   /* words, from 3.12 on; 3.11 computes it */
        uint32_t version;     /* co_version, from 3.12 on, unique per code object; absent before */
        uint32_t filename;
        uint32_t name;
        uint32_t qualname;  /* from 3.11 on */
        uint32_t linetable; /* co_lnotab to 3.9 */
        uint32_t bytecode;  /* to 3.10 co_code, a bytes object; from 3.11 on the units themselves */
        uint32_t ob_size;   /* from 3.11 on: number of code units (Py_SIZE) */
        uint32_t zombieframe; /* to 3.10 */
    } code;

    struct {
        uint32_t code;    /* func_code */
        uint32_t version; /* func_version, uint32_t, from 3.11 on (3.8-3.10: absent) */
    } function;

    struct {
        uint32_t frame;       /* gi_frame, PyFrameObject *, to 3.10 */
        uint32_t iframe;      /* gi_iframe, inside the object, from 3.11 on */
        uint32_t frame_state; /* gi_frame_state, char, from 3.11 on */
    } generator;              /* the same for coroutines and async generators */

    struct {
        uint32_t ob_type;
        uint32_t size; /* sizeof(PyObject) */
    } object;

    struct {
        uint32_t name;  /* tp_name, char * */
        uint32_t flags; /* tp_flags, unsigned long */
        uint32_t basicsize;
        uint32_t dictoffset;
        uint32_t cached_keys; /* ht_cached_keys of a heap type */
    } type;

    struct {
        uint32_t state;        /* 32 bits: interned, kind, compact, ascii */
        uint32_t length;       /* code points */
        uint32_t ascii_data;   /* sizeof(PyASCIIObject) */
        uint32_t compact_data; /* sizeof(PyCompactUnicodeObject) */
        uint32_t data_any;     /* PyUnicodeObject.data, for strings that are not compact */
        uint8_t kind_shift;    /* of the three kind bits in `state` */
        uint8_t compact_shift;
        uint8_t ascii_shift;
    } unicode;

    struct {
        uint32_t size; /* ob_size */
        uint32_t data; /* ob_sval */
    } bytes;

    struct {
        uint32_t keys;   /* ma_keys */
        uint32_t values; /* ma_values */
        uint32_t used;
    } dict;

    struct {
        uint32_t log2_size; /* uint8_t; to 3.10 dk_size, a Py_ssize_t, stands there instead */
        uint32_t log2_index_bytes; /* uint8_t, from 3.11 on */
        uint32_t kind;             /* uint8_t, from 3.11 on: 0 general, 1 all str, 2 split */
        uint32_t nentries;         /* Py_ssize_t */
        uint32_t indices;          /* start of dk_indices */
        bool size_is_log2;
    } dict_keys;

    struct {
        uint32_t dict; /* md_dict */
    } module;

    struct {
        uint32_t ob_size_or_tag; /* ob_size to 3.11, lv_tag from 3.12 on */
        uint32_t digits;
        bool has_tag;       /* 3.12 on: lv_tag holds the number of digits << 3, and flags */
        uint8_t digit_bits; /* 30 in a uint32_t, or 15 in a uint16_t: 32-bit builds to 3.10 */
    } integer;              /* PyLongObject */

    /* Where an instance keeps its attributes:
     * to 3.10 a dict at tp_dictoffset; 3.11: PyDictValues * at -4 words and dict * at -3 words;
     * 3.12: one word at -3 words, a dict * or (low bit set) one less than a PyDictValues *;
     * 3.13 on: dict * at -3 words, and inline values after the object when
     * Py_TPFLAGS_INLINE_VALUES. */
    struct {
        int32_t dict_words;   /* pre-header dict pointer, in words from the object; 0 if none */
        int32_t values_words; /* pre-header values pointer, in words; 0 if none */
        bool values_tagged;   /* 3.12: the dict word is values - 1 when its low bit is set */
        bool values_inline;   /* 3.13 on: the values follow the object at tp_basicsize */
        uint32_t values_data; /* offset of PyDictValues.values[0] */
    } managed_dict;
};

/* The row for a CPython minor and a word size; NULL if there is none. Static storage. */
const struct py_layout *layout_find(unsigned major, unsigned minor, unsigned word_size);

#endif
