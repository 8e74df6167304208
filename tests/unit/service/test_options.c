#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

#include "daemon/service/options.h"

enum { ARGUMENTS_MAX = 16 };

static char words_kept[1024];
static char *arguments[ARGUMENTS_MAX + 1];

/* Parses the words up to a NULL, as echiond's arguments. */
static enum status parse(struct options *out, struct error *error, ...) {
    va_list words;
    int count = 0;
    char *end = words_kept;
    arguments[count++] = strcpy(end, "echiond");
    end += sizeof "echiond";
    va_start(words, error);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        cr_assert_lt(count, ARGUMENTS_MAX);
        cr_assert_lt(strlen(word), (size_t)(words_kept + sizeof words_kept - end));
        arguments[count++] = strcpy(end, word);
        end += strlen(word) + 1;
    }
    va_end(words);
    arguments[count] = NULL;
    memset(out, 0, sizeof *out);
    memset(error, 0, sizeof *error);
    return options_parse(count, arguments, out, error);
}

static void expect_refused(const struct error *error, enum status status, const char *what) {
    cr_assert_neq(status, STATUS_OK);
    cr_assert(strstr(error->text, what) != NULL, "\"%s\" does not say \"%s\"", error->text, what);
}

Test(options, attach_with_everything_default) {
    struct options options;
    struct error error;
    cr_assert_eq(parse(&options, &error, "-p", "4321", NULL), STATUS_OK);
    cr_assert_eq(options.action, OPTIONS_PROFILE);
    cr_assert_eq(options.pid, 4321);
    cr_assert_null(options.command);
    cr_assert_str_eq(options.output, "%(pid).austin");
    cr_assert_eq(options.interval_ns, 1000000);
    cr_assert_eq(options.exposure_ns, 0);
    cr_assert_not(options.format_given || options.cpu || options.quiet || options.verbose ||
                  options.stealth || options.no_shim);
}

Test(options, short_options_bundle) {
    struct options options;
    struct error error;
    cr_assert_eq(parse(&options, &error, "-cCqvp77", "-o-", NULL), STATUS_OK);
    cr_assert(options.cpu && options.children && options.quiet && options.verbose);
    cr_assert_eq(options.pid, 77);
    cr_assert_str_eq(options.output, "-");
    cr_assert_eq(parse(&options, &error, "-sCp77", NULL), STATUS_OK);
    cr_assert(options.stealth && options.children && !options.no_shim);
}

Test(options, long_options) {
    struct options options;
    struct error error;
    cr_assert_eq(parse(&options, &error, "--no-shim", "python3", NULL), STATUS_OK);
    cr_assert(options.no_shim && !options.stealth);
    cr_assert_eq(parse(&options, &error, "--stealth", "python3", NULL), STATUS_OK);
    cr_assert(options.stealth && !options.no_shim);
    cr_assert_eq(parse(&options, &error, "--pid=5", "--output", "x.mojo", "--interval=2ms",
                       "--exposure", "0.25", "--cpu", "--quiet", "--verbose", "--format=mojo",
                       NULL),
                 STATUS_OK);
    cr_assert_eq(options.pid, 5);
    cr_assert_str_eq(options.output, "x.mojo");
    cr_assert_eq(options.interval_ns, 2000000);
    cr_assert_eq(options.exposure_ns, 250000000);
    cr_assert(options.cpu && options.quiet && options.verbose && options.format_given);
    cr_assert_eq(options.format, OUTPUT_FORMAT_MOJO);
}

Test(options, what_follows_the_command_is_the_commands) {
    struct options options;
    struct error error;
    cr_assert_eq(
        parse(&options, &error, "-i", "500us", "python", "app.py", "-p", "3", "--cpu", NULL),
        STATUS_OK);
    cr_assert_eq(options.pid, 0);
    cr_assert_not(options.cpu);
    cr_assert_str_eq(options.command[0], "python");
    cr_assert_str_eq(options.command[2], "-p");
    cr_assert_str_eq(options.command[4], "--cpu");
    cr_assert_null(options.command[5]);
    cr_assert_eq(parse(&options, &error, "-c", "--", "-odd", NULL), STATUS_OK);
    cr_assert_str_eq(options.command[0], "-odd");
}

Test(options, help_and_version_need_nothing_else) {
    struct options options;
    struct error error;
    cr_assert_eq(parse(&options, &error, "-h", NULL), STATUS_OK);
    cr_assert_eq(options.action, OPTIONS_SHOW_HELP);
    cr_assert_eq(parse(&options, &error, "-cV", NULL), STATUS_OK);
    cr_assert_eq(options.action, OPTIONS_SHOW_VERSION);
}

Test(options, intervals) {
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"0", 0},
        {"0ms", 0},
        {"1", 1000},
        {"100", 100000},
        {"500us", 500000},
        {"0.5ms", 500000},
        {"2ms", 2000000},
        {"1s", 1000000000},
        {"1.25s", 1250000000},
        {"3600s", 3600000000000},
        {".1s", 100000000},
        {"1.5", 1000},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct options options;
        struct error error;
        cr_assert_eq(parse(&options, &error, "-p", "1", "-i", good[i].text, NULL), STATUS_OK, "%s",
                     good[i].text);
        cr_assert_eq(options.interval_ns, good[i].ns, "%s", good[i].text);
    }
}

