#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ring_record.h"
#include "daemon/ingest/ring_map.h"
#include "daemon/service/clock.h"
#include "daemon/service/shim_link.h"

#define MS UINT64_C(1000000)

struct scene {
    int fd;
    struct ring *ring; /* as the shim has it */
    struct code_cache *codes;
    struct shim_link link;
    int bell;
    struct process process; /* ourselves */
};

static void begin(struct scene *scene, bool children) {
    int fd = memfd_create(RING_FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    *scene = (struct scene){.fd = fd, .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    cr_assert_eq(ftruncate(fd, sizeof(struct ring)), 0);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    scene->ring = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    scene->ring->header = (struct ring_header){.magic = RING_MAGIC,
                                               .version = RING_VERSION,
                                               .records = RING_RECORDS,
                                               .record_size = sizeof(struct ring_record),
                                               .pid = getpid()};
    cr_assert_eq(code_cache_create(&scene->codes), STATUS_OK);
    scene->process = (struct process){
        .pid = getpid(),
        .own_pid = getpid(),
        .dir = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC),
    };
    cr_assert_eq(shim_link_begin(&scene->link, &scene->process, children, scene->bell), SHIM_OURS);
    cr_assert_not_null(scene->link.ring);
}

static void end(struct scene *scene) {
    shim_link_end(&scene->link);
    code_cache_destroy(scene->codes);
    ring_unmap(scene->ring);
    (void)close(scene->fd);
}

static void publish(struct scene *scene, uint16_t kind, const void *payload, uint16_t size) {
    uint32_t number = scene->ring->header.head++;
    struct ring_record *record = &scene->ring->records[number % RING_RECORDS];
    memset(record->payload, 0, sizeof record->payload);
    memcpy(record->payload, payload, size);
    record->kind = kind;
    record->size = size;
    record->check = ring_check(number, kind, size, record->payload);
    record->number = number + 1;
}

static void publish_gone(struct scene *scene, uint64_t address) {
    const struct ring_code code = {.address = address};
    publish(scene, RING_CODE_DESTROYED, &code, sizeof code);
}

static bool has_rung(const struct scene *scene) {
    uint64_t rings;
    return read(scene->bell, &rings, sizeof rings) == (ssize_t)sizeof rings;
}

/* Whether what is known of 0x1000 holds in a picture that is taken now. */
static bool holds(struct scene *scene) {
    const uint64_t moment = code_cache_moment(scene->codes);
    code_cache_view(scene->codes, (struct code_moments){.begun = moment, .taken = moment});
    return code_entry_holds(scene->codes, code_cache_find(scene->codes, 0x1000), 0);
}

Test(shim_link, lets_the_shim_know_what_is_wanted) {
    for (int children = 0; children < 2; children++) {
        struct scene scene;
        begin(&scene, children == 1);
        cr_expect_eq(scene.ring->header.wants,
                     RING_WANTS_NEWS | (children == 1 ? RING_WANTS_CHILDREN : 0U));
        shim_link_take(&scene.link, scene.codes, 7000 * MS);
        cr_expect_eq(scene.ring->header.heartbeat_ms, 7000);
        end(&scene);
        cr_expect(scene.link.up);
    }
}

Test(shim_link, hears_of_code_that_is_destroyed) {
    struct scene scene;
    begin(&scene, false);
    cr_expect(has_rung(&scene), "there is a shim");
    cr_assert_eq(code_cache_put(scene.codes, 0x1000, NULL, 5), STATUS_OK);
    publish_gone(&scene, 0x2000);
    shim_link_take(&scene.link, scene.codes, MS);
    cr_expect(holds(&scene));
    publish_gone(&scene, 0x1000);
    cr_expect(holds(&scene));
    shim_link_take(&scene.link, scene.codes, 2 * MS);
    cr_expect_not(holds(&scene));
    cr_expect_not(has_rung(&scene), "that is nobody else's business");
    end(&scene);
}

Test(shim_link, takes_up_a_ring_that_comes_later) {
    struct scene scene;
    struct ring *ring = NULL;
    struct error error = {.text = ""};
    begin(&scene, true);
    shim_link_end(&scene.link);
    scene.link = (struct shim_link){.wants = RING_WANTS_NEWS, .bell = scene.bell};
    cr_assert_eq(code_cache_put(scene.codes, 0x1000, NULL, 5), STATUS_OK);
    shim_link_take(&scene.link, scene.codes, MS);
    cr_expect_not(scene.link.up);
    cr_expect(holds(&scene));

    cr_assert_eq(ring_map(scene.fd, &ring, &error), STATUS_OK);
    shim_link_offer(&scene.link, ring);
    shim_link_take(&scene.link, scene.codes, 2 * MS);
    cr_expect(scene.link.up);
    cr_expect_eq(scene.ring->header.wants, RING_WANTS_NEWS);
    cr_expect_not(holds(&scene), "what was destroyed until now was not told");

    cr_assert_eq(code_cache_put(scene.codes, 0x1000, NULL, 5), STATUS_OK);
    cr_assert_eq(ring_map(scene.fd, &ring, &error), STATUS_OK);
    shim_link_offer(&scene.link, ring); /* once more, which nobody needs */
    shim_link_take(&scene.link, scene.codes, 3 * MS);
    cr_expect(holds(&scene));
    end(&scene);
}

Test(shim_link, takes_a_full_ring_at_once) {
    struct scene scene;
    begin(&scene, false);
    cr_assert_eq(code_cache_put(scene.codes, 0x1000, NULL, 5), STATUS_OK);
    for (uint64_t i = 1; i < RING_RECORDS; i++) {
        publish_gone(&scene, 0x10000 + i);
    }
    publish_gone(&scene, 0x1000);
    shim_link_take(&scene.link, scene.codes, MS);
    cr_expect_eq(scene.ring->header.tail, RING_RECORDS);
    cr_expect_not(holds(&scene));
    end(&scene);
}

Test(shim_link, believes_nothing_after_a_loss_or_a_silence) {
    for (int silence = 0; silence < 2; silence++) {
        struct scene scene;
        begin(&scene, false);
        shim_link_take(&scene.link, scene.codes, MS);
        cr_assert_eq(code_cache_put(scene.codes, 0x1000, NULL, 5), STATUS_OK);
        scene.ring->header.dropped += silence == 0 ? 1 : 0;
        shim_link_take(&scene.link, scene.codes, silence == 1 ? 6000 * MS : 2 * MS);
        cr_expect_not(holds(&scene));
        end(&scene);
    }
}

Test(shim_link, counts_forks_and_signals) {
    struct scene scene;
    begin(&scene, true);
    const struct ring_process process = {.pid = 1};
    publish(&scene, RING_FORKED, &process, sizeof process);
    publish(&scene, RING_EXECS, &process, sizeof process);
    publish(&scene, RING_QUIT, &process, sizeof process);
    publish(&scene, 999, &process, sizeof process);
    shim_link_take(&scene.link, scene.codes, MS);
    cr_expect_eq(scene.link.forks, 2);
    cr_expect_eq(scene.link.quits, 1);
    cr_expect(has_rung(&scene));
    end(&scene);
}

Test(shim_link, leaves_a_ring_that_makes_no_sense) {
    struct scene scene;
    begin(&scene, true);
    cr_assert_eq(code_cache_put(scene.codes, 0x1000, NULL, 5), STATUS_OK);
    scene.ring->header.head = RING_RECORDS + 1;
    shim_link_take(&scene.link, scene.codes, MS);
    cr_expect(scene.link.corrupt);
    cr_expect_null(scene.link.ring);
    cr_expect(has_rung(&scene));
    shim_link_take(&scene.link, scene.codes, 2 * MS);
    end(&scene);
}

Test(shim_link, leaves_a_ring_to_the_one_who_reads_it) {
    struct scene scene;
    begin(&scene, false);
    shim_link_take(&scene.link, scene.codes, clock_now_ns());
    struct shim_link second = {.ring = NULL};
    shim_link_begin(&second, &scene.process, true, scene.bell);
    cr_expect_null(second.ring);
    cr_expect_eq(scene.ring->header.wants, RING_WANTS_NEWS);
    end(&scene);
    shim_link_begin(&second, &scene.process, true, scene.bell);
    cr_expect_null(second.ring, "the descriptor is closed");
}

Test(shim_link, does_without) {
    struct code_cache *codes = NULL;
    struct shim_link link = {.ring = NULL};
    cr_assert_eq(code_cache_create(&codes), STATUS_OK);
    const struct process process = {
        .pid = getpid(), .own_pid = getpid(), .dir = open("/proc/self", O_PATH | O_CLOEXEC)};
    shim_link_begin(&link, &process, true, -1);
    shim_link_take(&link, codes, MS);
    shim_link_take(NULL, codes, MS);
    shim_link_end(&link);
    cr_expect_not(link.up);
    cr_expect_not(link.corrupt);
    code_cache_destroy(codes);
}
