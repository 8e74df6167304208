#include "daemon/service/options.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

#define DEFAULT_INTERVAL_NS NS_PER_MS
#define INTERVAL_MIN_NS NS_PER_US
#define INTERVAL_MAX_NS (3600 * NS_PER_S)
#define EXPOSURE_MIN_NS NS_PER_MS
#define EXPOSURE_MAX_NS (UINT64_C(365) * 24 * 3600 * NS_PER_S)

enum { OPTION_FORMAT = 256, OPTION_NO_SHIM, OPTION_JSON, OPTION_LOCALS };

static const struct option long_options[] = {
    {"pid", required_argument, NULL, 'p'},
    {"where", required_argument, NULL, 'w'},
    {"output", required_argument, NULL, 'o'},
    {"interval", required_argument, NULL, 'i'},
    {"exposure", required_argument, NULL, 'x'},
    {"cpu", no_argument, NULL, 'c'},
    {"children", no_argument, NULL, 'C'},
    {"stealth", no_argument, NULL, 's'},
    {"no-shim", no_argument, NULL, OPTION_NO_SHIM},
    {"json", no_argument, NULL, OPTION_JSON},
    {"locals", no_argument, NULL, OPTION_LOCALS},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {NULL, 0, NULL, 0},
};

/* "+": stop at the first word that is no option; ":": report a missing argument as ':'. */
static const char short_options[] = "+:p:w:o:i:x:cCsqvVh";

/* Reads a decimal number with an optional fraction from the start of `text` as a multiple of `unit`
 * nanoseconds; `*rest` is what follows it. Digits below a nanosecond are dropped. False if there is
 * no number or it does not fit. No strtod: that takes "inf", "0x10" and the locale's comma. */
static bool parse_decimal(const char *text, uint64_t *whole, uint64_t *billionths,
                          const char **rest) {
    const char *at = text;
    bool digits = false;
    uint64_t value = 0;
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
            return false;
        }
        digits = true;
    }
    uint64_t fraction = 0;
    if (*at == '.') {
        uint64_t scale = NS_PER_S / 10;
        for (at++; isdigit((unsigned char)*at); at++) {
            fraction += (uint64_t)(*at - '0') * scale;
            scale /= 10;
            digits = true;
        }
    }
    *whole = value;
    *billionths = fraction;
    *rest = at;
    return digits;
}

static bool scale_to_ns(uint64_t whole, uint64_t billionths, uint64_t unit_ns, uint64_t *out) {
    uint64_t value = 0;
    if (__builtin_mul_overflow(whole, unit_ns, &value)) {
        return false;
    }
    *out = value + billionths * unit_ns / NS_PER_S; /* below 1e9 * 1e9: fits */
    return *out >= value;
}

static enum status parse_interval(const char *text, uint64_t *out, struct error *error) {
    static const struct {
        const char *suffix;
        uint64_t ns;
    } units[] = {{"", NS_PER_US}, {"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S}};

    uint64_t whole = 0, billionths = 0;
    const char *rest = NULL;
    if (parse_decimal(text, &whole, &billionths, &rest)) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            if (strcmp(rest, units[i].suffix) != 0) {
                continue;
            }
            uint64_t ns = 0;
            bool fits = scale_to_ns(whole, billionths, units[i].ns, &ns);
            bool zero = whole == 0 && billionths == 0;
            if (!zero && (!fits || ns < INTERVAL_MIN_NS || ns > INTERVAL_MAX_NS)) {
                return error_set(error, STATUS_CORRUPT,
                                 "interval '%s' is out of range: give 1us to 3600s, or 0 to sample "
                                 "as fast as it goes",
                                 text);
            }
            *out = ns - ns % NS_PER_US;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_CORRUPT,
                     "interval '%s' is not a number: give microseconds, or a number with us, ms or "
                     "s, such as 500us",
                     text);
}

static enum status parse_exposure(const char *text, uint64_t *out, struct error *error) {
    uint64_t whole = 0, billionths = 0, ns = 0;
    const char *rest = NULL;
    if (!parse_decimal(text, &whole, &billionths, &rest) || *rest != '\0') {
        return error_set(error, STATUS_CORRUPT,
                         "exposure '%s' is not a number: give seconds, such as 30 or 0.5", text);
    }
    if (!scale_to_ns(whole, billionths, NS_PER_S, &ns) || ns < EXPOSURE_MIN_NS ||
        ns > EXPOSURE_MAX_NS) {
        return error_set(error, STATUS_CORRUPT,
                         "exposure '%s' is out of range: give 0.001 to 31536000 seconds, or leave "
                         "-x out to sample until the end",
                         text);
    }
    *out = ns;
    return STATUS_OK;
}

static enum status parse_pid(const char *text, pid_t *out, struct error *error) {
    const char *digits = text + (*text == '-' ? 1 : 0);
    size_t length = strlen(digits);
    if (length == 0 || strspn(digits, "0123456789") != length) {
        return error_set(error, STATUS_CORRUPT,
                         "'%s' is not a process id: give a number, such as pgrep python prints",
                         text);
    }
    digits += strspn(digits, "0");
    long value = 0;
    for (; *digits != '\0' && value <= INT_MAX; digits++) {
        value = value * 10 + (*digits - '0');
    }
    if (*text == '-' || value == 0 || value > INT_MAX) {
        return error_set(error, STATUS_CORRUPT,
                         "no process can have the id %s: give a number of 1 or more, such as pgrep "
                         "python prints",
                         text);
    }
    *out = (pid_t)value;
    return STATUS_OK;
}

static enum status parse_format(const char *text, struct options *out, struct error *error) {
    for (unsigned i = 0; i < output_format_count; i++) {
        if (strcmp(text, output_formats[i].name) == 0) {
            out->format_given = true;
            out->format = (enum output_format)i;
            return STATUS_OK;
        }
    }
    char names[128] = "";
    size_t length = 0;
    for (unsigned i = 0; i < output_format_count && length < sizeof names; i++) {
        const char *comma = i == 0 ? "" : i + 1 == output_format_count ? " or " : ", ";
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", comma,
                                   output_formats[i].name);
    }
    return error_set(error, STATUS_CORRUPT, "format '%s' is unknown: give --format %s", text,
                     names);
}

