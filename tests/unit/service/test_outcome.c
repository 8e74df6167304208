#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "daemon/service/exit_status.h"
#include "daemon/service/notice.h"
#include "daemon/service/outcome.h"

static const struct options quiet = {.quiet = true};

/* What outcome_tell answers, and in `said` what it writes. */
static int tell(const struct session_result *first, char said[1024]) {
    const struct family_result result = {.first = *first, .processes = 1};
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
    int status = outcome_tell(&result, &quiet);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    (void)close(ends[1]);
    ssize_t got = read(ends[0], said, 1023);
    (void)close(ends[0]);
    said[got < 0 ? 0 : got] = '\0';
    return status;
}

Test(outcome, of_a_good_profile_nothing_is_said) {
    const struct session_result result = {
        .started = true,
        .output = "x",
        .counts = {.ticks = 7, .due = 14, .kept = 9, .torn = 2, .missed = 3},
    };
    char said[1024];
    cr_expect_eq(tell(&result, said), EXIT_STATUS_OK);
    cr_expect_str_empty(said);
}

Test(outcome, counts_are_told_when_asked_for) {
    const struct session_result result = {
        .started = true,
        .output = "x",
        .counts = {.ticks = 7, .due = 14, .kept = 9, .torn = 2, .missed = 3},
    };
    char said[1024];
    notice_init("test", true);
    cr_expect_eq(tell(&result, said), EXIT_STATUS_OK);
    cr_expect_str_eq(said, "test: 7 ticks, 14 samples due: 9 kept, 2 torn, 3 missed; "
                           "0 pictures were taken again\n");
}

Test(outcome, counts_that_do_not_add_up_are_our_mistake) {
    struct session_result result = {
        .started = true,
        .output = "x",
        .counts = {.ticks = 7, .due = 14, .kept = 9, .torn = 2, .missed = 2},
    };
    char said[1024];
    cr_expect_eq(tell(&result, said), EXIT_STATUS_INTERNAL);
    cr_expect_not_null(strstr(said, "internal error: 14 samples were due, but 9 kept, 2 torn"));

    result.writing = STATUS_SYS;
    cr_expect_eq(tell(&result, said), EXIT_STATUS_WRITE, "what is worse comes first");
    result.writing = STATUS_OK;
    result.stuck = true; /* the counts may be on their way */
    cr_expect_eq(tell(&result, said), EXIT_STATUS_OK);
    cr_expect_str_empty(said);
}
