#include "daemon/target/process_stat.h"

#include <string.h>

#include "daemon/target/printable.h"
#include "daemon/target/proc_file.h"

/* PF_KTHREAD of the kernel's include/linux/sched.h; its place has not moved since 2.6.27. */
#define FLAG_KERNEL_THREAD 0x00200000U

/* Fields of proc_pid_stat(5) behind the state, which is the third. */
enum { FIELD_PARENT = 4, FIELD_FLAGS = 9, FIELD_THREADS = 20, FIELD_START_TIME = 22 };

/* Passes a number, which may be negative, and answers its absolute value. */
static bool field_take(const char **text, uint64_t *out) {
    *text += strspn(*text, " ");
    *text += **text == '-' ? 1 : 0;
    return proc_file_number(text, 10, out);
}

static bool stat_parse(const char *text, struct process_stat *out) {
    /* The name stands in parentheses and may hold anything, parentheses too. */
    const char *open = strchr(text, '(');
    const char *close = strrchr(text, ')');
    if (open == NULL || close == NULL || close < open || close[1] != ' ' || close[2] == '\0') {
        return false;
    }
    struct process_stat stat = {.state = close[2]};
    size_t length = (size_t)(close - open) - 1;
    length = length < sizeof stat.comm ? length : sizeof stat.comm - 1;
    memcpy(stat.comm, open + 1, length);
    printable_clean(stat.comm);

    const char *at = close + 3;
    for (unsigned field = FIELD_PARENT; field <= FIELD_START_TIME; ++field) {
        uint64_t value = 0;
        if (!field_take(&at, &value)) {
            return false;
        }
        if (field == FIELD_PARENT) {
            stat.parent = (pid_t)value;
        } else if (field == FIELD_FLAGS) {
            stat.flags = (uint32_t)value;
        } else if (field == FIELD_THREADS) {
            stat.threads = (uint32_t)value;
        } else if (field == FIELD_START_TIME) {
            stat.start_time = value;
        }
    }
    *out = stat;
    return true;
}

enum status process_stat_read(int dir, struct process_stat *out) {
    return process_stat_read_file(dir, "stat", out);
}

enum status process_stat_read_file(int dir, const char *name, struct process_stat *out) {
    char text[2048];
    enum status status = proc_file_read(dir, name, text, sizeof text, NULL);
    if (status != STATUS_OK) {
        return status == STATUS_ABSENT ? STATUS_GONE : status;
    }
    return stat_parse(text, out) ? STATUS_OK : STATUS_CORRUPT;
}

bool process_stat_is_kernel_thread(const struct process_stat *stat) {
    return (stat->flags & FLAG_KERNEL_THREAD) != 0;
}

bool process_stat_is_zombie(const struct process_stat *stat) {
    return stat->state == 'Z' || stat->state == 'X' || stat->state == 'x';
}
