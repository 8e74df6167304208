/* family: the profile of a process, and with -C of every Python that it starts or forks: a session
 * for each of them, and one file for all, or, with the pid in the output's name, one for each.
 *
 * Owned by the main thread, which calls everything here. Blocks at most where an output is opened:
 * that of one process is known only when this has been found. Cold. */
#ifndef ECHION_DAEMON_SERVICE_FAMILY_H
#define ECHION_DAEMON_SERVICE_FAMILY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "daemon/service/family_result.h"
#include "daemon/service/options.h"
#include "daemon/service/output_file.h"
#include "daemon/service/sampler_counts.h"

struct family;

/* Starts to profile process `pid`; or, with `launched`, the first Python that it is or starts.
 * `output`, opened for `pid`, is taken over, also on failure. `options` must outlive it. */
STATUS_CHECKED enum status family_start(const struct options *options, pid_t pid, bool launched,
                                        struct output_file *output, struct family **out,
                                        struct error *error);

/* Readable when family_tick has something to do. */
int family_bell(const struct family *family);

/* CLOCK_MONOTONIC when family_tick is to be called at the latest. */
uint64_t family_due_ns(const struct family *family);

/* Sees to what is due. False once everything is over and family_end is to be called. */
bool family_tick(struct family *family);

/* Asks it to finish. `family_tick` says when it has. */
void family_stop(struct family *family);

/* After family_stop: does not wait for the output's reader any longer. */
void family_give_up(struct family *family);

/* The counts of all so far. */
void family_counts(struct family *family, struct sampler_counts *out);

/* Once family_tick has said false: what came of it. Its texts are valid until family_destroy. */
void family_end(struct family *family, struct family_result *out);

/* After family_end: releases everything; accepts NULL. False if a thread hangs for good: the caller
 * leaves by _exit. */
bool family_destroy(struct family *family);

#endif