Test(options, intervals_refused) {
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "not a number"},
        {"fast", "not a number"},
        {"-5", "not a number"},
        {"5m", "not a number"},
        {"5 us", "not a number"},
        {"0x10", "not a number"},
        {"1e3", "not a number"},
        {"nan", "not a number"},
        {"inf", "not a number"},
        {".", "not a number"},
        {"0.5", "out of range"},
        {"0.0001ms", "out of range"},
        {"3601s", "out of range"},
        {"18446744073709551615s", "out of range"},
        {"18446744073709551616", "not a number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct options options;
        struct error error;
        enum status status = parse(&options, &error, "-p", "1", "-i", bad[i].text, NULL);
        expect_refused(&error, status, bad[i].why);
        expect_refused(&error, status, "interval");
    }
}

Test(options, exposures) {
    struct options options;
    struct error error;
    cr_assert_eq(parse(&options, &error, "-p", "1", "-x", "30", NULL), STATUS_OK);
    cr_assert_eq(options.exposure_ns, 30000000000);
    cr_assert_eq(parse(&options, &error, "-p", "1", "-x", "0.001", NULL), STATUS_OK);
    cr_assert_eq(options.exposure_ns, 1000000);
    static const struct {
        const char *text, *why;
    } bad[] = {{"0", "out of range"},        {"-1", "not a number"},
               {"", "not a number"},         {"soon", "not a number"},
               {"31536001", "out of range"}, {"30s", "not a number"},
               {"0.0001", "out of range"},   {"99999999999999", "out of range"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum status status = parse(&options, &error, "-p", "1", "-x", bad[i].text, NULL);
        expect_refused(&error, status, bad[i].why);
        expect_refused(&error, status, "exposure");
    }
}

Test(options, pids_refused) {
    static const struct {
        const char *text, *why;
    } bad[] = {{"0", "no process"},
               {"-1", "no process"},
               {"000", "no process"},
               {"2147483648", "no process"},
               {"99999999999999999999", "no process"},
               {"", "not a process id"},
               {"python", "not a process id"},
               {"12x", "not a process id"},
               {"-", "not a process id"},
               {"+3", "not a process id"},
               {" 3", "not a process id"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct options options;
        struct error error;
        expect_refused(&error, parse(&options, &error, "-p", bad[i].text, NULL), bad[i].why);
    }
}

Test(options, both_or_neither) {
    struct options options;
    struct error error;
    expect_refused(&error, parse(&options, &error, "-p", "3", "python", NULL), "both");
    expect_refused(&error, parse(&options, &error, "-c", NULL), "nothing to profile");
    expect_refused(&error, parse(&options, &error, NULL), "nothing to profile");
    expect_refused(&error, parse(&options, &error, "", NULL), "empty");
}

Test(options, where) {
    struct options options;
    struct error error;
    cr_assert_eq(parse(&options, &error, "-vw", "77", NULL), STATUS_OK);
    cr_expect_eq(options.action, OPTIONS_WHERE);
    cr_expect_eq(options.pid, 77);
    cr_expect(options.verbose);
    cr_assert_eq(parse(&options, &error, "--where=78", "-v", NULL), STATUS_OK);
    cr_expect_eq(options.action, OPTIONS_WHERE);
    cr_expect_eq(options.pid, 78);
    cr_assert_eq(parse(&options, &error, "-w3", "--help", NULL), STATUS_OK);
    cr_expect_eq(options.action, OPTIONS_SHOW_HELP);
    expect_refused(&error, parse(&options, &error, "-w", "x", NULL), "'x' is not a process id");
    expect_refused(&error, parse(&options, &error, "-w", "1", "2", NULL), "'2' has no meaning");
    expect_refused(&error, parse(&options, &error, "-w", "1", "-p", "2", NULL), "'-p'");
    expect_refused(&error, parse(&options, &error, "-cw", "1", NULL), "'-cw'");
    expect_refused(&error, parse(&options, &error, "-w1", "--no-shim", NULL), "'--no-shim'");
}

Test(options, unknown_ones_and_missing_values) {
    struct options options;
    struct error error;
    expect_refused(&error, parse(&options, &error, "-n", "-p", "3", NULL), "'-n'");
    expect_refused(&error, parse(&options, &error, "-cz", "-p", "3", NULL), "'-z'");
    expect_refused(&error, parse(&options, &error, "--native", "-p", "3", NULL), "'--native'");
    expect_refused(&error, parse(&options, &error, "--unwind=3", NULL), "'--unwind'");
    expect_refused(&error, parse(&options, &error, "-p", NULL), "'-p' needs a value");
    expect_refused(&error, parse(&options, &error, "--pid", NULL), "'--pid' needs a value");
    expect_refused(&error, parse(&options, &error, "--cpu=1", "-p", "3", NULL), "takes no value");
    expect_refused(&error, parse(&options, &error, "-p3", "--format", "svg", NULL),
                   "--format austin or mojo");
    expect_refused(&error, parse(&options, &error, "-p3", "-o", "", NULL), "empty");
}
