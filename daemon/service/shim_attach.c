#include "daemon/service/shim_attach.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/guard.h"
#include "daemon/ingest/ring_find.h"
#include "daemon/ingest/ring_map.h"
#include "daemon/ingest/ring_reader.h"
#include "daemon/inject/request.h"
#include "daemon/service/clock.h"
#include "daemon/service/notice.h"
#include "daemon/service/ring_mapped.h"
#include "daemon/service/shim_file.h"

/* Between two looks: soon at first; a process that has not run anything for long is not looked at
 * so often. */
enum { LOOK_MS = 1, LOOK_MS_MAX = 50, ARM_AGAIN_MS = 20, ARM_AGAIN_MS_MAX = 1000, OTHERS_MS = 50 };

#define STAYS_OUT "the shim stays out of process %d, which is sampled from outside: "

/* Waits so long at most. Whether to end. */
static bool is_to_end(const struct shim_attach *attach, int milliseconds) {
    struct pollfd bell = {.fd = attach->bell, .events = POLLIN};
    return poll(&bell, 1, milliseconds) == 1;
}

/* Hands over the ring, if there is one by now. */
static bool ring_take(const struct shim_attach *attach) {
    struct error ignored;
    struct ring *ring = NULL;
    if (ring_find(attach->process->dir, (int32_t)attach->process->own_pid, &ring, &ignored) !=
        STATUS_OK) {
        return false;
    }
    shim_link_offer(attach->link, ring);
    return true;
}

