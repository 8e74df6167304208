#include "daemon/service/where_text.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/display.h"
#include "common/guard.h"
#include "daemon/service/where_words.h"
#include "daemon/target/process_stat.h"

enum {
    COMMAND_MAX = 512, /* of the command line that are shown */
    NAMES_SHOWN = 8,   /* of threads that do the same */
    REPEATS_SHOWN = 3, /* frames in a row that are the same */
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
};

enum colour { PLAIN, BOLD, DIM, FUNCTION, DOING, ALARM };

static const char *const escapes[] = {
    [PLAIN] = "\x1b[0m",     [BOLD] = "\x1b[1m",   [DIM] = "\x1b[2m",
    [FUNCTION] = "\x1b[36m", [DOING] = "\x1b[33m", [ALARM] = "\x1b[1;31m",
};

/* Writes text of the target's in a colour, without what a terminal would obey. */
static void put(FILE *out, const struct where_style *style, enum colour colour, const char *text) {
    GUARD_FREE char *clean = display_clean(text, strlen(text));
    bool coloured = style->colour && colour != PLAIN;
    (void)fprintf(out, "%s%s%s", coloured ? escapes[colour] : "", clean == NULL ? "?" : clean,
                  coloured ? escapes[PLAIN] : "");
}

/* "3 d 4 h", "4 h 5 min", "5 min 6 s", "7 s". */
static void age_write(FILE *out, uint64_t seconds) {
    if (seconds >= DAY) {
        (void)fprintf(out, "%" PRIu64 " d %" PRIu64 " h", seconds / DAY, seconds % DAY / HOUR);
    } else if (seconds >= HOUR) {
        (void)fprintf(out, "%" PRIu64 " h %" PRIu64 " min", seconds / HOUR,
                      seconds % HOUR / MINUTE);
    } else if (seconds >= MINUTE) {
        (void)fprintf(out, "%" PRIu64 " min %" PRIu64 " s", seconds / MINUTE, seconds % MINUTE);
    } else {
        (void)fprintf(out, "%" PRIu64 " s", seconds);
    }
}

static void user_write(FILE *out, uid_t uid) {
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[4096];
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL) {
        (void)fprintf(out, "user %s", entry.pw_name);
    } else {
        (void)fprintf(out, "user %u", (unsigned)uid);
    }
}

void where_text_process(FILE *out, const struct where_scene *scene,
                        const struct where_style *style) {
    const struct process *process = scene->process;
    const struct runtime *runtime = scene->runtime;
    char command[COMMAND_MAX] = "?";
    char version[RUNTIME_VERSION_MAX];
    if (process_command_line(process, command, sizeof command) != STATUS_OK) {
        (void)snprintf(command, sizeof command, "?");
    }
    runtime_version_text(runtime, version, sizeof version);
    (void)fprintf(out, "Process %d: ", process->pid);
    put(out, style, BOLD, command);
    (void)fprintf(out, "\nCPython %s, %u-bit%s, up ", version, runtime->layout.word_size * 8U,
                  runtime->jit ? ", JIT" : "");
    age_write(out, where_scene_age(scene));
    (void)fprintf(out, ", ");
    user_write(out, process->uid);
    (void)fprintf(out, "\n");
}

/* Threads that do the same, by index. */
struct group {
    uint32_t first; /* its first thread */
    uint32_t last;
    uint32_t size;
    uint64_t hash; /* of what they do, and where */
};

struct grouping {
    struct group *groups; /* by first thread */
    uint32_t count;
    uint32_t *next; /* of each thread: the next one in its group; 0: none */
    char (*words)[WHERE_WORDS_MAX];
};

static void grouping_deinit(struct grouping *grouping) {
    free(grouping->groups);
    free(grouping->next);
    free(grouping->words);
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    return (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15) + (hash >> 29);
}

static uint64_t thread_hash(const struct where_thread *thread, const char *words) {
    uint64_t hash = thread->torn ? 1 : 0;
    for (; *words != '\0'; words++) {
        hash = mix(hash, (unsigned char)*words);
    }
    for (uint32_t i = 0; thread->record != NULL && i < thread->record->stack.depth; i++) {
        const struct frame *frame = &thread->record->stack.frames[i];
        hash = mix(mix(hash, frame->code == NULL ? 0 : frame->code->serial), frame->unit);
    }
    return hash;
}

