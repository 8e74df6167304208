/* mapped_file: the file behind an ELF object that a target has mapped, opened without trusting the
 * target. A function only; any thread, which it can block as long as a file system pleases. Cold.
 *
 * The file is found by one of three ways, with the rights of the target's owner (rights), and only
 * looked at by O_PATH until it is known to be a regular file, so that no FIFO waits and no device
 * notices:
 *
 *   /proc/PID/map_files/START-END  the very file, deleted, replaced or in another mount namespace;
 * the kernel wants CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE for it the path, under /proc/PID/root
 * openat2, RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS /proc/PID/exe                  the program's
 * own file, also deleted
 *
 * It counts as the file only if its first page is the one that lies in memory: headers, and in
 * nearly every build its id. Device and inode would not do: file systems such as overlayfs and
 * btrfs show others in maps than in stat, and an inode number is given to another file once it is
 * free.
 *
 * So no byte is read that the owner could not read, with one exception that costs nothing: through
 * map_files the folders on the way need not be searchable for them, only the file readable. What
 * they may execute but not read is refused, and so is what they had opened with more rights than
 * they have now: elf_image is what remains then. */
#ifndef ECHION_DAEMON_TARGET_MAPPED_FILE_H
#define ECHION_DAEMON_TARGET_MAPPED_FILE_H

#include "common/status.h"
#include "daemon/target/elf_image.h"
#include "daemon/target/mappings.h"
#include "daemon/target/process.h"

enum mapped_file_way {
    MAPPED_FILE_MAP_FILES,
    MAPPED_FILE_PATH,
    MAPPED_FILE_EXE,
};

/* A descriptor for reading, which the caller closes, and the way by which it was found. ABSENT: the
 * file is not there (any more) or not the one in memory. DENIED: the owner may not read it, or we
 * may not take on the owner's rights. GONE, NOMEM, SYS. */
STATUS_CHECKED enum status mapped_file_open(const struct process *process,
                                            const struct mapping *first,
                                            const struct elf_image *image, int *fd,
                                            enum mapped_file_way *way);

#endif
