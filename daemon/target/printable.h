/* printable: text from a target made fit for an error message: no control characters, which a
 * terminal would obey. Functions only; any thread. Cold. */
#ifndef ECHION_DAEMON_TARGET_PRINTABLE_H
#define ECHION_DAEMON_TARGET_PRINTABLE_H

/* Replaces control characters by '?', in place. Bytes above 0x7f stay: they may be UTF-8. */
static inline void printable_clean(char *text) {
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; ++at) {
        if (*at < ' ' || *at == 0x7f) {
            *at = '?';
        }
    }
}

#endif
