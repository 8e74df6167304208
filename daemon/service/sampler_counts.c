#include "daemon/service/sampler_counts.h"

void sampler_counts_add(struct sampler_counts *sum, const struct sampler_counts *counts) {
    sum->ticks += counts->ticks;
    sum->due += counts->due;
    sum->kept += counts->kept;
    sum->torn += counts->torn;
    sum->missed += counts->missed;
    sum->late += counts->late;
    sum->errors += counts->errors;
    sum->retries += counts->retries;
    sum->threads += counts->threads;
    if (counts->start_ns != 0 && (sum->start_ns == 0 || counts->start_ns < sum->start_ns)) {
        sum->start_ns = counts->start_ns;
    }
    sum->end_ns = counts->end_ns > sum->end_ns ? counts->end_ns : sum->end_ns;
    sum->cpu_native_us += counts->cpu_native_us;
    sum->cpu_unseen_us += counts->cpu_unseen_us;
}
