#include "daemon/service/where_json.h"

#include <inttypes.h>
#include <string.h>

#include "common/display.h"
#include "common/guard.h"
#include "daemon/service/where_words.h"
#include "daemon/target/syscall_name.h"

enum { COMMAND_MAX = 4096 };

/* Text is valid UTF-8 without control characters once it is fit for a terminal. */
static void string_write(FILE *out, const char *text) {
    GUARD_FREE char *clean = display_clean(text, strlen(text));
    (void)fputc('"', out);
    for (const char *at = clean == NULL ? "" : clean; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            (void)fputc('\\', out);
        }
        (void)fputc(*at, out);
    }
    (void)fputc('"', out);
}

static void member_string(FILE *out, const char *name, const char *text) {
    string_write(out, name);
    (void)fprintf(out, ": ");
    string_write(out, text);
}

static const char *truth(bool value) {
    return value ? "true" : "false";
}

/* "state" and "system_call". */
static void activity_write(FILE *out, const struct thread_activity *activity, unsigned word_size) {
    const char *name = activity->in_call ? syscall_name(activity->call, word_size) : NULL;
    (void)fprintf(out, "\"state\": \"%c\", \"system_call\": ", activity->state);
    if (name != NULL) {
        string_write(out, name);
    } else if (activity->in_call) {
        (void)fprintf(out, "\"%" PRId64 "\"", activity->call);
    } else {
        (void)fprintf(out, "null");
    }
}

static void wait_write(FILE *out, const struct where_scene *scene,
                       const struct where_thread *thread) {
    static const char *const kinds[] = {[WAIT_LOCK] = "Lock",
                                        [WAIT_RLOCK] = "RLock",
                                        [WAIT_THREAD] = "thread",
                                        [WAIT_EVENT] = "event"};
    const struct thread_wait *wait = &thread->wait;
    (void)fprintf(out, "\"waits_for\": ");
    if (wait->kind == WAIT_NONE) {
        (void)fprintf(out, "null");
        return;
    }
    (void)fprintf(out, "{\"kind\": \"%s\", \"timed\": %s", kinds[wait->kind], truth(wait->timed));
    if (wait->object != 0) {
        (void)fprintf(out, ", \"address\": \"0x%" PRIx64 "\"", wait->object);
    }
    if (wait->what != NULL) {
        (void)fprintf(out, ", ");
        member_string(out, "call", wait->what);
    }
    if (thread->holder != WAIT_GRAPH_NOBODY) {
        (void)fprintf(out, ", \"holder\": %d", scene->threads[thread->holder].tid);
    } else {
        (void)fprintf(out, ", \"holder\": null");
    }
    (void)fprintf(out, "}");
}

static void locals_write(FILE *out, const struct frame *frame, struct where_detail *detail) {
    struct frame_locals locals;
    if (!detail->locals) {
        return;
    }
    if (frame_locals_read(&detail->values, detail->sync, frame, &locals) != STATUS_OK) {
        (void)fprintf(out, ", \"locals\": null");
        return;
    }
    (void)fprintf(out, ", \"locals\": {");
    for (uint32_t i = 0; i < locals.count; i++) {
        (void)fprintf(out, "%s", i == 0 ? "" : ", ");
        member_string(out, locals.items[i].name, locals.items[i].text);
    }
    (void)fprintf(out, "}");
}

static void frames_write(FILE *out, const struct stack *stack, struct where_detail *detail) {
    const char *comma = "";
    (void)fprintf(out, "\"frames\": [");
    for (uint32_t i = 0; i < stack->depth; i++) {
        const struct frame *frame = &stack->frames[i];
        struct location location;
        if (frame->code == NULL || frame->code->hidden) {
            continue;
        }
        code_locate(frame->code, frame->unit, &location);
        const char *source = where_detail_line(detail, frame, location.line);
        (void)fprintf(out, "%s\n        {", comma);
        member_string(out, "function", frame->code->function);
        (void)fprintf(out, ", ");
        member_string(out, "file", frame->code->file);
        (void)fprintf(out, ", \"line\": %" PRId32 ", \"source\": ", location.line);
        if (source != NULL) {
            string_write(out, source);
        } else {
            (void)fprintf(out, "null");
        }
        locals_write(out, frame, detail);
        (void)fprintf(out, "}");
        comma = ",";
    }
    (void)fprintf(out, "]");
}

