#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/service/emitter.h"

#define MS UINT64_C(1000000)

enum { FRAMES = 3 };

/* One thread with a stack, and both ends of a hand-over. */
struct scene {
    struct handover *handover;
    struct code_cache *codes;
    struct thread_table threads;
    struct thread_record record;
    struct thread_record *records[1];
    struct code code[FRAMES];
    struct frame frames[FRAMES];
    uint32_t nodes[FRAMES];
    char label[8];
    struct emitter emitter;
};

static void begin(struct scene *scene) {
    memset(scene, 0, sizeof *scene);
    cr_assert_eq(handover_create(true, NULL, &scene->handover), STATUS_OK);
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    for (uint32_t i = 0; i < FRAMES; i++) {
        scene->code[i].serial = i + 1;
        scene->frames[i] = (struct frame){.code = &scene->code[i], .unit = 10 + i};
    }
    memcpy(scene->label, "worker", sizeof "worker");
    scene->record = (struct thread_record){
        .interpreter_id = 2,
        .label = scene->label,
        .stack = {.frames = scene->frames, .depth = FRAMES, .capacity = FRAMES},
        .nodes = scene->nodes,
        .batch_thread = BATCH_FULL,
    };
    scene->records[0] = &scene->record;
    scene->threads = (struct thread_table){.records = scene->records, .count = 1, .capacity = 1};
    emitter_init(&scene->emitter, scene->handover, scene->codes, &scene->threads, 77);
}

static void end(struct scene *scene) {
    code_cache_destroy(scene->codes);
    handover_destroy(scene->handover);
}

static uint32_t emit(struct scene *scene, bool torn, uint64_t now_ns) {
    uint32_t node = emitter_node(&scene->emitter, &scene->record, torn, now_ns);
    if (node != BATCH_FULL) {
        cr_assert(emitter_sample(&scene->emitter, &scene->record, node, 1, 1000));
    }
    return node;
}

Test(emitter, a_stack_becomes_a_path_of_nodes) {
    struct scene scene;
    begin(&scene);
    cr_assert(emitter_ready(&scene.emitter, 1));
    uint32_t node = emit(&scene, false, 1);
    emitter_finish(&scene.emitter);
    struct batch *batch = handover_wait_full(scene.handover, 0);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->sample_count, 1);
    cr_expect_eq(batch->threads[0].pid, 77);
    cr_expect_eq(batch->threads[0].interpreter, 2);
    cr_expect_str_eq(batch->labels + batch->threads[0].label_at, "worker");
    for (uint32_t i = FRAMES; i-- > 0; node = batch->nodes[node].parent) {
        cr_expect_eq(batch->nodes[node].code, &scene.code[i]);
        cr_expect_eq(batch->nodes[node].unit, 10 + i);
    }
    cr_expect_eq(node, BATCH_EMPTY_STACK);
    handover_give_back(scene.handover, batch);
    end(&scene);
}

Test(emitter, torn_or_cut_stacks_say_so_and_trampolines_are_not_shown) {
    struct scene scene;
    begin(&scene);
    cr_assert(emitter_ready(&scene.emitter, 1));
    scene.code[1].hidden = true;
    uint32_t whole = emit(&scene, false, 1);
    uint32_t torn = emit(&scene, true, 1);
    scene.record.stack.cut = true;
    uint32_t cut = emit(&scene, false, 1);
    const struct batch *batch = scene.emitter.batch;
    cr_expect_eq(batch->nodes[batch->nodes[whole].parent].code, &scene.code[0]);
    cr_expect_null(batch->nodes[torn].code);
    cr_expect_eq(batch->nodes[torn].parent, whole);
    cr_expect_eq(cut, torn);
    end(&scene);
}

Test(emitter, what_has_not_changed_keeps_its_nodes) {
    struct scene scene;
    begin(&scene);
    cr_assert(emitter_ready(&scene.emitter, 1));
    uint32_t first = emit(&scene, false, 1);
    cr_expect_eq(emit(&scene, false, 2), first);
    scene.record.node_count = 2; /* as a walk says that found the two outermost unchanged */
    scene.frames[2].unit = 50;
    uint32_t other = emit(&scene, false, 3);
    const struct batch *batch = scene.emitter.batch;
    cr_expect_neq(other, first);
    cr_expect_eq(batch->nodes[other].parent, batch->nodes[first].parent);
    end(&scene);
}

