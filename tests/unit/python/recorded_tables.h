/* recorded_tables: _Py_DebugOffsets as real interpreters carry them (the start of .PyRuntime in
 * Debian's builds). Const data for the tests of this folder. */
#ifndef ECHION_TESTS_UNIT_PYTHON_RECORDED_TABLES_H
#define ECHION_TESTS_UNIT_PYTHON_RECORDED_TABLES_H

#include <stdint.h>

extern const uint64_t recorded_table_3_13_18[73];
extern const uint64_t recorded_table_3_14_10[95];
extern const uint64_t recorded_table_3_14_10_i686[95];
extern const uint64_t recorded_table_3_15_2[111];

#endif
