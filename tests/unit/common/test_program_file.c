#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/program_file.h"
#include "made_program.h"

TestSuite(program_file, .fini = made_remove);

#define LOADER_64 "/lib64/ld-linux-x86-64.so.2"
#define LOADER_32 "/lib/ld-linux.so.2"

static enum program_loader loader_of(struct made_object object) {
    unsigned char bytes[MADE_MAX];
    size_t size = made_object(&object, bytes);
    return program_file_loader(AT_FDCWD, made_file(bytes, size));
}

static enum program_loader loader_of_script(const char *text) {
    return program_file_loader(AT_FDCWD, made_script(text));
}

Test(program_file, of_glibc) {
    cr_assert_eq(loader_of((struct made_object){.machine = EM_X86_64, .interpreter = LOADER_64}),
                 PROGRAM_GLIBC_64);
    cr_assert_eq(loader_of((struct made_object){
                     .narrow = true, .machine = EM_386, .interpreter = LOADER_32}),
                 PROGRAM_GLIBC_32);
    cr_assert_eq(
        loader_of((struct made_object){.machine = EM_X86_64,
                                       .interpreter = "/nix/glibc/lib/ld-linux-x86-64.so.2",
                                       .needed = {"libm.so.6", "libc.so.6"}}),
        PROGRAM_GLIBC_64);
    cr_assert_eq(program_file_loader(AT_FDCWD, "/bin/sh"), PROGRAM_GLIBC_64);
}

Test(program_file, of_something_else) {
    static const struct made_object others[] = {
        {.machine = EM_X86_64}, /* static */
        {.machine = EM_X86_64, .interpreter = "/lib/ld-musl-x86_64.so.1"},
        {.machine = EM_X86_64, .interpreter = "/ld-linux/loader"},
        {.machine = EM_X86_64, .interpreter = ""},
        {.machine = EM_AARCH64, .interpreter = "/lib/ld-linux-aarch64.so.1"},
        {.machine = EM_386, .interpreter = LOADER_32}, /* 64-bit class */
        {.narrow = true, .machine = EM_X86_64, .interpreter = "/libx32/ld-linux-x32.so.2"},
    };
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_eq(loader_of(others[i]), PROGRAM_OTHER, "number %u", i);
    }
}

Test(program_file, with_a_sanitizer) {
    static const char *const runtimes[] = {"libasan.so.8", "libtsan.so.2", "liblsan.so",
                                           "libhwasan.so.0", "libclang_rt.asan-x86_64.so"};
    for (unsigned i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
        const struct made_object first = {
            .machine = EM_X86_64, .interpreter = LOADER_64, .needed = {runtimes[i], "libc.so.6"}};
        const struct made_object last = {.narrow = true,
                                         .machine = EM_386,
                                         .interpreter = LOADER_32,
                                         .needed = {"libm.so", "libc.so.6", runtimes[i]}};
        cr_assert_eq(loader_of(first), PROGRAM_OTHER, "%s", runtimes[i]);
        cr_assert_eq(loader_of(last), PROGRAM_OTHER, "%s", runtimes[i]);
    }
    cr_assert_eq(loader_of((struct made_object){.machine = EM_X86_64,
                                                .interpreter = LOADER_64,
                                                .needed = {"libasan-not.so", "libclang_rt.x.so"}}),
                 PROGRAM_GLIBC_64);
}

