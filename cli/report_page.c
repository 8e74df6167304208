#include "cli/report_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/display.h"
#include "common/guard.h"

enum { AMOUNT_MAX = 48, NAME_COLUMNS_MIN = 20 };

/* One unit for a whole page, so that its columns can be compared at a glance. */
struct unit {
    const char *name;
    double size; /* in microseconds or bytes */
    int decimals;
};

static struct unit choose_unit(const struct tally *tally) {
    double total = tally->total < 0 ? -(double)tally->total : (double)tally->total;
    if (tally->mode != NULL && strcmp(tally->mode, "memory") == 0) {
        return total < 1 << 20 ? (struct unit){"KiB", 1 << 10, 1}
                               : (struct unit){"MiB", 1 << 20, 2};
    }
    if (total < 1e6) {
        return (struct unit){"ms", 1e3, 3};
    }
    return (struct unit){"s", 1e6, total < 1e8 ? 3 : 2};
}

static void format_amount(char text[AMOUNT_MAX], int64_t amount, struct unit unit) {
    (void)snprintf(text, AMOUNT_MAX, "%.*f %s", unit.decimals, (double)amount / unit.size,
                   unit.name);
}

static double percent(int64_t part, int64_t whole) {
    return whole == 0 ? 0 : 100 * (double)part / (double)whole;
}

/* A line of the head; `text` comes out of the file. False without memory. */
static bool print_field(FILE *out, const char *name, const char *text) {
    GUARD_FREE char *clean = display_clean(text, strlen(text));
    if (clean == NULL) {
        return false;
    }
    (void)fprintf(out, "%-10s%s\n", name, clean);
    return true;
}

static const char *mode_text(const char *mode) {
    static const struct {
        const char *mode, *text;
    } known[] = {
        {"wall", "wall clock: the time that passed, waiting included"},
        {"cpu", "CPU time"},
        {"memory", "memory: bytes allocated less bytes freed"},
        {"full", "full, of which the time is shown"},
    };
    for (size_t i = 0; mode != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(mode, known[i].mode) == 0) {
            return known[i].text;
        }
    }
    return mode == NULL ? "not told by the file" : mode;
}

/* A metadata value that should be a number, -1 if it is none or not there. */
static int64_t number_of(const char *text) {
    char *end;
    if (text == NULL || *text < '0' || *text > '9') {
        return -1;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno != 0 || *end != '\0' ? -1 : number;
}

static void print_duration(FILE *out, const struct tally *tally) {
    int64_t duration = number_of(tally->duration);
    if (duration < 0) {
        (void)fprintf(out, "%-10s%s\n", "duration",
                      "not told by the file: its writer did not finish");
    } else {
        (void)fprintf(out, "%-10s%.3f s\n", "duration", (double)duration / 1e6);
    }
}

/* The text format sums equal stacks: there only the metadata tells how many samples there were. */
static void print_samples(FILE *out, const struct report_page *page) {
    const struct tally *tally = page->tally;
    int64_t told = number_of(tally->sample_count);
    if (page->facts->format == PROFILE_TEXT && told >= 0) {
        (void)fprintf(out, "%-10s%" PRId64 ", summed in %" PRIu64 " lines", "samples", told,
                      tally->samples);
    } else {
        (void)fprintf(out, "%-10s%" PRIu64,
                      page->facts->format == PROFILE_TEXT ? "lines" : "samples", tally->samples);
    }
    int64_t interval = number_of(tally->interval);
    if (interval > 0) {
        (void)fprintf(out, "; one every %" PRId64 " us", interval);
    }
    const struct {
        const char *count, *name;
    } flaws[] = {{tally->missed, "missed"}, {tally->late, "late"}, {tally->torn, "torn"}};
    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        if (number_of(flaws[i].count) > 0) {
            (void)fprintf(out, "; %" PRId64 " %s", number_of(flaws[i].count), flaws[i].name);
        }
    }
    (void)fputc('\n', out);
}

