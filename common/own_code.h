/* own_code: how the Python code that we have a target run is known again, so that it shows in no
 * profile. A constant; depends on nothing.
 *
 * CPython gives code that is run from a string the file name "<string>" and the name "<module>",
 * as it does with a program's own. What tells ours is the depth of its stack: the text has an
 * expression that is never evaluated and would take exactly so much, which hardly any code of a
 * whole module does (co_stacksize; the same number from 3.8 to 3.15). */
#ifndef ECHION_COMMON_OWN_CODE_H
#define ECHION_COMMON_OWN_CODE_H

#define OWN_CODE_FILE "<string>"
#define OWN_CODE_NAME "<module>"

enum { OWN_CODE_STACK = 97 };

#endif
