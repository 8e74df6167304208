#include "tests/layout/layout_print.h"

#include <inttypes.h>

#include "tests/layout/layout_fields.h"

static void field_print(FILE *out, const char *name, int64_t value) {
    if (value == (int64_t)LAYOUT_ABSENT) {
        (void)fprintf(out, "%s=absent\n", name);
    } else {
        (void)fprintf(out, "%s=%" PRId64 "\n", name, value);
    }
}

#define FIELD(member) field_print(out, #member, (int64_t)layout->member);

void layout_print(FILE *out, const struct py_layout *layout) {
    LAYOUT_FIELDS(FIELD)
}

void layout_print_behaviour(FILE *out, const struct py_layout *layout) {
    LAYOUT_BEHAVIOURS(FIELD)
}

#define SYNC_FIELD(member) field_print(out, "sync." #member, (int64_t)sync->member);

void layout_print_sync(FILE *out, const struct sync_layout *sync) {
    SYNC_FIELDS(SYNC_FIELD)
}

#define VALUE_FIELD(member) field_print(out, "value." #member, (int64_t)values->member);

void layout_print_values(FILE *out, const struct value_layout *values) {
    VALUE_FIELDS(VALUE_FIELD)
}
