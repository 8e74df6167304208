"""What each CPython instruction can do, by name: the judgement behind the flags in
daemon/decode/opcodes_*.c.

Read off Python/ceval.c (to 3.11), Python/bytecodes.c and Python/generated_cases.c.h (from 3.12 on),
and, for 3.14 and 3.15, the _PyOpcode_macro_expansion of Include/internal/pycore_opcode_metadata.h.
A plain instruction is listed exactly once; specialised and INSTRUMENTED_ forms follow their family.
A name that is listed nowhere is reported: whoever adds a Python version reads what it does and puts
it in its place.
"""

# Flags in the order in which they are printed.
FLAGS = [
    "OP_RETURN",
    "OP_RETURN_GENERATOR",
    "OP_YIELD",
    "OP_INLINE_CALL",
    "OP_CAN_CALL",
    "OP_DEL_ONLY",
    "OP_GENERATOR_RESUME",
    "OP_HIDDEN",
    "OP_VERSIONED_CALL",
    "OP_UNJUDGED_CALL",
]


def words(text):
    return frozenset(text.split())


# Run no Python code at all, not even a finaliser: they drop no reference and allocate nothing that
# the garbage collector counts.
NEVER = words("""
    CACHE NOP RESERVED EXTENDED_ARG PUSH_NULL KW_NAMES NOT_TAKEN LOAD_CONST LOAD_SMALL_INT
    LOAD_COMMON_CONSTANT LOAD_ASSERTION_ERROR LOAD_LOCALS LOAD_FAST LOAD_FAST_CHECK
    LOAD_FAST_AND_CLEAR LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW
    LOAD_CLOSURE LOAD_DEREF COPY_FREE_VARS COPY SWAP ROT_TWO ROT_THREE ROT_FOUR ROT_N DUP_TOP
    DUP_TOP_TWO JUMP_FORWARD JUMP_BACKWARD_NO_INTERRUPT SETUP_FINALLY SETUP_ASYNC_WITH POP_BLOCK
    BEGIN_FINALLY CALL_FINALLY PUSH_EXC_INFO MATCH_MAPPING MATCH_SEQUENCE SET_FUNCTION_ATTRIBUTE
    INTERPRETER_EXIT
""")

# Run Python code by chance only: they drop references, allocate (to 3.11 that starts the garbage
# collector), handle signals, or look a name up in globals, which may be a strange subclass of dict.
CHANCE = words("""
    POP_TOP STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST DELETE_FAST STORE_DEREF
    DELETE_DEREF LOAD_GLOBAL STORE_GLOBAL DELETE_GLOBAL LOAD_BUILD_CLASS POP_EXCEPT RERAISE
    END_FOR END_SEND POP_ITER END_ASYNC_FOR END_FINALLY POP_FINALLY CLEANUP_THROW
    EXIT_INIT_CHECK GEN_START RESUME JUMP_BACKWARD JUMP_ABSOLUTE IS_OP POP_JUMP_IF_NONE
    POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE
    POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE MAKE_CELL MAKE_FUNCTION BUILD_TUPLE
    BUILD_LIST BUILD_SLICE BUILD_STRING BUILD_INTERPOLATION BUILD_TEMPLATE LIST_APPEND
    LIST_TO_TUPLE ASYNC_GEN_WRAP
""")

# Run Python code in the ordinary course of things: special methods, descriptors, hashes and
# comparisons of keys, namespaces of classes, imports, calls.
CALLS = words("""
    UNARY_POSITIVE UNARY_NEGATIVE UNARY_INVERT TO_BOOL BINARY_OP BINARY_POWER BINARY_MULTIPLY
    BINARY_MATRIX_MULTIPLY BINARY_MODULO BINARY_ADD BINARY_SUBTRACT BINARY_SUBSCR BINARY_SLICE
    BINARY_FLOOR_DIVIDE BINARY_TRUE_DIVIDE BINARY_LSHIFT BINARY_RSHIFT BINARY_AND BINARY_XOR
    BINARY_OR INPLACE_POWER INPLACE_MULTIPLY INPLACE_MATRIX_MULTIPLY INPLACE_MODULO INPLACE_ADD
    INPLACE_SUBTRACT INPLACE_FLOOR_DIVIDE INPLACE_TRUE_DIVIDE INPLACE_LSHIFT INPLACE_RSHIFT
    INPLACE_AND INPLACE_XOR INPLACE_OR STORE_SUBSCR DELETE_SUBSCR STORE_SLICE COMPARE_OP
    CONTAINS_OP LOAD_NAME STORE_NAME DELETE_NAME SETUP_ANNOTATIONS LOAD_CLASSDEREF
    LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS LOAD_ATTR STORE_ATTR DELETE_ATTR
    LOAD_METHOD LOAD_SUPER_ATTR LOAD_SPECIAL GET_ITER GET_YIELD_FROM_ITER GET_AITER GET_ANEXT
    GET_AWAITABLE FOR_ITER SEND YIELD_FROM UNPACK_SEQUENCE UNPACK_EX GET_LEN MATCH_CLASS
    MATCH_KEYS COPY_DICT_WITHOUT_KEYS BUILD_SET BUILD_MAP BUILD_CONST_KEY_MAP BUILD_LIST_UNPACK
    BUILD_TUPLE_UNPACK BUILD_SET_UNPACK BUILD_MAP_UNPACK BUILD_TUPLE_UNPACK_WITH_CALL
    BUILD_MAP_UNPACK_WITH_CALL SET_ADD MAP_ADD LIST_EXTEND SET_UPDATE DICT_MERGE DICT_UPDATE
    FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE PRINT_EXPR IMPORT_NAME IMPORT_FROM
    IMPORT_STAR BEFORE_WITH BEFORE_ASYNC_WITH SETUP_WITH WITH_EXCEPT_START WITH_CLEANUP_START
    WITH_CLEANUP_FINISH RAISE_VARARGS CHECK_EXC_MATCH CHECK_EG_MATCH JUMP_IF_NOT_EXC_MATCH
    PREP_RERAISE_STAR CALL_FUNCTION CALL_FUNCTION_KW CALL_METHOD CALL_FUNCTION_EX PRECALL CALL
    CALL_KW CALL_INTRINSIC_1 CALL_INTRINSIC_2 JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP
    POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE
    POP_JUMP_BACKWARD_IF_TRUE
""")