Test(emitter, turns_batches_in_time) {
    struct scene scene;
    begin(&scene);
    cr_assert(emitter_ready(&scene.emitter, 1));
    emit(&scene, false, 1);
    const struct batch *first = scene.emitter.batch;
    cr_assert(emitter_ready(&scene.emitter, 499 * MS));
    cr_expect_eq(scene.emitter.batch, first);
    cr_assert(emitter_ready(&scene.emitter, 501 * MS));
    cr_expect_neq(scene.emitter.batch, first);
    cr_expect_eq(scene.record.batch_thread, BATCH_FULL, "to be registered anew");
    cr_expect_eq(scene.record.node_count, 0);
    cr_expect_eq(handover_given(scene.handover), 1);
    /* The writer still has the first: the second is given, and then there is none. */
    cr_expect_not(emitter_ready(&scene.emitter, 1100 * MS));
    cr_expect_eq(emit(&scene, false, 1100 * MS), BATCH_FULL);
    handover_give_back(scene.handover, handover_wait_full(scene.handover, 0));
    cr_expect(emitter_ready(&scene.emitter, 1101 * MS));
    cr_expect_neq(emit(&scene, false, 1101 * MS), BATCH_FULL);
    end(&scene);
}

Test(emitter, samples_do_not_wait_for_a_tick_that_is_far_away) {
    struct scene scene;
    begin(&scene);
    emitter_flush(&scene.emitter, 600 * MS);
    cr_assert(emitter_ready(&scene.emitter, 1));
    emitter_flush(&scene.emitter, 600 * MS);
    cr_expect_eq(handover_given(scene.handover), 0, "there are none");
    emit(&scene, false, 1);
    emitter_flush(&scene.emitter, 499 * MS);
    cr_expect_eq(handover_given(scene.handover), 0, "not yet");
    emitter_flush(&scene.emitter, 501 * MS);
    cr_expect_eq(handover_given(scene.handover), 1);
    emitter_flush(&scene.emitter, 1100 * MS);
    cr_expect_eq(handover_given(scene.handover), 1, "once");
    handover_give_back(scene.handover, handover_wait_full(scene.handover, 0));
    cr_expect(emitter_ready(&scene.emitter, 1100 * MS));
    cr_expect_neq(emit(&scene, false, 1100 * MS), BATCH_FULL);
    end(&scene);
}

Test(emitter, a_full_batch_turns_at_once_and_loses_nothing) {
    struct scene scene;
    begin(&scene);
    cr_assert(emitter_ready(&scene.emitter, 1));
    uint64_t sent = 0;
    while (handover_given(scene.handover) == 0 && sent < 10000000) {
        scene.record.node_count = 0;
        scene.frames[0].unit++;
        cr_assert_neq(emit(&scene, false, 1), BATCH_FULL);
        sent++;
    }
    const struct batch *full = handover_wait_full(scene.handover, 0);
    cr_assert_not_null(full);
    cr_expect_eq(full->sample_count + scene.emitter.batch->sample_count, sent);
    cr_expect_eq(scene.emitter.batch->sample_count, 1);
    end(&scene);
}

Test(emitter, a_late_label_is_for_the_samples_of_before) {
    struct scene scene;
    begin(&scene);
    cr_assert(emitter_ready(&scene.emitter, 1));
    emit(&scene, false, 1);
    const struct batch *batch = scene.emitter.batch;
    memcpy(scene.label, "late", sizeof "late");
    emitter_relabel(&scene.emitter);
    cr_expect_str_eq(batch->labels + batch->threads[0].label_at, "worker", "it is not late");
    scene.record.late = true;
    emitter_relabel(&scene.emitter);
    cr_expect_str_eq(batch->labels + batch->threads[0].label_at, "late");
    cr_expect_not(scene.record.late);
    emit(&scene, false, 2);
    cr_expect_eq(batch->thread_count, 1, "it is the same thread");

    scene.record.late = true;
    scene.record.batch_thread = BATCH_FULL;
    emitter_relabel(&scene.emitter);
    cr_expect_not(scene.record.late, "without samples there is nothing to do");
    end(&scene);
}
