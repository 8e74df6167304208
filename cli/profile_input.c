#include "cli/profile_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY_FIRST = 256 * 1024 };

enum status profile_input_open(struct profile_input *input, int fd) {
    char *buffer = malloc(CAPACITY_FIRST);
    if (buffer == NULL) {
        return STATUS_NOMEM;
    }
    *input = (struct profile_input){
        .fd = fd, .data = buffer, .buffer = buffer, .capacity = CAPACITY_FIRST};
    return STATUS_OK;
}

void profile_input_close(struct profile_input *input) {
    free(input->buffer);
    *input = (struct profile_input){.fd = -1, .ended = true};
}

void profile_input_over(struct profile_input *input, const void *bytes, size_t size) {
    *input = (struct profile_input){.fd = -1, .data = bytes, .end = size, .ended = true};
}

/* Moves what is left to the front and reads more behind it. The buffer grows when it is full. */
static void fill(struct profile_input *input) {
    if (input->at > 0) {
        memmove(input->buffer, input->buffer + input->at, input->end - input->at);
        input->before += input->at;
        input->end -= input->at;
        input->at = 0;
    }
    if (input->end == input->capacity && input->capacity > 0) {
        char *buffer = realloc(input->buffer, input->capacity * 2);
        if (buffer == NULL) {
            input->error_number = ENOMEM;
            input->ended = true;
            return;
        }
        input->buffer = buffer;
        input->data = buffer;
        input->capacity *= 2;
    }
    ssize_t count;
    do {
        count = read(input->fd, input->buffer + input->end, input->capacity - input->end);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        input->end += (size_t)count;
        return;
    }
    input->error_number = count < 0 ? errno : 0;
    input->ended = true;
}

size_t profile_input_need(struct profile_input *input, size_t count) {
    while (input->end - input->at < count && !input->ended) {
        fill(input);
    }
    return input->end - input->at;
}

enum status profile_input_until(struct profile_input *input, char stop, const char **piece,
                                size_t *size) {
    size_t searched = 0;
    for (;;) {
        size_t left = input->end - input->at;
        const char *start = left > 0 ? input->data + input->at : "";
        const char *found =
            left > searched ? memchr(start + searched, stop, left - searched) : NULL;
        if (found != NULL) {
            *piece = start;
            *size = (size_t)(found - start);
            input->at += *size + 1;
            return STATUS_OK;
        }
        searched = left;
        if (input->ended) {
            return STATUS_ABSENT;
        }
        if (left >= PROFILE_INPUT_PIECE_MAX) {
            return STATUS_CORRUPT;
        }
        (void)profile_input_need(input, left + 1);
    }
}
