/* The ring's writer and reader, the very code, in every order of their steps up to a number of
 * switches between threads, with a writer killed at every step: nothing is torn or repeated, and
 * what is lost is known to be.
 *
 * A step ends at each RING_STEP(): before every access to what the other side sees. The search
 * keeps no state: each run begins anew and follows a list of choices, of which the last is then
 * advanced. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "daemon/ingest/ring_reader.h"
#include "shim/ring_writer.h"

enum {
    WRITERS = 2,
    READER = WRITERS,
    THREADS = WRITERS + 1,
    RECORDS = 2, /* that each writer writes */
    TAKES = 3,   /* times that the reader looks, before it looks for the last time */
    STEPS_MAX = 512,
    STACK_BYTES = 64 << 10,
    LATER_MS = RING_STALL_MS + 1,
};

/* What is tried. */
struct setting {
    unsigned switches; /* from a thread that could go on, at most */
    unsigned kills;    /* writers, at most */
    bool hasty;        /* the reader takes a slow writer for a dead one */
};

enum fate { UNTRIED, TRIED, WRITTEN, DROPPED };

static struct {
    const struct setting *setting;
    struct ring ring;
    ucontext_t scheduler, threads[THREADS];
    bool runnable[THREADS];
    unsigned running, switches, kills;
    bool ended; /* or has not begun: steps are not scheduled */
    enum fate fates[WRITERS][RECORDS];
    unsigned taken[WRITERS][RECORDS];
    unsigned last[WRITERS]; /* record taken last, from 1 on */
    uint32_t lost;
} run;

static struct {
    unsigned char choice[STEPS_MAX], choices[STEPS_MAX];
    unsigned depth, length;
    unsigned long runs;
} search;

static void require(bool condition, const char *what) {
    if (!condition) {
        (void)fprintf(stderr, "model_ring: %s, in run %lu\n", what, search.runs);
        exit(1);
    }
}

void model_step(void) {
    if (run.ended) {
        return;
    }
    (void)swapcontext(&run.threads[run.running], &run.scheduler);
}

static void write_all(unsigned writer) {
    for (unsigned i = 0; i < RECORDS; i++) {
        uint8_t payload[RING_PAYLOAD];
        memset(payload, (int)(writer * 16 + i), sizeof payload);
        run.fates[writer][i] = TRIED;
        bool written = ring_write(&run.ring, (uint16_t)(writer + 1), payload, sizeof payload);
        run.fates[writer][i] = written ? WRITTEN : DROPPED;
    }
}

static void take(struct ring_reader *reader, uint32_t now_ms, bool ended) {
    struct ring_record records[RING_RECORDS];
    uint32_t count = 0;
    uint32_t lost = 0;
    enum status status =
        ring_reader_take(reader, now_ms, ended, records, RING_RECORDS, &count, &lost);
    require(status == STATUS_OK, "a sound ring is called corrupt");
    run.lost += lost;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *payload = records[i].payload;
        unsigned writer = payload[0] / 16U;
        unsigned record = payload[0] % 16U;
        for (unsigned j = 1; j < RING_PAYLOAD; j++) {
            require(payload[j] == payload[0], "a record is torn");
        }
        require(writer < WRITERS && record < RECORDS && records[i].kind == writer + 1 &&
                    records[i].size == RING_PAYLOAD,
                "a record is not one that was written");
        require(run.fates[writer][record] != UNTRIED, "a record comes from nowhere");
        require(record + 1 > run.last[writer], "a writer's records are repeated, or out of order");
        run.last[writer] = record + 1;
        run.taken[writer][record]++;
    }
}

static void read_all(struct ring_reader *reader) {
    for (uint32_t i = 0; i < TAKES; i++) {
        take(reader, run.setting->hasty ? 1 + i * LATER_MS : 1, false);
    }
}

static struct ring_reader reader;

static void thread_main(int thread) {
    if (thread == READER) {
        read_all(&reader);
    } else {
        write_all((unsigned)thread);
    }
    run.runnable[thread] = false;
    (void)swapcontext(&run.threads[thread], &run.scheduler);
}

