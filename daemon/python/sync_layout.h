/* sync_layout: where CPython keeps who holds what: the GIL, locks, and in a frame what it will have
 * to give back. Const rows, one per minor and word size, beside those of layout.h; any thread.
 * Cold.
 *
 * Offsets are bytes from the start of the struct named by the member; LAYOUT_ABSENT where a minor
 * has no such field. A lock object has the address of a semaphore of the libc's, on which its
 * waiters sleep, or, in 3.13 after some patch release (Lock) and from 3.14 on (RLock, too), a
 * PyMutex. */
#ifndef ECHION_DAEMON_PYTHON_SYNC_LAYOUT_H
#define ECHION_DAEMON_PYTHON_SYNC_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/python/layout.h"

struct sync_layout {
    uint8_t minor, word_size;
    bool locks_park; /* from 3.13 on: a lock may be a PyMutex, in whose parking lot threads sleep */

    struct {
        uint32_t gil;     /* struct _gil_runtime_state, to 3.11 */
        uint32_t current; /* gilstate.tstate_current: the thread state that has the GIL, to 3.11 */
    } runtime;
    struct {
        uint32_t gil; /* ceval.gil, its address, from 3.12 on */
    } interpreter;
    struct {
        uint32_t status; /* _status, from 3.12 on: of 32 bits */
    } thread;
    uint32_t status_active; /* the bit of it that a thread has while it has the GIL */
    uint32_t gil_size; /* sizeof(struct _gil_runtime_state), which has its condition variable */

    struct {
        uint32_t valuestack, iblock, blockstack; /* to 3.10 */
        uint32_t block_size, block_level;        /* of PyTryBlock */
    } frame;
    struct {
        uint32_t exceptiontable; /* from 3.11 on */
    } code;

    struct {
        uint32_t lock;  /* of lock and RLock objects: the semaphore's address, or the PyMutex */
        uint32_t owner; /* of RLock objects: the pthread_t of who holds it */
    } lock;
    struct {
        uint32_t method, self; /* m_ml, m_self of a built-in function that is bound */
    } builtin;
    struct {
        uint32_t function, self; /* im_func, im_self */
    } method;
    struct {
        uint32_t method; /* d_method */
    } descriptor;
};

/* The row for a layout; NULL if there is none. Static storage. */
const struct sync_layout *sync_layout_find(const struct py_layout *layout);

#endif
