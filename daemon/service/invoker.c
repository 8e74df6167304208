#include "daemon/service/invoker.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

/* A decimal id from the environment; false if it is not one. */
static bool read_id(const char *name, unsigned *out) {
    const char *text = getenv(name);
    if (text == NULL || *text == '\0' || strlen(text) > 10 ||
        text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    unsigned long value = strtoul(text, NULL, 10);
    if (value >= UINT32_MAX) { /* (uid_t)-1 means "leave as it is" */
        return false;
    }
    *out = (unsigned)value;
    return true;
}

struct invoker invoker_find(void) {
    struct invoker invoker = {.uid = geteuid(), .gid = getegid()};
    unsigned uid = 0, gid = 0;
    if (geteuid() == 0 && getuid() == 0 && read_id("SUDO_UID", &uid) && uid != 0 &&
        read_id("SUDO_GID", &gid)) {
        invoker = (struct invoker){.uid = uid, .gid = gid, .through_sudo = true};
    }
    return invoker;
}

bool invoker_rights_take(const struct invoker *invoker) {
    if (!invoker->through_sudo) {
        return true;
    }
    (void)setfsgid(invoker->gid);
    (void)setfsuid(invoker->uid); /* drops the capabilities over files too: credentials(7) */
    /* Both calls report no failure; asked for an invalid id they tell what is in force. */
    return setfsuid((uid_t)-1) == (int)invoker->uid && setfsgid((gid_t)-1) == (int)invoker->gid;
}

void invoker_rights_leave(const struct invoker *invoker) {
    if (invoker->through_sudo) {
        (void)setfsuid(geteuid());
        (void)setfsgid(getegid());
    }
}
