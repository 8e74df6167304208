/* quit_signal: takes SIGQUIT (Ctrl+\) from a program that leaves it to its default, which would
 * end it, and tells the daemon instead. Once per process, by the thread that is
 * about to run the main program. */
#ifndef ECHION_SHIM_QUIT_SIGNAL_H
#define ECHION_SHIM_QUIT_SIGNAL_H

/* Does nothing if the program was started with SIGQUIT ignored. What the program sets later holds.
 * While nobody reads the ring, the signal does what it does by default. */
void quit_signal_begin(void);

#endif
