#include "daemon/service/read_watch.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/guard.h"
#include "daemon/target/process_stat.h"

/* Whether one of our threads waits for something other than a processor. */
static bool thread_sleeps(pid_t tid) {
    char path[64];
    struct process_stat stat;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d", tid);
    GUARD_FD int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 || process_stat_read(dir, &stat) != STATUS_OK || stat.state == 'S' ||
           stat.state == 'D';
}

bool read_watch_look(struct read_watch *watch, pid_t tid, uint64_t since_ns) {
    if (since_ns == 0 || since_ns != watch->since_ns) {
        *watch = (struct read_watch){.since_ns = since_ns};
        return false;
    }
    watch->asleep += thread_sleeps(tid) ? 1 : 0;
    return watch->asleep >= READ_WATCH_LOOKS;
}
