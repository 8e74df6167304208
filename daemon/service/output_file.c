#include "daemon/service/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/service/invoker.h"
#include "daemon/service/notice.h"
#include "daemon/service/output_name.h"

enum {
    PATH_SHOWN = 150, /* bytes of a path in an error's text */
    FIFO_POLL_NS = 20 * 1000 * 1000,
    FIFO_POLLS_BEFORE_NOTICE = 50, /* one second */
    RACES_MAX = 8,                 /* times that a file may appear or vanish under our hands */
};

struct output_file {
    int fd;
    int folder; /* where we created it, for removing it; -1 otherwise */
    char *path;
    const char *base; /* within `path`, which is within `folder` */
    enum output_format format;
    bool regular; /* to be emptied when it is taken */
    bool created;
    bool is_stdout;
    bool change_owner; /* to the invoker, when it is taken */
    struct invoker invoker;
};

/* Where a file is being opened. */
struct place {
    const char *path;
    const char *base;
    int folder;
    struct stat folder_stat;
    const struct invoker *invoker;
};

static enum status refuse(struct error *error, const char *path, const char *why) {
    return error_set(error, STATUS_SYS, "cannot write to '%.*s': %s", PATH_SHOWN, path, why);
}

static enum status refuse_errno(struct error *error, const char *path, int errnum) {
    enum status status = status_from_errno(errnum);
    const char *remedy = errnum == EACCES || errnum == EPERM || errnum == EROFS
                             ? "; give another file with -o"
                         : errnum == ENOSPC || errnum == EDQUOT ? "; make room, or use another disk"
                                                                : "";
    return error_set(error, status == STATUS_DENIED ? STATUS_DENIED : STATUS_SYS,
                     "cannot write to '%.*s': %s%s", PATH_SHOWN, path, strerror(errnum), remedy);
}

/* In a folder that everybody may write to, others can leave links and files where we are about to
 * write. The kernel's fs.protected_* settings forbid much the same, where they are on: proc(5). */
static bool is_trusted(const struct place *place, const struct stat *entry) {
    if ((place->folder_stat.st_mode & S_IWOTH) == 0) {
        return true;
    }
    return entry->st_uid == geteuid() || entry->st_uid == place->invoker->uid ||
           entry->st_uid == place->folder_stat.st_uid;
}

static enum status wait_for_reader(const struct place *place, int flags, int *out,
                                   struct error *error) {
    const struct timespec pause = {.tv_nsec = FIFO_POLL_NS};
    for (int polls = 0;; polls++) {
        int fd = openat(place->folder, place->base, flags);
        if (fd >= 0) {
            *out = fd;
            return STATUS_OK;
        }
        if (errno != ENXIO && errno != EINTR) {
            return refuse_errno(error, place->path, errno);
        }
        if (polls == FIFO_POLLS_BEFORE_NOTICE) {
            notice_say("waiting for somebody to read from '%s'", place->path);
        }
        (void)nanosleep(&pause, NULL);
    }
}

