#include "common/preload.h"

#include <string.h>

static const char name[] = "LD_PRELOAD=";

enum { NAME_LENGTH = sizeof name - 1 };

static char *value_of(char *variable) {
    return strncmp(variable, name, NAME_LENGTH) == 0 ? variable + NAME_LENGTH : NULL;
}

/* The entry in a list that the loader cuts at colons and spaces; NULL if it is not in there. */
static char *find_entry(char *list, const char *entry, size_t length) {
    for (char *at = list;; at++) {
        size_t part = strcspn(at, ": ");
        if (part == length && memcmp(at, entry, length) == 0) {
            return at;
        }
        at += part;
        if (*at == '\0') {
            return NULL;
        }
    }
}

/* The list that the loader goes by, NULL if there is none; and how many variables there are. */
static char *list_in_force(char *const *env, size_t *count) {
    char *list = NULL;
    *count = 0;
    for (; env != NULL && env[*count] != NULL; (*count)++) {
        char *value = value_of(env[*count]);
        list = value != NULL ? value : list;
    }
    return list;
}

/* Whether the loader is told to list what it loads, as ldd(1) does: our library would be in it. */
static bool is_listing(char *const *env) {
    static const char *const names[] = {"LD_TRACE_LOADED_OBJECTS=", "LD_DEBUG="};
    for (; env != NULL && *env != NULL; env++) {
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (strncmp(*env, names[i], strlen(names[i])) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool preload_measure(char *const *env, const char *entry, struct preload_room *out) {
    size_t count = 0;
    size_t length = strlen(entry);
    char *list = list_in_force(env, &count);
    if ((list != NULL && find_entry(list, entry, length) != NULL) || is_listing(env)) {
        return false;
    }
    out->pointers = count + 2;
    out->bytes = NAME_LENGTH + (list == NULL ? 0 : strlen(list) + 1) + length + 1;
    return true;
}

/* Copies a text to `at`; the place of its end. */
static char *append(char *at, const char *text) {
    size_t length = strlen(text);
    memcpy(at, text, length + 1);
    return at + length;
}

void preload_add(char *const *env, const char *entry, char **array, char *text) {
    size_t count = 0;
    const char *list = list_in_force(env, &count);
    if (count > 0) {
        memcpy(array, env, count * sizeof *array);
    }
    array[count] = text;
    array[count + 1] = NULL;
    char *at = append(text, name);
    if (list != NULL) {
        at = append(append(at, list), ":");
    }
    (void)append(at, entry);
}

/* Whether the variable is one that preload_add made: what stands before the entry is the value of
 * the LD_PRELOAD before it. */
static bool is_added(const char *list, const char *at, const char *previous, size_t length) {
    if (at[length] != '\0') {
        return false;
    }
    if (at == list) {
        return true;
    }
    size_t before = (size_t)(at - list) - 1;
    return previous != NULL && strlen(previous) == before && memcmp(previous, list, before) == 0;
}

/* Takes the entry out of a list, with one of the separators beside it, and clears what is left over
 * at the end. */
static void cut_entry(const char *list, char *at, size_t length) {
    char *rest = at + length;
    char *end = rest + strlen(rest);
    if (*rest != '\0') {
        rest++;
    } else if (at > list) {
        at--;
    }
    size_t kept = (size_t)(end - rest);
    memmove(at, rest, kept);
    memset(at + kept, 0, (size_t)(end - (at + kept)));
}

/* Takes a pointer out of an array that ends with NULL. */
static void drop(char **array, const char *pointer) {
    char **to = array;
    for (char **from = array; *from != NULL; from++) {
        if (*from != pointer) {
            *to++ = *from;
        }
    }
    *to = NULL;
}

bool preload_remove(char **env, char **copy, const char *entry) {
    size_t length = strlen(entry);
    const char *previous = NULL;
    char **to = env;
    bool found = false;
    for (char **from = env; *from != NULL; from++) {
        char *list = value_of(*from);
        char *at = list == NULL ? NULL : find_entry(list, entry, length);
        found |= at != NULL;
        if (at != NULL && is_added(list, at, previous, length)) {
            memset(*from, 0, strlen(*from));
            if (copy != NULL) {
                drop(copy, *from);
            }
            continue;
        }
        while (at != NULL) { /* as often as it is in there */
            cut_entry(list, at, length);
            at = find_entry(list, entry, length);
        }
        previous = list != NULL ? list : previous;
        *to++ = *from;
    }
    *to = NULL;
    return found;
}
