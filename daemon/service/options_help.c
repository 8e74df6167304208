#include <string.h>

#include "daemon/service/options.h"

/* Lines of at most 80 columns, for terminals. */
void options_print_help(const char *program, FILE *stream) {
    bool is_echion = strcmp(program, "echion") == 0;
    (void)fprintf(stream,
                  "Usage: %1$s [options] COMMAND [ARGUMENT...]   start it, profile its Python\n"
                  "       %1$s [options] -p PID                  profile a running Python\n"
                  "       %1$s -w PID                            show what it does now\n",
                  program);
    if (is_echion) {
        (void)fputs("       echion where PID                      the same\n"
                    "       echion report FILE [-n N]             time per function of a profile\n",
                    stream);
    }
    (void)fprintf(
        stream,
        "\n"
        "Shows what a Python program (CPython 3.8 to 3.15) is doing, from outside and\n"
        "without stopping it.\n"
        "\n"
        "  -p, --pid PID        attach to this process until Ctrl+C, its end, or -x\n"
        "  -w, --where PID      show once what its threads do, where they stand, and\n"
        "                       which of them wait for one another for ever\n"
        "      --locals         with -w: arguments and locals, too, in short\n"
        "      --json           with -w: as one JSON document\n"
        "  -o, --output FILE    where to write (default: %%(pid).austin); %%(pid) becomes\n"
        "                       the process's id, and - is standard output. The suffix\n"
        "                       picks the format: .austin is text, .mojo is binary\n"
        "      --format NAME    austin or mojo, whatever the suffix\n"
        "  -i, --interval TIME  time between samples: microseconds, or a number with us,\n"
        "                       ms or s; 1us to 3600s (default: 1000us); 0 is flat out\n"
        "  -c, --cpu            give CPU time, of the threads that use some; without it,\n"
        "                       wall time of all threads\n"
        "  -C, --children       profile every Python that the process starts or forks as\n"
        "                       well: one file, or with %%(pid) in its name one for each\n"
        "  -s, --stealth        name nothing of ours in the process, neither in\n"
        "                       its memory map nor in an environment\n"
        "      --no-shim        sample purely from outside: load nothing\n"
        "  -x, --exposure SECS  sample for so many seconds, 0.001 to 31536000\n"
        "  -q, --quiet          no progress line and no line at the end\n"
        "  -v, --verbose        explain what is found and decided\n"
        "  -V, --version        print the version\n"
        "  -h, --help           print this\n"
        "\n"
        "Examples:\n"
        "  %1$s python app.py --its --own options\n"
        "  %1$s -i 500us -o out.mojo python app.py\n"
        "  %1$s -p 1234 -x 30 -o 'prof-%%(pid).austin'\n"
        "  %1$s -C -o out.austin gunicorn app:app\n"
        "  %1$s -cp 1234 -o - | head\n"
        "  %1$s -w 1234\n"
        "\n"
        "A started command keeps its terminal, its signals and its exit status.\n"
        "Otherwise the exit status is 0, or\n"
        "  64 usage                    65 not a Python\n"
        "  66 no such process          69 a Python that we do not know\n"
        "  70 a mistake of ours        71 system trouble\n"
        "  73 cannot create the output 74 write failed\n"
        "  75 the process's memory does not answer\n"
        "  77 permission denied        126, 127 the command cannot be run\n",
        program);
    if (!is_echion) {
        (void)fputs("\nechion(1) drives this program, and prints reports: echion report FILE\n",
                    stream);
    }
}

void options_print_version(const char *program, FILE *stream) {
    (void)fprintf(stream, "%s %s\n", program, ECHION_VERSION);
}