Test(program_file, a_script_is_its_interpreter) {
    const enum program_loader shell = program_file_loader(AT_FDCWD, "/bin/sh");
    char text[300];
    cr_assert_neq(shell, PROGRAM_OTHER);
    cr_assert_eq(loader_of_script("#!/bin/sh\n"), shell);
    cr_assert_eq(loader_of_script("#! \t/bin/sh -e x\necho\n"), shell);
    cr_assert_eq(loader_of_script("#!/bin/sh"), shell);
    cr_assert_eq(loader_of_script("#!/no/such/file\n"), PROGRAM_OTHER);
    (void)snprintf(text, sizeof text, "#!%s\n", made_script("#!/bin/sh\n"));
    cr_assert_eq(loader_of_script(text), shell);
    for (unsigned level = 0; level < 6; level++) {
        (void)snprintf(text, sizeof text, "#!%s\n", made_script(text));
    }
    cr_assert_eq(loader_of_script(text), PROGRAM_OTHER, "too many levels");
    const char *loop = made_script("");
    (void)snprintf(text, sizeof text, "#!%s\n", loop);
    int fd = open(loop, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    cr_assert_eq(program_file_loader(AT_FDCWD, loop), PROGRAM_OTHER, "its own interpreter");
}

Test(program_file, a_line_that_the_kernel_would_cut) {
    char text[300] = "#!/bin/";
    memset(text + 7, '/', 250);
    memcpy(text + 254, "sh\n", 4);
    cr_assert_eq(loader_of_script(text), PROGRAM_TEXT, "it is ENOEXEC there");
}

Test(program_file, text_is_for_a_shell) {
    cr_assert_eq(loader_of_script("echo hello\n"), PROGRAM_TEXT);
    cr_assert_eq(loader_of_script("#!\n"), PROGRAM_TEXT);
    cr_assert_eq(loader_of_script("#!  \n"), PROGRAM_TEXT);
    cr_assert_eq(loader_of_script("x"), PROGRAM_TEXT);
    cr_assert_eq(program_file_loader(AT_FDCWD, made_file("MZ\0\0", 4)), PROGRAM_OTHER);
    cr_assert_eq(program_file_loader(AT_FDCWD, made_file("", 0)), PROGRAM_OTHER);
}

Test(program_file, only_regular_files_are_opened) {
    static const char *const others[] = {"/", "/dev/null", "/dev/zero", "/no/such/file", ""};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_eq(program_file_loader(AT_FDCWD, others[i]), PROGRAM_OTHER, "%s", others[i]);
    }
    char fifo[300];
    (void)snprintf(fifo, sizeof fifo, "%s.fifo", made_script("x"));
    cr_assert_eq(mkfifo(fifo, 0755), 0);
    cr_assert_eq(program_file_loader(AT_FDCWD, fifo), PROGRAM_OTHER);
    (void)unlink(fifo);
}

Test(program_file, bad_addresses) {
    const char *volatile nothing = NULL;
    cr_assert_eq(program_file_loader(AT_FDCWD, nothing), PROGRAM_OTHER);
}

Test(program_file, by_descriptor) {
    unsigned char bytes[MADE_MAX];
    const struct made_object object = {.machine = EM_X86_64, .interpreter = LOADER_64};
    size_t size = made_object(&object, bytes);
    const char *path = made_file(bytes, size);
    const int flags[] = {O_RDONLY, O_WRONLY, O_PATH};
    for (unsigned i = 0; i < 3; i++) {
        int fd = open(path, flags[i] | O_CLOEXEC);
        cr_assert_eq(program_file_loader(fd, ""), PROGRAM_GLIBC_64);
        if (flags[i] != O_PATH) {
            cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0, "its position is as it was");
        }
        (void)close(fd);
    }
    cr_assert_eq(program_file_loader(-1, ""), PROGRAM_OTHER);
    int fd = memfd_create("program", MFD_CLOEXEC);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    cr_assert_eq(program_file_loader(fd, ""), PROGRAM_GLIBC_64);
    (void)close(fd);
    int folder = open("/bin", O_PATH | O_CLOEXEC);
    cr_assert_eq(program_file_loader(folder, "sh"), program_file_loader(AT_FDCWD, "/bin/sh"));
    (void)close(folder);
}

/* Whatever the bytes: an answer, and no crash under the sanitizers. */
Test(program_file, damaged_objects) {
    unsigned seed = 1;
    int fd = memfd_create("program", MFD_CLOEXEC);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned char bytes[MADE_MAX];
        const struct made_object object = {.narrow = round % 2 == 1,
                                           .machine = round % 2 == 1 ? EM_386 : EM_X86_64,
                                           .interpreter = LOADER_64,
                                           .needed = {"libm.so.6", "libc.so.6"}};
        size_t size = made_object(&object, bytes);
        for (unsigned change = 0; change <= round % 4; change++) {
            static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
            unsigned where = (unsigned)rand_r(&seed) % (unsigned)size;
            bytes[where] = values[(unsigned)rand_r(&seed) % sizeof values];
        }
        size -= round % 3 == 0 ? (unsigned)rand_r(&seed) % (unsigned)size : 0;
        cr_assert_eq(pwrite(fd, bytes, size, 0), (ssize_t)size);
        cr_assert_eq(ftruncate(fd, (off_t)size), 0);
        (void)program_file_loader(fd, "");
    }
    (void)close(fd);
}