# Truth tests: they call __bool__ and __len__ to 3.12; from 3.13 on TO_BOOL has done that before.
TRUTH_TESTS = words("UNARY_NOT POP_JUMP_IF_FALSE POP_JUMP_IF_TRUE")

# The ends of a frame's run. Its references are dropped when the caller is the current frame again.
RETURNS = words("RETURN_VALUE RETURN_CONST")
ENDS = words("RETURN_GENERATOR YIELD_VALUE") | RETURNS

GENERATOR_RESUMES = words("FOR_ITER SEND YIELD_FROM")
HIDDEN = words("INSTRUMENTED_LINE INSTRUMENTED_INSTRUCTION ENTER_EXECUTOR TRACE_RECORD")

# Families that push a frame and go on in the same C frame (DISPATCH_INLINED, _PUSH_FRAME), by first
# and last minor.
INLINE_CALLS = {
    "CALL": (11, 99),
    "BINARY_SUBSCR": (11, 99),  # __getitem__
    "LOAD_ATTR": (12, 99),  # properties, __getattribute__
    "FOR_ITER": (12, 99),
    "SEND": (12, 99),
    "CALL_FUNCTION_EX": (12, 99),
    "CALL_KW": (13, 99),
    "BINARY_OP": (14, 99),  # took over from BINARY_SUBSCR
}

VERSIONED_CALLS = words("""
    CALL_PY_EXACT_ARGS CALL_PY_WITH_DEFAULTS CALL_PY_GENERAL CALL_BOUND_METHOD_EXACT_ARGS
    CALL_BOUND_METHOD_GENERAL CALL_KW_PY CALL_KW_BOUND_METHOD
""")

UNJUDGED_CALLS = words("""
    CALL CALL_ADAPTIVE CALL_KW CALL_FUNCTION_EX CALL_EX_PY LOAD_ATTR_PROPERTY
    LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN BINARY_SUBSCR_GETITEM BINARY_OP_SUBSCR_GETITEM SEND
    SEND_ADAPTIVE SEND_GEN
""")


class Unknown(Exception):
    pass


def flags_of(minor, name, base):
    """The set of flags of instruction `name`, whose plain form is `base`, in CPython 3.`minor`."""
    if name in HIDDEN:
        return {
            "OP_HIDDEN",
            "OP_INLINE_CALL",
            "OP_CAN_CALL",
            "OP_GENERATOR_RESUME",
            "OP_UNJUDGED_CALL",
        }
    places = [group for group in (NEVER, CHANCE, CALLS, TRUTH_TESTS, ENDS) if base in group]
    if len(places) != 1:
        raise Unknown("%s: listed %d times in tests/opcodes/classes.py" % (base, len(places)))
    flags = set()
    if base in CALLS or (base in TRUTH_TESTS and minor <= 12):
        flags |= {"OP_CAN_CALL"}
    elif base in CHANCE or base == "RETURN_GENERATOR":
        flags |= {"OP_CAN_CALL", "OP_DEL_ONLY"}
    if base in RETURNS:
        flags |= {"OP_RETURN"}
    if base == "RETURN_GENERATOR":
        flags |= {"OP_RETURN_GENERATOR"}
    if base in ("YIELD_VALUE", "YIELD_FROM"):
        flags |= {"OP_YIELD"}
    if base in GENERATOR_RESUMES:
        flags |= {"OP_GENERATOR_RESUME"}
    first, last = INLINE_CALLS.get(base, (99, 0))
    if first <= minor <= last:
        flags |= {"OP_INLINE_CALL"}
        plain = name[len("INSTRUMENTED_") :] if name.startswith("INSTRUMENTED_") else name
        if name in VERSIONED_CALLS:
            flags |= {"OP_VERSIONED_CALL"}
        if plain in UNJUDGED_CALLS:
            flags |= {"OP_UNJUDGED_CALL"}
    return flags
