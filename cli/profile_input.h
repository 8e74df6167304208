/* profile_input: a buffered stream of bytes from a file, a pipe or memory. Owned by whoever reads a
 * profile; one thread. The descriptor stays the caller's. */
#ifndef ECHION_CLI_PROFILE_INPUT_H
#define ECHION_CLI_PROFILE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

/* The longest line or string that is taken; what is longer is no profile. */
enum { PROFILE_INPUT_PIECE_MAX = 16 * 1024 * 1024 };

struct profile_input {
    int fd;           /* -1: memory only */
    const char *data; /* bytes [at, end) are read and not used yet */
    size_t at, end;
    uint64_t before;  /* bytes in front of `data` */
    char *buffer;     /* NULL for memory */
    size_t capacity;  /* of `buffer` */
    int error_number; /* errno of a failed read, else 0 */
    bool ended;       /* nothing follows `end` */
};

/* STATUS_NOMEM, or OK. */
STATUS_CHECKED enum status profile_input_open(struct profile_input *input, int fd);
void profile_input_close(struct profile_input *input);

/* The bytes stay the caller's and must outlive the input. */
void profile_input_over(struct profile_input *input, const void *bytes, size_t size);

/* Reads until at least `count` bytes are at hand, and says how many are: fewer only at the end. */
size_t profile_input_need(struct profile_input *input, size_t count);

/* The bytes up to `stop`, which is used up and not counted in `*size`. Valid until the next call.
 * ABSENT when the input ends before it (nothing is used up), CORRUPT beyond
 * PROFILE_INPUT_PIECE_MAX. */
STATUS_CHECKED enum status profile_input_until(struct profile_input *input, char stop,
                                               const char **piece, size_t *size);

/* The next byte, -1 at the end. */
static inline int profile_input_byte(struct profile_input *input) {
    if (input->at == input->end && profile_input_need(input, 1) == 0) {
        return -1;
    }
    return (unsigned char)input->data[input->at++];
}

/* Bytes used up so far. */
static inline uint64_t profile_input_offset(const struct profile_input *input) {
    return input->before + input->at;
}

#endif