/* Opens what is there under the name. `*missing`: nothing is. */
static enum status open_existing(const struct place *place, int *out, bool *missing,
                                 struct error *error) {
    int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
    struct stat entry;
    *missing = false;
    if (fstatat(place->folder, place->base, &entry, AT_SYMLINK_NOFOLLOW) != 0) {
        *missing = errno == ENOENT;
        return *missing ? STATUS_OK : refuse_errno(error, place->path, errno);
    }
    bool trusted = is_trusted(place, &entry);
    if (S_ISLNK(entry.st_mode)) {
        if (!trusted) {
            return refuse(error, place->path,
                          "it is another user's symbolic link in a folder that everybody may write "
                          "to; give another name");
        }
        flags &= ~O_NOFOLLOW;
        if (fstatat(place->folder, place->base, &entry, 0) != 0) {
            return errno == ENOENT ? refuse(error, place->path,
                                            "it is a symbolic link to something that does not "
                                            "exist; remove the link, or give another name")
                                   : refuse_errno(error, place->path, errno);
        }
    }
    if (S_ISDIR(entry.st_mode)) {
        return refuse(error, place->path, "it is a folder; name a file in it");
    }
    if (S_ISBLK(entry.st_mode) || S_ISSOCK(entry.st_mode)) {
        return refuse(error, place->path,
                      S_ISBLK(entry.st_mode) ? "it is a disk; name a file" : "it is a socket");
    }
    if (!trusted && (S_ISREG(entry.st_mode) || S_ISFIFO(entry.st_mode))) {
        return refuse(error, place->path,
                      "it belongs to another user, in a folder that everybody may write to; give "
                      "another name");
    }
    int fd = openat(place->folder, place->base, flags);
    if (fd < 0 && errno == ENOENT) {
        *missing = true;
        return STATUS_OK;
    }
    if (fd < 0 && errno == ENXIO && S_ISFIFO(entry.st_mode)) {
        return wait_for_reader(place, flags, out, error);
    }
    if (fd < 0) {
        return refuse_errno(error, place->path, errno);
    }
    *out = fd;
    return STATUS_OK;
}

/* Opens or creates the file with the rights in force. */
static enum status open_entry(const struct place *place, int *out, bool *created,
                              struct error *error) {
    for (int races = 0; races < RACES_MAX; races++) {
        bool missing = false;
        enum status status = open_existing(place, out, &missing, error);
        if (status != STATUS_OK || !missing) {
            *created = false;
            return status;
        }
        int fd = openat(place->folder, place->base,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *out = fd;
            *created = true;
            return STATUS_OK;
        }
        if (errno != EEXIST) {
            return refuse_errno(error, place->path, errno);
        }
    }
    return refuse(error, place->path, "it comes and goes; give another name");
}

/* What was opened must be what it looked like, and for us alone. */
static enum status settle(struct output_file *file, const struct place *place,
                          struct error *error) {
    struct stat now;
    if (fstat(file->fd, &now) != 0) {
        return refuse_errno(error, place->path, errno);
    }
    file->regular = S_ISREG(now.st_mode);
    if (S_ISBLK(now.st_mode) || S_ISDIR(now.st_mode) ||
        (!is_trusted(place, &now) && (file->regular || S_ISFIFO(now.st_mode)))) {
        return refuse(error, place->path, "it has just been replaced by something else");
    }
    if (file->regular && flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return refuse(error, place->path,
                      "another profile is being written to it; give another "
                      "name");
    }
    file->change_owner =
        file->invoker.through_sudo && file->regular && now.st_uid == 0 && now.st_nlink == 1;
    int flags = fcntl(file->fd, F_GETFL);
    if (flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        return refuse_errno(error, place->path, errno);
    }
    return STATUS_OK;
}

