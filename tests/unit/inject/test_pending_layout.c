#include "daemon/inject/pending_layout.h"

#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* A queue in this very process, as the row says: enough memory for an interpreter's beginning. */
struct scene {
    const struct pending_layout *layout;
    uint8_t bytes[16384];
    uint64_t semaphore;
    struct mapping items[2];
};

static void put_int(struct scene *scene, uint32_t member, uint32_t value) {
    memcpy(scene->bytes + scene->layout->queue + member, &value, sizeof value);
}

static void scene_make(struct scene *scene, unsigned minor) {
    *scene = (struct scene){.layout = pending_layout_find(minor, sizeof(void *))};
    scene->semaphore = sizeof(void *) == 8 ? 1 : 2;
    uint64_t start = (uint64_t)(uintptr_t)scene;
    scene->items[0] = (struct mapping){.start = {0x1000}, .end = {0x2000}, .executable = true};
    scene->items[1] = (struct mapping){
        .start = {start}, .end = {start + sizeof *scene}, .readable = true, .writable = true};
    void *lock = scene->layout->lock_is_mutex_byte ? NULL : (void *)&scene->semaphore;
    if (lock != NULL) {
        memcpy(scene->bytes + scene->layout->queue + scene->layout->lock, &lock, sizeof lock);
    }
    if (scene->layout->max != PENDING_LAYOUT_NONE) {
        put_int(scene, scene->layout->max, scene->layout->slots);
    }
}

static void call_put(struct scene *scene, uint32_t slot, uintptr_t function) {
    memcpy(scene->bytes + scene->layout->queue + scene->layout->calls +
               (size_t)slot * scene->layout->slot_size,
           &function, sizeof function);
}

static int verdict(struct scene *scene) {
    struct memory memory = {.pid = getpid(), .word_size = sizeof(void *)};
    struct mappings mappings = {.items = scene->items, .count = 2};
    struct raddr base = raddr_make((uint64_t)(uintptr_t)scene->bytes);
    return (int)pending_layout_check(scene->layout, &memory, &mappings, base, NULL);
}

Test(pending_layout, has_rows_of_3_8_to_3_13_alone) {
    cr_expect(eq(int, pending_layout_find(7, 8) == NULL, 1));
    cr_expect(eq(int, pending_layout_find(14, 8) == NULL, 1));
    cr_expect(eq(int, pending_layout_find(12, 2) == NULL, 1));
}

Test(pending_layout, takes_a_queue_at_rest_and_refuses_what_is_none) {
    for (unsigned minor = 8; minor <= 13; ++minor) {
        struct scene scene;
        scene_make(&scene, minor);
        const struct pending_layout *layout = scene.layout;
        cr_expect(eq(int, verdict(&scene), STATUS_OK), "3.%u", minor);

        /* Two calls that wait, over the end of the slots. */
        put_int(&scene, layout->first, layout->slots - 1);
        put_int(&scene, layout->next, 1);
        put_int(&scene, layout->count, layout->counts_all ? 2 : 1);
        call_put(&scene, layout->slots - 1, 0x1800);
        call_put(&scene, 0, 0x1fff);
        cr_expect(eq(int, verdict(&scene), STATUS_OK), "3.%u", minor);
        call_put(&scene, 0, 0x2000);
        cr_expect(eq(int, verdict(&scene), STATUS_CORRUPT), "3.%u", minor);
        call_put(&scene, 0, 0x1fff);

        put_int(&scene, layout->count, 0);
        cr_expect(eq(int, verdict(&scene), layout->counts_all ? STATUS_CORRUPT : STATUS_TORN),
                  "3.%u", minor);
        put_int(&scene, layout->count, layout->slots + 1);
        cr_expect(eq(int, verdict(&scene), STATUS_CORRUPT), "3.%u", minor);
        put_int(&scene, layout->count, layout->counts_all ? 2 : 1);
        put_int(&scene, layout->next, layout->slots);
        cr_expect(eq(int, verdict(&scene), STATUS_CORRUPT), "3.%u", minor);
    }
}

Test(pending_layout, waits_for_a_held_lock_and_refuses_what_is_no_lock) {
    for (unsigned minor = 8; minor <= 13; ++minor) {
        struct scene scene;
        scene_make(&scene, minor);
        uint8_t *lock = scene.bytes + scene.layout->queue + scene.layout->lock;
        if (scene.layout->lock_is_mutex_byte) {
            *lock = 1;
            cr_expect(eq(int, verdict(&scene), STATUS_TORN));
            *lock = 4;
        } else {
            scene.semaphore = 0;
            cr_expect(eq(int, verdict(&scene), STATUS_TORN));
            scene.semaphore = 4;
        }
        cr_expect(eq(int, verdict(&scene), STATUS_CORRUPT), "3.%u", minor);
        scene.semaphore = sizeof(void *) == 8 ? 1 : 2;
        memset(lock, 0xff, sizeof(void *));
        cr_expect(eq(int, verdict(&scene), STATUS_CORRUPT), "3.%u", minor);
    }
}

Test(pending_layout, waits_while_3_8_ends) {
    struct scene scene;
    scene_make(&scene, 8);
    put_int(&scene, scene.layout->finishing, 1);
    cr_expect(eq(int, verdict(&scene), STATUS_TORN));
    put_int(&scene, scene.layout->finishing, 2);
    cr_expect(eq(int, verdict(&scene), STATUS_CORRUPT));
}
