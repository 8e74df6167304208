/* report_page: what `echion report` prints of a tally. Cold; one thread. */
#ifndef ECHION_CLI_REPORT_PAGE_H
#define ECHION_CLI_REPORT_PAGE_H

#include <stdint.h>
#include <stdio.h>

#include "cli/profile.h"
#include "cli/tally.h"
#include "common/status.h"

struct report_page {
    const char *file; /* as the user named it */
    const struct tally *tally;
    const struct profile_facts *facts;
    uint32_t count; /* functions to show at most */
    unsigned width; /* columns of the terminal, to which names are cut; 0: they are not */
};

/* Prints the page and flushes. NOMEM, or SYS with errno when `out` does not take it. */
STATUS_CHECKED enum status report_page_print(const struct report_page *page, FILE *out);

#endif