static enum status open_path(struct output_file *file, struct error *error) {
    char *slash = strrchr(file->path, '/');
    file->base = slash == NULL ? file->path : slash + 1;
    if (*file->base == '\0') {
        return refuse(error, file->path, "it is a folder; name a file in it");
    }
    GUARD_FREE char *folder_path =
        slash == NULL ? strdup(".")
                      : strndup(file->path, slash == file->path ? 1 : (size_t)(slash - file->path));
    if (folder_path == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    GUARD_FD int folder = open(folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return error_set(
            error, STATUS_ABSENT,
            "cannot write to '%.*s': there is no folder '%.*s'; create it, or give another "
            "file with -o",
            PATH_SHOWN, file->path, PATH_SHOWN, folder_path);
    }
    struct place place = {
        .path = file->path, .base = file->base, .folder = folder, .invoker = &file->invoker};
    if (folder < 0 || fstat(folder, &place.folder_stat) != 0) {
        return refuse_errno(error, file->path, errno);
    }

    enum status status = STATUS_DENIED;
    if (invoker_rights_take(&file->invoker)) {
        status = open_entry(&place, &file->fd, &file->created, error);
    }
    invoker_rights_leave(&file->invoker);
    if (status == STATUS_DENIED && file->invoker.through_sudo) {
        status = open_entry(&place, &file->fd, &file->created, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (file->created) {
        file->folder = guard_fd_take(&folder);
    }
    return settle(file, &place, error);
}

static enum status open_descriptor(struct output_file *file, int fd, struct error *error) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
        return refuse(error, output_file_name(file),
                      flags < 0 ? "it is closed; redirect it to a file or a pipe"
                                : "it is open for reading only");
    }
    file->is_stdout = fd == STDOUT_FILENO;
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return file->fd < 0 ? refuse_errno(error, output_file_name(file), errno) : STATUS_OK;
}

enum status output_file_open(const char *pattern, const enum output_format *format, pid_t pid,
                             struct output_file **out, struct error *error) {
    struct output_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    file->fd = -1;
    file->folder = -1;
    file->invoker = invoker_find();
    file->format = format != NULL ? *format : OUTPUT_FORMAT_AUSTIN;
    file->path = output_name_expand(pattern, pid);

    if (file->path == NULL) {
        output_file_destroy(file);
        return error_set(error, STATUS_NOMEM, "out of memory");
    }
    enum status status = STATUS_OK;
    if (output_name_descriptor(file->path) >= 0) {
        status = open_descriptor(file, output_name_descriptor(file->path), error);
    } else {
        struct stat there;
        bool special = stat(file->path, &there) == 0 && !S_ISREG(there.st_mode);
        if (format == NULL && !special) {
            status = output_name_format(file->path, &file->format, error);
        }
        if (status == STATUS_OK) {
            status = open_path(file, error);
            status = status == STATUS_UNSUPPORTED ? STATUS_SYS : status; /* ours alone to say */
        }
    }
    if (status != STATUS_OK) {
        output_file_destroy(file);
        return status;
    }
    notice_explain("the profile goes to %s%s, as %s", output_file_name(file),
                   file->regular && !file->created ? ", in place of what is there" : "",
                   output_formats[file->format].name);
    *out = file;
    return STATUS_OK;
}

enum status output_file_take(struct output_file *file, int *fd, struct error *error) {
    if (file->regular && !file->created && ftruncate(file->fd, 0) != 0) {
        return refuse_errno(error, file->path, errno);
    }
    if (file->change_owner && fchown(file->fd, file->invoker.uid, file->invoker.gid) != 0) {
        notice_explain("%s stays root's: %s", file->path, strerror(errno));
    }
    *fd = guard_fd_take(&file->fd);
    return STATUS_OK;
}

int output_file_descriptor(const struct output_file *file) {
    return file->fd;
}

/* Removes the file that was created and never taken, if it is still the one under its name. */
static void remove_untaken(const struct output_file *file) {
    struct stat ours, there;
    if (file->created && file->fd >= 0 && fstat(file->fd, &ours) == 0 && ours.st_size == 0 &&
        fstatat(file->folder, file->base, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        there.st_dev == ours.st_dev && there.st_ino == ours.st_ino) {
        (void)unlinkat(file->folder, file->base, 0);
    }
}

void output_file_destroy(struct output_file *file) {
    if (file == NULL) {
        return;
    }
    remove_untaken(file);
    guard_fd_close(&file->fd);
    guard_fd_close(&file->folder);
    free(file->path);
    free(file);
}

enum output_format output_file_format(const struct output_file *file) {
    return file->format;
}

const char *output_file_name(const struct output_file *file) {
    return strcmp(file->path, "-") == 0 ? "standard output" : file->path;
}

bool output_file_is_stdout(const struct output_file *file) {
    return file->is_stdout;
}

bool output_pattern_is_stdout(const char *pattern) {
    return output_name_descriptor(pattern) == STDOUT_FILENO;
}
