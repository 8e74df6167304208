/* punctual: how soon a thread runs when its timer rings. Stateless. Cold. */
#ifndef ECHION_DAEMON_SERVICE_PUNCTUAL_H
#define ECHION_DAEMON_SERVICE_PUNCTUAL_H

/* Lets the calling thread run as soon as its timer rings, as far as that needs no privilege: it is
 * neither more important than others afterwards, nor does it get more time. What the kernel does
 * not know is left out. */
void punctual_be(void);

#endif