/* The next choice among `choices`, as this run is to make it. */
static unsigned choose(unsigned choices) {
    require(search.depth < STEPS_MAX, "a run does not end");
    if (search.depth == search.length) {
        search.choice[search.length++] = 0;
    }
    search.choices[search.depth] = (unsigned char)choices;
    return search.choice[search.depth++];
}

/* Whether the runs have come to their end; if not, the next run's choices are made. */
static bool search_next(void) {
    search.runs++;
    search.length = search.depth;
    while (search.length > 0) {
        unsigned last = search.length - 1;
        if (++search.choice[last] < search.choices[last]) {
            search.depth = 0;
            return false;
        }
        search.length--;
    }
    return true;
}

static bool thread_goes_on(void) {
    return run.runnable[run.running];
}

/* What can be done next: a thread's step, or KILL; and how many such there are. */
enum { KILL = THREADS };
static unsigned list_options(unsigned options[THREADS + 1]) {
    unsigned count = 0;
    if (thread_goes_on()) {
        options[count++] = run.running;
        if (run.running != READER && run.kills < run.setting->kills) {
            options[count++] = KILL;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        bool free_of_charge = !thread_goes_on();
        if (run.runnable[i] && i != run.running &&
            (free_of_charge || run.switches < run.setting->switches)) {
            options[count++] = i;
        }
    }
    return count;
}

/* Picks who does the next step. False when nobody is left. */
static bool schedule(void) {
    unsigned options[THREADS + 1];
    unsigned count = 0;
    while ((count = list_options(options)) > 0) {
        unsigned option = options[count == 1 ? 0 : choose(count)];
        if (option != KILL) {
            run.switches += option != run.running && thread_goes_on() ? 1 : 0;
            run.running = option;
            return true;
        }
        run.runnable[run.running] = false;
        run.kills++;
    }
    return false;
}

/* What must hold when everybody has ended. */
static void run_judge(void) {
    unsigned written = 0;
    unsigned dropped = 0;
    unsigned taken = 0;
    for (unsigned i = 0; i < WRITERS; i++) {
        for (unsigned j = 0; j < RECORDS; j++) {
            written += run.fates[i][j] == WRITTEN ? 1 : 0;
            dropped += run.fates[i][j] == DROPPED ? 1 : 0;
            taken += run.taken[i][j];
            require(run.setting->hasty || run.fates[i][j] != WRITTEN || run.taken[i][j] == 1,
                    "a record that was written is not taken");
        }
    }
    require(taken + run.lost >= written + dropped, "a loss is not known");
    require(run.kills > 0 || run.setting->hasty || taken + run.lost == written + dropped,
            "what is not lost is counted as such");
}

static void run_once(const struct setting *setting) {
    static char stacks[THREADS][STACK_BYTES];
    memset(&run, 0, sizeof run);
    run.setting = setting;
    run.ended = true;
    ring_begin(&run.ring, 1);
    require(ring_reader_init(&reader, &run.ring) == STATUS_OK, "an empty ring is called corrupt");
    for (int i = 0; i < THREADS; i++) {
        (void)getcontext(&run.threads[i]);
        run.threads[i].uc_stack.ss_sp = stacks[i];
        run.threads[i].uc_stack.ss_size = STACK_BYTES;
        makecontext(&run.threads[i], (void (*)(void))(void *)thread_main, 1, i);
        run.runnable[i] = true;
    }
    run.ended = false;
    while (schedule()) {
        (void)swapcontext(&run.scheduler, &run.threads[run.running]);
    }
    run.ended = true;
    take(&reader, 1 + TAKES * LATER_MS, true);
}

static void explore(const struct setting *setting) {
    memset(&search, 0, sizeof search);
    do {
        run_once(setting);
        run_judge();
    } while (!search_next());
    (void)printf("%u switches, %u killed%s: %lu orders\n", setting->switches, setting->kills,
                 setting->hasty ? ", a hasty reader" : "", search.runs);
}

int main(void) {
    static const struct setting settings[] = {
        {.switches = 4, .kills = 0, .hasty = false},
        {.switches = 3, .kills = 1, .hasty = false},
        {.switches = 3, .kills = 1, .hasty = true},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        explore(&settings[i]);
    }
    return 0;
}
