#include "tests/unit/output/written.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct written written_make(enum output_format format) {
    struct written written = {.writer = NULL};
    struct error error;
    int fd = memfd_create("profile", 0);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    written.look = open(path, O_RDONLY);
    cr_assert_geq(written.look, 0);
    cr_assert_eq(writer_create(format, fd, &written.writer, &error), STATUS_OK);
    return written;
}

char *written_contents(struct written *written, size_t *size) {
    struct error error;
    cr_assert_eq(writer_flush(written->writer, &error), STATUS_OK);
    struct stat info;
    cr_assert_eq(fstat(written->look, &info), 0);
    *size = (size_t)info.st_size;
    char *text = calloc(1, *size + 1);
    cr_assert_not_null(text);
    cr_assert_eq(pread(written->look, text, *size, 0), (ssize_t)*size);
    return text;
}

void written_end(struct written *written) {
    struct error error;
    cr_assert_eq(writer_finish(written->writer, &error), STATUS_OK);
    writer_destroy(written->writer);
    close(written->look);
}

struct batch *written_batch(enum output_format format) {
    struct batch *batch = NULL;
    cr_assert_eq(batch_create(output_formats[format].merge, &batch), STATUS_OK);
    return batch;
}