static void thread_write(FILE *out, const struct where_scene *scene,
                         const struct where_thread *thread, struct where_detail *detail) {
    char words[WHERE_WORDS_MAX];
    bool python = thread->record != NULL;
    (void)fprintf(out, "\n      {");
    member_string(out, "name", where_thread_name(thread));
    if (thread->tid != 0) {
        (void)fprintf(out, ", \"tid\": %d", thread->tid);
    } else {
        (void)fprintf(out, ", \"tid\": null");
    }
    (void)fprintf(out, ", \"python\": %s, ", truth(python));
    where_words(scene, thread, words);
    member_string(out, "doing", words);
    if (thread->known) {
        (void)fprintf(out, ", ");
        activity_write(out, &thread->activity, scene->runtime->layout.word_size);
    }
    if (python) {
        (void)fprintf(out,
                      ", \"interpreter\": %" PRId64 ", \"gil\": %s, \"consistent\": %s,\n       ",
                      thread->record->interpreter_id,
                      thread->holds_gil   ? "\"holds\""
                      : thread->wants_gil ? "\"waits\""
                                          : "null",
                      truth(!thread->torn && !thread->record->stack.cut));
        wait_write(out, scene, thread);
        (void)fprintf(out, ",\n       ");
        frames_write(out, &thread->record->stack, detail);
    }
    (void)fprintf(out, "}");
}

static void deadlocks_write(FILE *out, const struct where_scene *scene) {
    (void)fprintf(out, "    \"deadlocks\": [");
    for (uint32_t circle = 1; circle <= scene->circles; circle++) {
        const char *comma = "";
        (void)fprintf(out, "%s[", circle == 1 ? "" : ", ");
        for (uint32_t i = 0; i < scene->count; i++) {
            if (scene->threads[i].circle == circle) {
                (void)fprintf(out, "%s%d", comma, scene->threads[i].tid);
                comma = ", ";
            }
        }
        (void)fprintf(out, "]");
    }
    (void)fprintf(out, "],\n");
}

void where_json_process(FILE *out, const struct where_scene *scene, struct where_detail *detail) {
    const struct process *process = scene->process;
    const struct runtime *runtime = scene->runtime;
    char version[RUNTIME_VERSION_MAX];
    char command[COMMAND_MAX];
    runtime_version_text(runtime, version, sizeof version);
    (void)fprintf(out, "{\"pid\": %d, ", process->pid);
    if (process_command_line(process, command, sizeof command) == STATUS_OK) {
        member_string(out, "command", command);
    } else {
        (void)fprintf(out, "\"command\": null");
    }
    (void)fprintf(out,
                  ", \"python\": \"%s\", \"bits\": %u, \"jit\": %s, \"uptime\": %" PRIu64
                  ", \"uid\": %u,\n",
                  version, runtime->layout.word_size * 8U, truth(runtime->jit),
                  where_scene_age(scene), (unsigned)process->uid);
    deadlocks_write(out, scene);
    (void)fprintf(out, "    \"threads\": [");
    for (uint32_t i = 0; i < scene->count; i++) {
        (void)fprintf(out, "%s", i == 0 ? "" : ",");
        thread_write(out, scene, &scene->threads[i], detail);
    }
    (void)fprintf(out, "]}");
}

void where_json_kernel_begin(FILE *out, pid_t pid) {
    (void)fprintf(out, "{\"pid\": %d, \"python\": null, \"threads\": [", pid);
}

void where_json_kernel_thread(FILE *out, pid_t tid, const struct thread_activity *activity,
                              unsigned word_size, bool first) {
    char words[WHERE_WORDS_MAX];
    where_words_kernel(activity, word_size, words);
    (void)fprintf(out, "%s\n      {", first ? "" : ",");
    member_string(out, "name", activity->comm);
    (void)fprintf(out, ", \"tid\": %d, ", tid);
    member_string(out, "doing", words);
    (void)fprintf(out, ", ");
    activity_write(out, activity, word_size);
    (void)fprintf(out, "}");
}

void where_json_kernel_end(FILE *out) {
    (void)fprintf(out, "]}");
}
