/* made_program: small objects and scripts, made up as files in a folder of their own. */
#ifndef ECHION_TESTS_UNIT_COMMON_MADE_PROGRAM_H
#define ECHION_TESTS_UNIT_COMMON_MADE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum { MADE_MAX = 1024 };

/* What an object is to be: NULL for no interpreter; needed libraries up to the first NULL. */
struct made_object {
    bool narrow; /* 32 bits */
    unsigned machine;
    const char *interpreter;
    const char *needed[4];
};

/* Its bytes; the size of the file. */
size_t made_object(const struct made_object *object, unsigned char out[static MADE_MAX]);

/* Writes a file, executable, in a new folder; its path, which the next call overwrites. */
const char *made_file(const void *bytes, size_t size);
const char *made_script(const char *text);

/* Removes what was made. */
void made_remove(void);

#endif
