#include "conversation.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PYTHONS_MAX = 32 };

/* Adds pyenv's interpreters that we know layouts of. */
static void pythons_add_pyenv(const char **found, unsigned count) {
    static glob_t pyenv;
    const char *home = getenv("HOME");
    char pattern[4096];
    (void)snprintf(pattern, sizeof pattern, "%s/.pyenv/versions/3.*/bin/python3",
                   home != NULL ? home : "");
    if (glob(pattern, 0, NULL, &pyenv) != 0) {
        return;
    }
    for (size_t i = 0; i < pyenv.gl_pathc && count < PYTHONS_MAX - 1; i++) {
        unsigned minor = 0;
        const char *version = strstr(pyenv.gl_pathv[i], "/versions/3.");
        if (version != NULL && sscanf(version, "/versions/3.%u.", &minor) == 1 &&
            layout_find(3, minor, sizeof(void *)) != NULL) {
            found[count++] = pyenv.gl_pathv[i];
        }
    }
}

const char *const *conversation_pythons(void) {
    static const char *found[PYTHONS_MAX];
    const char *wanted = getenv("ECHION_PYTHONS");
    if (found[0] != NULL) {
        return found;
    }
    if (wanted == NULL) {
        found[0] = "/usr/bin/python3.11";
        pythons_add_pyenv(found, 1);
        return found;
    }
    char *rest = strdup(wanted);
    for (unsigned count = 0; rest != NULL && count < PYTHONS_MAX - 1;) {
        found[count++] = strsep(&rest, ":");
    }
    return found;
}

static char *script_path(void) {
    char here[] = __FILE__;
    char *path = NULL;
    cr_assert(asprintf(&path, "%s/../../targets/thread_names.py", dirname(here)) > 0);
    return path;
}

struct raddr conversation_interpreter(const struct conversation *conversation) {
    uint64_t interpreter = 0;
    struct raddr head =
        raddr_add(conversation->runtime, conversation->layout->runtime.interpreters_head);
    cr_assert_eq(memory_read_word(&conversation->memory, head, &interpreter), STATUS_OK);
    return raddr_make(interpreter);
}

struct conversation *conversation_open(const char *python) {
    struct conversation *conversation = calloc(1, sizeof *conversation);
    char *script = script_path();
    int to[2], from[2];
    cr_assert(conversation != NULL && pipe(to) == 0 && pipe(from) == 0);
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        (void)dup2(to[0], 0);
        (void)dup2(from[1], 1);
        (void)close(to[1]);
        (void)close(from[0]);
        (void)execl(python, python, "-W", "ignore", script, (char *)NULL);
        _exit(127);
    }
    free(script);
    (void)close(to[0]);
    (void)close(from[1]);
    conversation->started = pid;
    conversation->to = fdopen(to[1], "w");
    conversation->from = fdopen(from[0], "r");
    uint64_t runtime = 0;
    unsigned minor = 0, word_size = 0;
    cr_assert(conversation->to != NULL && conversation->from != NULL);
    cr_assert_eq(fscanf(conversation->from, "%" SCNu64 " %d %u %u", &runtime, &conversation->pid,
                        &minor, &word_size),
                 4, "%s does not begin", python);
    conversation->memory =
        (struct memory){.pid = conversation->pid, .word_size = (uint8_t)word_size};
    conversation->layout = layout_find(3, minor, word_size);
    cr_assert_not_null(conversation->layout, "no layout for 3.%u, %u", minor, word_size);
    conversation->runtime = raddr_make(runtime);
    conversation->interpreter = conversation_interpreter(conversation);
    return conversation;
}

static void told_clear(struct conversation *conversation) {
    for (unsigned i = 0; i < conversation->told_count; i++) {
        free(conversation->told[i].name);
    }
    conversation->told_count = 0;
}

void conversation_close(struct conversation *conversation) {
    told_clear(conversation);
    (void)fclose(conversation->to);
    (void)fclose(conversation->from);
    (void)kill(conversation->started, SIGKILL);
    if (conversation->pid != conversation->started) {
        (void)kill(conversation->pid, SIGKILL);
    }
    (void)waitpid(conversation->started, NULL, 0);
    free(conversation);
}

static void told_take(struct conversation *conversation, const char *line) {
    cr_assert_lt(conversation->told_count, TOLD_MAX);
    struct told *told = &conversation->told[conversation->told_count++];
    int at = 0;
    *told = (struct told){.name = calloc(TOLD_NAME_MAX, sizeof *told->name)};
    cr_assert(told->name != NULL && sscanf(line, "%" SCNu64 " %" SCNd64 " %n", &told->ident,
                                           &told->native_id, &at) == 2,
              "what is this: %s", line);
    unsigned point = 0;
    for (line += at; told->length < TOLD_NAME_MAX && sscanf(line, "%6x", &point) == 1; line += 6) {
        told->name[told->length++] = point;
    }
}

void conversation_ask(struct conversation *conversation, const char *step) {
    char *line = NULL;
    size_t size = 0;
    told_clear(conversation);
    (void)fprintf(conversation->to, "%s\n", step);
    (void)fflush(conversation->to);
    for (;;) {
        cr_assert(getline(&line, &size, conversation->from) > 0, "the target ended at %s", step);
        int pid = 0, at = 0;
        if (strcmp(line, ".\n") == 0) {
            break;
        }
        if (sscanf(line, "%d\n%n", &pid, &at) == 1 && line[at] == '\0') {
            conversation->pid = pid; /* the fork of it that answers now */
            conversation->memory.pid = pid;
        } else if (line[0] != '\n') {
            told_take(conversation, line);
        }
    }
    free(line);
}
