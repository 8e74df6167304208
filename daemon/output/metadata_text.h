/* metadata_text: makes a metadata key or value fit for every format and reader: valid UTF-8 on one
 * line. Pure. What cannot stay is replaced, never dropped: line breaks and control characters
 * become
 * "_", bytes that are not UTF-8 become U+FFFD. */
#ifndef ECHION_DAEMON_OUTPUT_METADATA_TEXT_H
#define ECHION_DAEMON_OUTPUT_METADATA_TEXT_H

/* A clean copy, to be freed by the caller; NULL without memory. In a key ":" becomes "_" too, as it
 * ends there. */
char *metadata_text_key(const char *text);
char *metadata_text_value(const char *text);

#endif
