#include "daemon/target/mapped_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "crafted.h"

static struct crafted crafted;
static struct elf_image image;

static void take_root(void) {
    if (geteuid() != 0) {
        cr_skip_test("takes root");
    }
}

/* Takes the capabilities for map_files away, as most callers lack them, or back. */
static void allow_map_files(bool allowed) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    const uint32_t bits[] = {1U << CAP_SYS_ADMIN, 1U << (CAP_CHECKPOINT_RESTORE - 32)};
    cr_assert_eq(syscall(SYS_capget, &header, sets), 0);
    for (unsigned i = 0; i < 2; ++i) {
        sets[i].effective &= ~bits[i];
        sets[i].effective |= allowed ? sets[i].permitted & bits[i] : 0;
    }
    cr_assert_eq(syscall(SYS_capset, &header, sets), 0);
}

static void look_at(pid_t pid) {
    crafted_look(&crafted, pid);
    cr_assert_eq(elf_image_read(&crafted.process, &crafted.object, &image), STATUS_OK);
}

/* Opens the file, checks what is in it, and closes it. */
static enum status open_it(enum mapped_file_way *way) {
    int fd = -1;
    enum status status = mapped_file_open(&crafted.process, crafted.object.first, &image, &fd, way);
    if (status == STATUS_OK) {
        char bytes[sizeof crafted.bytes];
        cr_assert_eq(read(fd, bytes, sizeof bytes), sizeof bytes);
        cr_assert_eq(memcmp(bytes, crafted.bytes, sizeof bytes), 0);
        cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        (void)close(fd);
    } else {
        cr_assert_eq(fd, -1);
    }
    return status;
}

static void load(void) {
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    crafted_load(&crafted, "object.so");
    look_at(getpid());
}

static void write_file(const char *path, const uint8_t *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    (void)close(fd);
}

Test(mapped_file, by_map_files) {
    take_root();
    load();
    enum mapped_file_way way;
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_MAP_FILES);
    /* Deleted, and another file where it was: it is still the one that is mapped. */
    (void)unlink(crafted.path);
    write_file(crafted.path, (const uint8_t *)"another", 7);
    look_at(getpid());
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_MAP_FILES);
}

Test(mapped_file, by_path) {
    load();
    allow_map_files(false);
    enum mapped_file_way way;
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_PATH);
}

Test(mapped_file, a_replaced_file_is_not_used) {
    load();
    allow_map_files(false);
    enum mapped_file_way way;
    (void)unlink(crafted.path);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    /* Another build: all the same but for its id. An inode number may even be the same by now. */
    uint8_t other[CRAFTED_SIZE];
    memcpy(other, crafted.bytes, sizeof other);
    other[CRAFTED_NOTE + 20]++;
    write_file(crafted.path, other, sizeof other);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    /* And the same build again. */
    (void)unlink(crafted.path);
    write_file(crafted.path, crafted.bytes, sizeof other);
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_PATH);
}