/* Whether they are at the same place of the same calls, doing the same. */
static bool threads_are_alike(const struct where_thread *a, const struct where_thread *b) {
    if (a->torn != b->torn || (a->record == NULL) != (b->record == NULL)) {
        return false;
    }
    if (a->record == NULL) {
        return true;
    }
    const struct stack *left = &a->record->stack;
    const struct stack *right = &b->record->stack;
    if (left->depth != right->depth || a->record->interpreter != b->record->interpreter) {
        return false;
    }
    for (uint32_t i = 0; i < left->depth; i++) {
        if (left->frames[i].code != right->frames[i].code ||
            left->frames[i].unit != right->frames[i].unit) {
            return false;
        }
    }
    return true;
}

static void group_add(struct grouping *grouping, const struct where_scene *scene, uint32_t index,
                      bool expand) {
    const struct where_thread *thread = &scene->threads[index];
    uint64_t hash = thread_hash(thread, grouping->words[index]);
    for (uint32_t i = 0; i < grouping->count && !expand; i++) {
        struct group *group = &grouping->groups[i];
        if (group->hash == hash &&
            strcmp(grouping->words[group->first], grouping->words[index]) == 0 &&
            threads_are_alike(&scene->threads[group->first], thread)) {
            grouping->next[group->last] = index;
            group->last = index;
            group->size++;
            return;
        }
    }
    grouping->groups[grouping->count++] =
        (struct group){.first = index, .last = index, .size = 1, .hash = hash};
}

/* False without memory. */
static bool grouping_init(struct grouping *grouping, const struct where_scene *scene, bool expand) {
    uint32_t count = scene->count;
    grouping->groups = calloc(count + 1, sizeof *grouping->groups);
    grouping->next = calloc(count + 1, sizeof *grouping->next);
    grouping->words = calloc(count + 1, sizeof *grouping->words);
    if (grouping->groups == NULL || grouping->next == NULL || grouping->words == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        where_words(scene, &scene->threads[i], grouping->words[i]);
        group_add(grouping, scene, i, expand);
    }
    return true;
}

static void thread_write(FILE *out, const struct where_thread *thread,
                         const struct where_style *style) {
    put(out, style, BOLD, where_thread_name(thread));
    if (thread->tid != 0) {
        (void)fprintf(out, " (%d)", thread->tid);
    }
}

static void group_write(FILE *out, const struct where_scene *scene, const struct grouping *grouping,
                        const struct group *group, const struct where_style *style) {
    if (group->size > 1) {
        (void)fprintf(out, "x %" PRIu32 ": ", group->size);
    }
    uint32_t index = group->first;
    for (uint32_t i = 0; i < group->size && i < NAMES_SHOWN; i++) {
        (void)fprintf(out, "%s", i == 0 ? "" : ", ");
        thread_write(out, &scene->threads[index], style);
        index = grouping->next[index];
    }
    (void)fprintf(out, "%s: ", group->size > NAMES_SHOWN ? ", ..." : "");
    put(out, style, DOING, grouping->words[group->first]);
    const struct thread_record *record = scene->threads[group->first].record;
    if (record != NULL && record->interpreter_id != 0) {
        (void)fprintf(out, ", in subinterpreter %" PRId64, record->interpreter_id);
    }
    (void)fprintf(out, "\n");
}

/* The arguments and locals of a frame, each below the other. */
static void locals_write(FILE *out, const struct frame *frame, struct where_detail *detail,
                         const struct where_style *style) {
    struct frame_locals locals;
    if (!detail->locals) {
        return;
    }
    if (frame_locals_read(&detail->values, detail->sync, frame, &locals) != STATUS_OK) {
        (void)fprintf(out, "          [its locals could not be read consistently]\n");
        return;
    }
    for (uint32_t i = 0; i < locals.count; i++) {
        (void)fprintf(out, "          ");
        put(out, style, PLAIN, locals.items[i].name);
        (void)fprintf(out, " = ");
        put(out, style, PLAIN, locals.items[i].text);
        (void)fprintf(out, "\n");
    }
    if (locals.more) {
        (void)fprintf(out, "          ...\n");
    }
}

static void frame_write(FILE *out, const struct frame *frame, struct where_detail *detail,
                        const struct where_style *style) {
    struct location location;
    char place[32];
    code_locate(frame->code, frame->unit, &location);
    (void)fprintf(out, "    ");
    put(out, style, FUNCTION, frame->code->function);
    (void)fprintf(out, " (");
    put(out, style, PLAIN, *frame->code->file == '\0' ? "?" : frame->code->file);
    (void)snprintf(place, sizeof place, ":%" PRId32 ")\n", location.line);
    (void)fprintf(out, "%s", place);
    const char *source = where_detail_line(detail, frame, location.line);
    if (source != NULL) {
        (void)fprintf(out, "        ");
        put(out, style, DIM, source);
        (void)fprintf(out, "\n");
    }
    locals_write(out, frame, detail, style);
}

