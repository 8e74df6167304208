/* opcodes_rows: the tables behind opcode_table_find(), one file each. For opcodes*.c only. */
#ifndef ECHION_DAEMON_DECODE_OPCODES_ROWS_H
#define ECHION_DAEMON_DECODE_OPCODES_ROWS_H

#include "daemon/decode/opcodes.h"

extern const struct opcode_table opcode_table_308;
extern const struct opcode_table opcode_table_309;
extern const struct opcode_table opcode_table_310;
extern const struct opcode_table opcode_table_311;
extern const struct opcode_table opcode_table_312;
extern const struct opcode_table opcode_table_313;
extern const struct opcode_table opcode_table_314;
extern const struct opcode_table opcode_table_315;

#endif