/* Once somebody has taken the request: until the shim is there, which takes a moment. */
static bool wait_for_ring(const struct shim_attach *attach, uint64_t until_ns) {
    const struct timespec pause = clock_timespec(LOOK_MS * CLOCK_NS_PER_MS);
    while (!ring_take(attach)) {
        if (clock_now_ns() >= until_ns || !process_alive(attach->process)) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* Asks for it as often as something is just in the way. */
static enum status ask(const struct shim_attach *attach, const struct loading_library *library,
                       struct request *request, struct error *error) {
    int pause_ms = ARM_AGAIN_MS;
    enum status status = request_arm(attach->process, attach->runtime, library, request, error);
    while (status == STATUS_TORN && !is_to_end(attach, pause_ms)) {
        status = request_arm(attach->process, attach->runtime, library, request, error);
        pause_ms = pause_ms < ARM_AGAIN_MS_MAX ? 2 * pause_ms : ARM_AGAIN_MS_MAX;
    }
    return status;
}

/* Until somebody takes it, or it is time to end. */
static enum status wait_for_taker(const struct shim_attach *attach, struct request *request) {
    int pause_ms = LOOK_MS;
    bool taken = false;
    enum status status = STATUS_OK;
    do {
        status = request_look(request, &taken);
        pause_ms = pause_ms < LOOK_MS_MAX ? pause_ms + 1 : LOOK_MS_MAX;
    } while ((status == STATUS_OK || status == STATUS_TORN) && !taken &&
             !is_to_end(attach, pause_ms));
    return status;
}

/* Nobody may be about to open the files when they go. */
static void finish(const struct shim_attach *attach, struct request *request) {
    uint64_t begun_ns = clock_now_ns();
    enum status status = request_withdraw(request);
    bool in = request_takers(request) > 0 &&
              wait_for_ring(attach, begun_ns + REQUEST_TAKEN_MS * CLOCK_NS_PER_MS);
    if (request_takers(request) == 0) {
        notice_explain("nothing ran in process %d that could have loaded the shim",
                       (int)attach->process->pid);
    } else if (!in && process_alive(attach->process)) {
        notice_say(STAYS_OUT "its Python was asked to load it, and did not",
                   (int)attach->process->pid);
    }
    uint64_t stay_ms = request_takers(request) == 0 ? REQUEST_WITHDRAWN_MS
                       : in && request_takers(request) == 1 && status == STATUS_OK
                           ? REQUEST_RUN_MS
                           : REQUEST_TAKEN_MS;
    uint64_t gone_ns = clock_now_ns() - begun_ns;
    if (gone_ns < stay_ms * CLOCK_NS_PER_MS) {
        struct timespec rest = clock_timespec(stay_ms * CLOCK_NS_PER_MS - gone_ns);
        (void)nanosleep(&rest, NULL);
    }
    request_deinit(request);
    request_sweep(attach->process, attach->runtime);
}

static enum status load(const struct shim_attach *attach, struct error *error) {
    GUARD_FREE void *bytes = NULL;
    struct loading_library library = {.name = attach->stealth ? "lib" : SHIM_NAME_64};
    struct request request = REQUEST_NONE;
    struct ring *ring = NULL;
    enum status status = ring_mapped_find(attach->process, &ring, error);
    if (status == STATUS_OK) {
        shim_link_offer(attach->link, ring);
    }
    if (status != STATUS_ABSENT) { /* what is there is not loaded a second time */
        return status;
    }
    status = shim_file_load(attach->process->program.word_size, &bytes, &library.size, error);
    library.bytes = bytes;
    if (status == STATUS_OK) {
        status = ask(attach, &library, &request, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = wait_for_taker(attach, &request);
    finish(attach, &request);
    if (status == STATUS_UNSUPPORTED) {
        return error_set(error, status, "it has set itself a filter of system calls meanwhile");
    }
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "its Python cannot be asked: %s", status_name(status));
}

/* One that is killed leaves its heartbeat, which counts for a while (RING_SILENCE_MS). */
static void wait_for_others(const struct shim_attach *attach) {
    struct error ignored;
    struct ring *ring = NULL;
    notice_explain("another profiler listens to the shim in process %d, which is sampled from "
                   "outside until that leaves",
                   (int)attach->process->pid);
    enum status status =
        ring_find(attach->process->dir, (int32_t)attach->process->own_pid, &ring, &ignored);
    if (status != STATUS_OK) {
        return; /* it has gone with its program */
    }
    bool there = true;
    while (there && !is_to_end(attach, OTHERS_MS)) {
        there = ring_reader_is_there(ring, (uint32_t)(clock_now_ns() / CLOCK_NS_PER_MS));
    }
    if (there) {
        ring_unmap(ring);
    } else {
        shim_link_offer(attach->link, ring);
    }
}

static void *run(void *argument) {
    const struct shim_attach *attach = argument;
    struct error error = {.text = ""};
    (void)pthread_setname_np(pthread_self(), "echion-attach");
    enum status status = STATUS_OK;
    if (attach->found == SHIM_NONE) {
        status = load(attach, &error);
    } else {
        if (attach->found == SHIM_OTHERS) {
            wait_for_others(attach);
        }
        request_sweep(attach->process, attach->runtime);
    }
    if (status == STATUS_TORN || status == STATUS_GONE) {
        notice_explain("the shim is not in process %d: %s", (int)attach->process->pid, error.text);
    } else if (status != STATUS_OK) {
        notice_say(STAYS_OUT "%s", (int)attach->process->pid, error.text);
    }
    return NULL;
}

void shim_attach_begin(struct shim_attach *attach, const struct python_find *target,
                       struct shim_link *link, enum shim_found found, bool stealth) {
    *attach = (struct shim_attach){.process = &target->process,
                                   .runtime = &target->runtime,
                                   .link = link,
                                   .found = found,
                                   .stealth = stealth,
                                   .bell = -1};
    int pid = (int)attach->process->pid;
    bool asks = request_can_be(attach->runtime);
    if (found == SHIM_NONE && !asks) {
        notice_explain("process %d is sampled from outside: its Python cannot be asked to load the "
                       "shim, which 3.14 and later can",
                       pid);
    }
    if (found == SHIM_CORRUPT || (found != SHIM_OTHERS && !asks)) {
        return;
    }
    attach->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    attach->running = attach->bell >= 0 && pthread_create(&attach->thread, NULL, run, attach) == 0;
    if (!attach->running) {
        notice_say(STAYS_OUT "there is no room for a thread", pid);
        guard_fd_close(&attach->bell);
    }
}

void shim_attach_end(struct shim_attach *attach) {
    uint64_t one = 1;
    if (attach->running) {
        (void)!write(attach->bell, &one, sizeof one);
        (void)pthread_join(attach->thread, NULL);
        (void)close(attach->bell);
        attach->running = false;
    }
}