static bool frame_is_shown(const struct frame *frame) {
    return frame->code != NULL && !frame->code->hidden;
}

static void stack_write(FILE *out, const struct where_thread *thread, struct where_detail *detail,
                        const struct where_style *style) {
    const struct stack *stack = &thread->record->stack;
    const struct frame *last = NULL;
    uint32_t repeats = 0;
    uint32_t shown = 0;
    for (uint32_t i = 0; i <= stack->depth; i++) {
        const struct frame *frame = i < stack->depth ? &stack->frames[i] : NULL;
        if (frame != NULL && !frame_is_shown(frame)) {
            continue;
        }
        bool same =
            frame != NULL && last != NULL && frame->code == last->code && frame->unit == last->unit;
        repeats = same ? repeats + 1 : repeats;
        if (same && repeats >= REPEATS_SHOWN && !style->expand) {
            continue;
        }
        if (!same && repeats >= REPEATS_SHOWN && !style->expand) {
            (void)fprintf(out, "    [the same %" PRIu32 " more time%s]\n",
                          repeats - REPEATS_SHOWN + 1, repeats == REPEATS_SHOWN ? "" : "s");
        }
        repeats = same ? repeats : 0;
        if (frame != NULL) {
            frame_write(out, frame, detail, style);
            shown++;
        }
        last = frame;
    }
    if (stack->cut) {
        (void)fprintf(out, "    [deeper frames are not shown]\n");
    }
    if (thread->torn) {
        (void)fprintf(out, "    [the stack could not be read consistently%s]\n",
                      shown == 0 ? "" : ": what stands here may be wrong");
    } else if (shown == 0) {
        (void)fprintf(out, "    [no Python frames]\n");
    }
}

/* One thread of a circle: what it waits for, and where the one before it took that. */
static void member_write(FILE *out, const struct where_scene *scene,
                         const struct where_thread *thread, const struct where_style *style) {
    char words[WHERE_WORDS_MAX];
    where_words(scene, thread, words);
    (void)fprintf(out, "    ");
    thread_write(out, thread, style);
    (void)fprintf(out, " is ");
    put(out, style, PLAIN, words);
    if (thread->wait.kind == WAIT_LOCK) {
        const struct stack *stack = &scene->threads[thread->holder].record->stack;
        const struct code *code = stack->frames[thread->holder_frame].code;
        (void)fprintf(out, " in ");
        put(out, style, FUNCTION, code->function);
        (void)fprintf(out, " (");
        put(out, style, PLAIN, code->file);
        (void)fprintf(out, ")");
    }
    (void)fprintf(out, "\n");
}

void where_text_deadlocks(FILE *out, const struct where_scene *scene,
                          const struct where_style *style) {
    for (uint32_t circle = 1; circle <= scene->circles; circle++) {
        uint32_t first = 0;
        uint32_t size = 0;
        for (uint32_t i = scene->count; i-- > 0;) {
            first = scene->threads[i].circle == circle ? i : first;
            size += scene->threads[i].circle == circle ? 1 : 0;
        }
        (void)fprintf(out, "\n");
        put(out, style, ALARM, "Deadlock");
        if (size == 1) {
            (void)fprintf(out, ": a thread waits for itself\n");
        } else {
            (void)fprintf(out, ": %" PRIu32 " threads wait for one another\n", size);
        }
        uint32_t at = first;
        for (uint32_t i = 0; i < size; i++) {
            member_write(out, scene, &scene->threads[at], style);
            at = scene->threads[at].holder;
        }
    }
}

void where_text_threads(FILE *out, const struct where_scene *scene, struct where_detail *detail,
                        const struct where_style *style) {
    __attribute__((cleanup(grouping_deinit))) struct grouping grouping = {.count = 0};
    if (!grouping_init(&grouping, scene, style->expand)) {
        (void)fprintf(out, "[out of memory]\n");
        return;
    }
    for (uint32_t i = 0; i < grouping.count; i++) {
        const struct group *group = &grouping.groups[i];
        const struct where_thread *thread = &scene->threads[group->first];
        (void)fprintf(out, "\n");
        group_write(out, scene, &grouping, group, style);
        if (thread->record != NULL) {
            stack_write(out, thread, detail, style);
        }
    }
}

void where_text_kernel(FILE *out, pid_t tid, const struct thread_activity *activity,
                       unsigned word_size, const struct where_style *style) {
    char words[WHERE_WORDS_MAX];
    where_words_kernel(activity, word_size, words);
    put(out, style, BOLD, activity->comm);
    (void)fprintf(out, " (%d): ", tid);
    put(out, style, DOING, words);
    (void)fprintf(out, "\n");
}
