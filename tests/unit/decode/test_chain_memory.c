#include <criterion/criterion.h>

#include "daemon/decode/chain_memory.h"

static struct chain_memory *begin(uint32_t slots, uint32_t depth) {
    struct chain_memory *memory = NULL;
    cr_assert_eq(chain_memory_reserve(&memory, slots, depth), STATUS_OK);
    return memory;
}

Test(chain_memory, a_code_owns_the_only_frame_that_it_was_seen_in) {
    struct chain_memory *memory = begin(1, 1);
    cr_expect_not(chain_memory_owns(memory, 0x1000, 0x9000));
    chain_memory_own(memory, 0x1000, 0x9000);
    chain_memory_own(memory, 0x1000, 0x9000);
    chain_memory_own(memory, 0x2000, 0xa000);
    cr_expect(chain_memory_owns(memory, 0x1000, 0x9000));
    cr_expect(chain_memory_owns(memory, 0x2000, 0xa000));
    cr_expect_not(chain_memory_owns(memory, 0x1000, 0xa000));
    cr_expect_not(chain_memory_owns(memory, 0x3000, 0x9000));
    chain_memory_destroy(memory);
}

Test(chain_memory, a_code_that_was_seen_in_two_frames_owns_neither) {
    struct chain_memory *memory = begin(1, 1);
    chain_memory_own(memory, 0x1000, 0x9000);
    chain_memory_own(memory, 0x1000, 0xa000);
    cr_expect_not(chain_memory_owns(memory, 0x1000, 0x9000));
    cr_expect_not(chain_memory_owns(memory, 0x1000, 0xa000));
    chain_memory_own(memory, 0x1000, 0x9000);
    cr_expect_not(chain_memory_owns(memory, 0x1000, 0x9000));
    chain_memory_destroy(memory);
}

/* Codes as they lie in memory: close together, in any number. */
Test(chain_memory, any_number_of_codes_may_come_by) {
    enum { CODES = 20 * CHAIN_OWNERS };
    struct chain_memory *memory = begin(1, 1);
    for (uint64_t code = 1; code <= CODES; code++) {
        chain_memory_own(memory, code * 16, code * 512);
        cr_assert(chain_memory_owns(memory, code * 16, code * 512), "what came last is known");
        cr_assert_not(chain_memory_owns(memory, code * 16, code * 512 + 8));
    }
    unsigned known = 0;
    for (uint64_t code = 1; code <= CODES; code++) {
        known += chain_memory_owns(memory, code * 16, code * 512);
        cr_assert_not(chain_memory_owns(memory, code * 16, code * 512 + 8));
    }
    cr_expect_lt(known, CHAIN_OWNERS, "and the rest forgotten");
    chain_memory_destroy(memory);
}

Test(chain_memory, what_is_remembered_stays_as_it_grows) {
    struct chain_memory *memory = begin(2, 4);
    chain_memory_own(memory, 0x1000, 0x9000);
    memory->walks = 7;
    memory->slots[1].address = 0xa000;
    memory->slots[1].caller = 0xb000;
    cr_assert_eq(chain_memory_reserve(&memory, 200, 400), STATUS_OK);
    cr_expect_geq(memory->slot_capacity, 200);
    cr_expect_geq(memory->path_capacity, 400);
    cr_expect_eq(memory->walks, 7);
    cr_expect_eq(memory->slots[1].address, 0xa000);
    cr_expect_eq(memory->slots[1].caller, 0xb000);
    for (uint32_t slot = 2; slot < 200; slot++) {
        cr_assert_eq(memory->slots[slot].address, 0, "of no frame yet");
        cr_assert_eq(memory->slots[slot].viewed, 0);
    }
    cr_expect(chain_memory_owns(memory, 0x1000, 0x9000));
    cr_assert_eq(chain_memory_reserve(&memory, 1, 1), STATUS_OK);
    cr_expect_geq(memory->slot_capacity, 200, "it does not shrink");
    chain_memory_destroy(memory);
}

Test(chain_memory, of_no_frames) {
    struct chain_memory *memory = begin(0, 0);
    cr_expect_not(chain_memory_owns(memory, 0x1000, 0x9000));
    chain_memory_destroy(memory);
    chain_memory_destroy(NULL);
}