/* Whether an option means something beside -w. */
static bool is_for_where(int option) {
    return option == OPTION_JSON || option == OPTION_LOCALS || option == 'w' || option == 'C' ||
           option == 'v';
}

static enum status parse_option(int option, struct options *out, struct error *error) {
    switch (option) {
    case 'p':
        return parse_pid(optarg, &out->pid, error);
    case 'w':
        out->action = OPTIONS_WHERE;
        return parse_pid(optarg, &out->pid, error);
    case 'i':
        return parse_interval(optarg, &out->interval_ns, error);
    case 'x':
        return parse_exposure(optarg, &out->exposure_ns, error);
    case OPTION_FORMAT:
        return parse_format(optarg, out, error);
    case 'o':
        if (*optarg == '\0') {
            return error_set(error, STATUS_CORRUPT,
                             "the name of the output is empty: give -o FILE, or - for standard "
                             "output");
        }
        out->output = optarg;
        return STATUS_OK;
    case 'C':
        out->children = true;
        return STATUS_OK;
    case 'c':
        out->cpu = true;
        return STATUS_OK;
    case 's':
        out->stealth = true;
        return STATUS_OK;
    case OPTION_NO_SHIM:
        out->no_shim = true;
        return STATUS_OK;
    case OPTION_JSON:
        out->json = true;
        return STATUS_OK;
    case OPTION_LOCALS:
        out->locals = true;
        return STATUS_OK;
    case 'q':
        out->quiet = true;
        return STATUS_OK;
    case 'v':
        out->verbose = true;
        return STATUS_OK;
    default:
        return error_set(error, STATUS_CORRUPT, "unknown option");
    }
}

/* The text of a complaint of getopt's; `word` is the argument that it was looking at. */
static enum status refuse_option(int answer, const char *word, struct error *error) {
    bool is_long = strncmp(word, "--", 2) == 0;
    if (answer == ':') {
        if (is_long) {
            return error_set(error, STATUS_CORRUPT, "option '%s' needs a value: see --help", word);
        }
        return error_set(error, STATUS_CORRUPT, "option '-%c' needs a value: see --help", optopt);
    }
    if (is_long && optopt != 0) {
        return error_set(error, STATUS_CORRUPT, "option '%.*s' takes no value: see --help",
                         (int)strcspn(word, "="), word);
    }
    if (is_long) {
        return error_set(error, STATUS_CORRUPT, "unknown or ambiguous option '%.*s': see --help",
                         (int)strcspn(word, "="), word);
    }
    return error_set(error, STATUS_CORRUPT, "unknown option '-%c': see --help", optopt);
}

enum status options_parse(int argc, char **argv, struct options *out, struct error *error) {
    struct options parsed = {
        .action = OPTIONS_PROFILE,
        .output = OPTIONS_DEFAULT_OUTPUT,
        .interval_ns = DEFAULT_INTERVAL_NS,
    };
    const char *for_profile = NULL; /* the last option that is none of --where's */
    opterr = 0;
    optind = 0; /* glibc: start afresh */
    for (;;) {
        int word_index = optind == 0 ? 1 : optind;
        int option = getopt_long(argc, argv, short_options, long_options, NULL);
        if (option == -1) {
            break;
        }
        if (option == 'h' || option == 'V') {
            parsed.action = option == 'h' ? OPTIONS_SHOW_HELP : OPTIONS_SHOW_VERSION;
            *out = parsed;
            return STATUS_OK;
        }
        if (option == '?' || option == ':') {
            return refuse_option(option, argv[word_index], error);
        }
        if (!is_for_where(option)) {
            for_profile = argv[word_index];
        }
        enum status status = parse_option(option, &parsed, error);
        if (status != STATUS_OK) {
            return status;
        }
    }

    bool has_command = optind < argc;
    if (parsed.action == OPTIONS_WHERE && (has_command || for_profile != NULL)) {
        return error_set(error, STATUS_CORRUPT,
                         "'%s' has no meaning beside -w (--where), which shows a process once and "
                         "takes no profile: see --help",
                         has_command ? argv[optind] : for_profile);
    }
    if (parsed.action != OPTIONS_WHERE && (parsed.json || parsed.locals)) {
        return error_set(error, STATUS_CORRUPT,
                         "%s is for -w (--where), which shows a process once: see --help",
                         parsed.json ? "--json" : "--locals");
    }
    if (has_command && parsed.pid != 0) {
        return error_set(error, STATUS_CORRUPT,
                         "both a process (-p %d) and a command ('%s') were given: give one of them",
                         (int)parsed.pid, argv[optind]);
    }
    if (!has_command && parsed.pid == 0) {
        return error_set(error, STATUS_CORRUPT,
                         "nothing to profile: give -p PID, or a command to start; see --help");
    }
    if (has_command && *argv[optind] == '\0') {
        return error_set(error, STATUS_CORRUPT, "the command's name is empty: see --help");
    }
    parsed.command = has_command ? &argv[optind] : NULL;
    *out = parsed;
    return STATUS_OK;
}