/* CPU time that the process used and no stack accounts for. */
static void print_elsewhere(FILE *out, const struct tally *tally, struct unit unit) {
    const struct {
        const char *amount, *whose;
    } parts[] = {
        {tally->cpu_native, "CPU time of threads that run no Python"},
        {tally->cpu_unseen, "CPU time of threads that were never seen"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (number_of(parts[i].amount) > 0) {
            char amount[AMOUNT_MAX];
            format_amount(amount, number_of(parts[i].amount), unit);
            (void)fprintf(out, "%-10s%s %s\n", "besides", amount, parts[i].whose);
        }
    }
}

static bool print_head(FILE *out, const struct report_page *page, struct unit unit) {
    const struct tally *tally = page->tally;
    uint32_t processes = names_count(tally->processes);
    char total[AMOUNT_MAX];
    if (!print_field(out, "profile", page->file) ||
        !print_field(out, "mode", mode_text(tally->mode)) ||
        (tally->python != NULL && !print_field(out, "python", tally->python))) {
        return false;
    }
    print_duration(out, tally);
    print_samples(out, page);
    (void)fprintf(out, "%-10s%" PRIu32, "threads", names_count(tally->threads));
    if (processes > 1) {
        (void)fprintf(out, " in %" PRIu32 " processes", processes);
    }
    format_amount(total, tally->total, unit);
    (void)fprintf(out, "\n%-10s%s%s\n", "together", total,
                  names_count(tally->threads) > 1 ? ", all threads added up" : "");
    print_elsewhere(out, tally, unit);
    if (page->facts->cut) {
        (void)fprintf(out, "%-10s%s\n", "note", "the last record was cut off; it is left out");
    }
    if (page->facts->skipped > 0) {
        (void)fprintf(out, "%-10s%" PRIu64 " lines are no samples; they are left out\n", "note",
                      page->facts->skipped);
    }
    return true;
}

/* The name of a function as it is shown, to be freed. Special frames get back the colon that stands
 * for the line that they do not have. */
static char *shown_name(const struct tally *tally, uint32_t function) {
    size_t size;
    const char *name = names_text(tally->names, function, &size);
    if (strcmp(name, ":INVALID") == 0) {
        return strdup(":INVALID: (the stack could not be read further)");
    }
    if (strcmp(name, ":GC") == 0) {
        return strdup(":GC: (collecting garbage)");
    }
    return display_clean(name, size);
}

static bool print_row(FILE *out, const struct report_page *page, struct unit unit, int amount_width,
                      uint32_t function) {
    const struct tally *tally = page->tally;
    const struct tally_function *entry = &tally->functions[function];
    GUARD_FREE char *name = shown_name(tally, function);
    if (name == NULL) {
        return false;
    }
    char self[AMOUNT_MAX], total[AMOUNT_MAX];
    format_amount(self, entry->self, unit);
    format_amount(total, entry->total, unit);
    int used = fprintf(out, "%*s %5.1f%%  %*s %5.1f%%  ", amount_width, self,
                       percent(entry->self, tally->total), amount_width, total,
                       percent(entry->total, tally->total));
    const char *shown = name;
    if (page->width > 0 && used > 0) {
        unsigned left = page->width > (unsigned)used ? page->width - (unsigned)used : 0;
        shown = display_cut_front(name, left > NAME_COLUMNS_MIN ? left : NAME_COLUMNS_MIN);
    }
    (void)fprintf(out, "%s\n", shown);
    return true;
}

static bool print_table(FILE *out, const struct report_page *page, struct unit unit) {
    uint32_t known;
    GUARD_FREE uint32_t *ranking = tally_ranking(page->tally, &known);
    if (ranking == NULL) {
        return false;
    }
    uint32_t shown = known < page->count ? known : page->count;
    int amount_width = (int)strlen("total");
    for (uint32_t i = 0; i < shown; i++) {
        const struct tally_function *entry = &page->tally->functions[ranking[i]];
        const int64_t amounts[] = {entry->self, entry->total};
        for (unsigned j = 0; j < 2; j++) {
            char text[AMOUNT_MAX];
            format_amount(text, amounts[j], unit);
            int width = (int)strlen(text);
            amount_width = width > amount_width ? width : amount_width;
        }
    }
    (void)fprintf(out, "\n%*s %6s  %*s %6s  %s\n", amount_width, "self", "", amount_width, "total",
                  "", "file:function");
    for (uint32_t i = 0; i < shown; i++) {
        if (!print_row(out, page, unit, amount_width, ranking[i])) {
            return false;
        }
    }
    if (shown < known) {
        (void)fprintf(out,
                      "\n%" PRIu32 " more functions are not shown; -n %" PRIu32 " shows all.\n",
                      known - shown, known);
    }
    return true;
}

enum status report_page_print(const struct report_page *page, FILE *out) {
    struct unit unit = choose_unit(page->tally);
    if (!print_head(out, page, unit)) {
        return STATUS_NOMEM;
    }
    if (page->tally->samples == 0) {
        (void)fputs("\nThis profile is empty: it has no samples.\n", out);
    } else if (!print_table(out, page, unit)) {
        return STATUS_NOMEM;
    }
    return fflush(out) != 0 || ferror(out) ? STATUS_SYS : STATUS_OK;
}
