#include <criterion/criterion.h>

#include "daemon/decode/call_pairs.h"

static struct code codes[] = {{.serial = 1}, {.serial = 2}, {.serial = 3}};
static const struct code *caller = &codes[0];
static const struct code *callee = &codes[1];
static const struct code *other = &codes[2];

static struct call_pairs *begin(void) {
    struct call_pairs *pairs = NULL;
    cr_assert_eq(call_pairs_create(&pairs), STATUS_OK);
    return pairs;
}

static void note(struct call_pairs *pairs, const struct code *called, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        call_pairs_note(pairs, caller, 7, called, 1);
    }
}

Test(call_pairs, once_proves_nothing) {
    struct call_pairs *pairs = begin();
    cr_expect_not(call_pairs_seen(pairs, caller, 7));
    note(pairs, callee, 1);
    cr_expect(call_pairs_seen(pairs, caller, 7));
    cr_expect_not(call_pairs_proven(pairs, caller, 7, callee));
    note(pairs, callee, 2);
    cr_expect(call_pairs_proven(pairs, caller, 7, callee));
    call_pairs_destroy(pairs);
}

Test(call_pairs, a_pair_is_of_its_place_and_direction) {
    struct call_pairs *pairs = begin();
    note(pairs, callee, 10);
    cr_expect_not(call_pairs_proven(pairs, caller, 8, callee));
    cr_expect_not(call_pairs_proven(pairs, caller, CALL_ANYWHERE, callee));
    cr_expect_not(call_pairs_proven(pairs, callee, 7, caller));
    cr_expect_not(call_pairs_proven(pairs, caller, 7, other));
    cr_expect_not(call_pairs_seen(pairs, callee, 7));
    call_pairs_destroy(pairs);
}

Test(call_pairs, a_small_share_is_noise) {
    struct call_pairs *pairs = begin();
    note(pairs, other, 3);
    cr_expect(call_pairs_proven(pairs, caller, 7, other));
    note(pairs, callee, 1000);
    cr_expect_not(call_pairs_proven(pairs, caller, 7, other), "3 of 1003");
    cr_expect(call_pairs_proven(pairs, caller, 7, callee));
    note(pairs, other, 97);
    cr_expect(call_pairs_proven(pairs, caller, 7, other), "100 of 1100");
    call_pairs_destroy(pairs);
}

Test(call_pairs, full_it_forgets_and_learns_anew) {
    struct call_pairs *pairs = begin();
    note(pairs, callee, 10);
    for (uint32_t unit = 100; unit < 100 + (1 << 15); unit++) {
        call_pairs_note(pairs, caller, unit, other, 1);
    }
    cr_expect_not(call_pairs_proven(pairs, caller, 7, callee));
    note(pairs, callee, 3);
    cr_expect(call_pairs_proven(pairs, caller, 7, callee));
    call_pairs_destroy(pairs);
}
