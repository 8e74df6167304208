#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>

/* Not "file:function", so no function of any program is called so. */
#define FRAMELESS "(no frame)"

enum status tally_init(struct tally *tally) {
    *tally = (struct tally){.names = NULL};
    if (names_create(&tally->names) != STATUS_OK || names_create(&tally->threads) != STATUS_OK ||
        names_create(&tally->processes) != STATUS_OK ||
        names_intern(tally->names, FRAMELESS, strlen(FRAMELESS), &tally->frameless) != STATUS_OK) {
        tally_deinit(tally);
        return STATUS_NOMEM;
    }
    return STATUS_OK;
}

void tally_deinit(struct tally *tally) {
    names_destroy(tally->names);
    names_destroy(tally->threads);
    names_destroy(tally->processes);
    free(tally->functions);
    free(tally->mode);
    free(tally->python);
    free(tally->interval);
    free(tally->duration);
    free(tally->sample_count);
    free(tally->missed);
    free(tally->late);
    free(tally->torn);
    free(tally->cpu_native);
    free(tally->cpu_unseen);
    *tally = (struct tally){.names = NULL};
}

static enum status take_metadata(void *context, const char *key, const char *value) {
    struct tally *self = context;
    const struct {
        const char *key;
        char **value;
    } wanted[] = {
        {"mode", &self->mode},
        {"python", &self->python},
        {"interval", &self->interval},
        {"duration", &self->duration},
        {"samples", &self->sample_count},
        {"missed", &self->missed},
        {"torn", &self->torn},
        {"late", &self->late},
        {"cpu_native", &self->cpu_native},
        {"cpu_unseen", &self->cpu_unseen},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strcmp(key, wanted[i].key) == 0) {
            char *copy = strdup(value);
            if (copy == NULL) {
                return STATUS_NOMEM;
            }
            free(*wanted[i].value);
            *wanted[i].value = copy;
        }
    }
    return STATUS_OK;
}

/* A sum that stays at its limit rather than to wrap. */
static void add(int64_t *sum, int64_t value) {
    if (__builtin_add_overflow(*sum, value, sum)) {
        *sum = value < 0 ? INT64_MIN : INT64_MAX;
    }
}

static bool make_room(struct tally *self) {
    uint32_t count = names_count(self->names);
    if (count <= self->capacity) {
        return true;
    }
    uint32_t capacity = count * 2;
    struct tally_function *functions = realloc(self->functions, capacity * sizeof *functions);
    if (functions == NULL) {
        return false;
    }
    memset(functions + self->capacity, 0, (capacity - self->capacity) * sizeof *functions);
    self->functions = functions;
    self->capacity = capacity;
    return true;
}

/* Counts the processes and threads that there are. */
static enum status meet(struct tally *self, const struct profile_sample *sample) {
    uint32_t number;
    enum status status =
        names_intern(self->processes, (const char *)&sample->pid, sizeof sample->pid, &number);
    if (status != STATUS_OK) {
        return status;
    }
    /* A name says nothing across processes and interpreters, so these go in front of it. */
    char key[1024];
    size_t size = 0;
    memcpy(key + size, &sample->pid, sizeof sample->pid);
    size += sizeof sample->pid;
    memcpy(key + size, &sample->interpreter, sizeof sample->interpreter);
    size += sizeof sample->interpreter;
    size_t name = sample->thread_size < sizeof key - size ? sample->thread_size : sizeof key - size;
    memcpy(key + size, sample->thread, name);
    return names_intern(self->threads, key, size + name, &number);
}

static void count(struct tally *self, uint32_t function, int64_t metric) {
    struct tally_function *entry = &self->functions[function];
    if (entry->last_sample != self->samples) {
        entry->last_sample = self->samples;
        add(&entry->total, metric);
    }
}

static enum status take_sample(void *context, const struct profile_sample *sample) {
    struct tally *self = context;
    enum status status = meet(self, sample);
    if (status != STATUS_OK) {
        return status;
    }
    if (!make_room(self)) {
        return STATUS_NOMEM;
    }
    self->samples++;
    add(&self->total, sample->metric);
    for (uint32_t i = 0; i < sample->depth; i++) {
        count(self, sample->frames[i], sample->metric);
    }
    uint32_t innermost = self->frameless;
    if (sample->depth > 0) {
        innermost = sample->frames[sample->depth - 1];
    }
    count(self, innermost, sample->metric);
    add(&self->functions[innermost].self, sample->metric);
    return STATUS_OK;
}

struct profile_taker tally_taker(struct tally *tally) {
    return (struct profile_taker){
        .context = tally, .metadata = take_metadata, .sample = take_sample};
}

static int compare(const void *left, const void *right, void *context) {
    const struct tally *tally = context;
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    const struct tally_function *f = &tally->functions[a];
    const struct tally_function *g = &tally->functions[b];
    if (f->self != g->self) {
        return f->self > g->self ? -1 : 1;
    }
    if (f->total != g->total) {
        return f->total > g->total ? -1 : 1;
    }
    return strcmp(names_text(tally->names, a, NULL), names_text(tally->names, b, NULL));
}

uint32_t *tally_ranking(const struct tally *tally, uint32_t *count_out) {
    uint32_t *ranking = malloc((size_t)names_count(tally->names) * sizeof *ranking);
    *count_out = 0;
    if (ranking == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < names_count(tally->names) && i < tally->capacity; i++) {
        if (tally->functions[i].last_sample != 0) {
            ranking[(*count_out)++] = i;
        }
    }
    struct tally *context = (struct tally *)(uintptr_t)tally; /* qsort_r takes no const */
    qsort_r(ranking, *count_out, sizeof *ranking, compare, context);
    return ranking;
}