Test(mapped_file, what_is_no_regular_file, .timeout = 10) {
    load();
    allow_map_files(false);
    enum mapped_file_way way;
    (void)unlink(crafted.path);
    cr_assert_eq(mkfifo(crafted.path, 0666), 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    (void)unlink(crafted.path);
    cr_assert_eq(mkdir(crafted.path, 0777), 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    (void)rmdir(crafted.path);
    cr_assert_eq(symlink("/dev/zero", crafted.path), 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    (void)unlink(crafted.path);
    cr_assert_eq(symlink("/proc/self/exe", crafted.path), 0); /* no magic links */
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    (void)unlink(crafted.path);
    cr_assert_eq(symlink(crafted.path, crafted.path), 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    (void)unlink(crafted.path);
    write_file(crafted.path, crafted.bytes, 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
}

/* A child that has laid out the object, and then changes its root or rights. */
static void child_map(void *unused) {
    (void)unused;
    crafted_map(&crafted);
}

static void child_map_and_chroot(void *root) {
    child_map(NULL);
    if (chroot(root) != 0 || chdir("/") != 0) {
        abort();
    }
}

static void child_map_as_nobody(void *unused) {
    child_map(unused);
    (void)syscall(SYS_setgroups, 0, NULL);
    (void)syscall(SYS_setresgid, 65534, 65534, 65534);
    (void)syscall(SYS_setresuid, 65534, 65534, 65534);
    (void)prctl(PR_SET_DUMPABLE, 1);
}

/* The base is chosen by the child: it is where the object's path is mapped there. */
static void look_at_child(const struct child *child) {
    struct process process = child_open(child);
    struct mappings mappings = MAPPINGS_NONE;
    cr_assert_eq(mappings_read(&process, &mappings, NULL), STATUS_OK);
    size_t position = 0;
    struct mapped_object object;
    crafted.base = NULL;
    while (mappings_next_object(&mappings, &position, &object)) {
        if (strstr(object.first->path, "object.so") != NULL) {
            crafted.base = (uint8_t *)(uintptr_t)object.first->start.v;
        }
    }
    mappings_deinit(&mappings);
    process_close(&process);
    look_at(child->pid);
}

static void write_only(void) {
    crafted_make(&crafted, 8, CRAFTED_GNU_HASH);
    crafted_write(&crafted, "object.so");
}

Test(mapped_file, in_a_chroot) {
    take_root();
    write_only();
    char root[256];
    (void)snprintf(root, sizeof root, "%s", child_path("."));
    struct child child = child_fork(child_map_and_chroot, root);
    look_at_child(&child);
    allow_map_files(false);
    enum mapped_file_way way;
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_PATH);

    /* A link to the very same bytes, but out of the target's root. */
    char outside[] = "/tmp/echion-test-outside-XXXXXX";
    int fd = mkstemp(outside);
    cr_assert_eq(write(fd, crafted.bytes, sizeof crafted.bytes), sizeof crafted.bytes);
    (void)close(fd);
    (void)chmod(outside, 0644);
    (void)unlink(crafted.path);
    cr_assert_eq(symlink(outside, crafted.path), 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    char relative[300];
    (void)snprintf(relative, sizeof relative, "../../../..%s", outside);
    (void)unlink(crafted.path);
    cr_assert_eq(symlink(relative, crafted.path), 0);
    cr_assert_eq(open_it(&way), STATUS_ABSENT);
    (void)unlink(outside);
    child_end(&child);
}

Test(mapped_file, in_another_mount_namespace) {
    take_root();
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        cr_skip_test("no mount namespace can be made");
    }
    write_only();
    struct child child = child_fork(child_map, NULL);
    look_at_child(&child);
    /* The child stays in a namespace in which nothing hides the folder. */
    cr_assert_eq(unshare(CLONE_NEWNS), 0);
    cr_assert_eq(mount("none", child_path("."), "tmpfs", 0, NULL), 0);
    cr_assert_neq(access(crafted.path, F_OK), 0);
    enum mapped_file_way way;
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_MAP_FILES);
    allow_map_files(false);
    look_at(child.pid);
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_PATH);
    allow_map_files(true);
    (void)umount2(child_path("."), MNT_DETACH);
    child_end(&child);
}

Test(mapped_file, what_the_owner_may_not_read_is_denied) {
    take_root();
    write_only();
    struct child child = child_fork(child_map_as_nobody, NULL);
    look_at_child(&child);
    enum mapped_file_way way;
    cr_assert_eq(open_it(&way), STATUS_OK); /* 0644 */
    cr_assert_eq(chmod(crafted.path, 0600), 0);
    cr_assert_eq(open_it(&way), STATUS_DENIED);
    cr_assert_eq(chmod(crafted.path, 0711), 0); /* may be executed only */
    cr_assert_eq(open_it(&way), STATUS_DENIED);
    allow_map_files(false);
    cr_assert_eq(open_it(&way), STATUS_DENIED);
    cr_assert_eq(chmod(crafted.path, 0644), 0);
    cr_assert_eq(open_it(&way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_PATH);
    child_end(&child);
}

/* The program's own file, deleted, as a user who may not use map_files finds it. */
Test(mapped_file, a_deleted_program) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s", child_path("program"));
    child_copy("/bin/sleep", path, 0755);
    const char *arguments[] = {path, "1000", NULL};
    struct child child = child_exec(arguments);
    (void)unlink(path);
    allow_map_files(false);
    struct process process = child_open(&child);
    struct mappings mappings = MAPPINGS_NONE;
    struct error error = {.text = ""};
    size_t position = 0;
    struct mapped_object object = {.first = NULL};
    cr_assert_eq(mappings_read(&process, &mappings, &error), STATUS_OK, "%s", error.text);
    while (mappings_next_object(&mappings, &position, &object) &&
           strcmp(object.first->path, path) != 0) {
    }
    cr_assert_str_eq(object.first->path, path);
    cr_assert(object.first->deleted);
    cr_assert_eq(elf_image_read(&process, &object, &image), STATUS_OK);
    int fd = -1;
    enum mapped_file_way way;
    cr_assert_eq(mapped_file_open(&process, object.first, &image, &fd, &way), STATUS_OK);
    cr_assert_eq(way, MAPPED_FILE_EXE);
    (void)close(fd);
    mappings_deinit(&mappings);
    process_close(&process);
    child_end(&child);
}
