/* Signals: which end a run in order, and which at once. */
#ifndef WL_SIGNALS_H
#define WL_SIGNALS_H

/* From now on no signal that ends the process leaves a temporary file behind,
 * and a file that outgrows its limit (ulimit -f) makes a write fail. patience
 * > 0: SIGUSR1 and SIGTERM are remembered instead, for signals_stop; a process
 * that has not ended so many seconds after SIGTERM, or gets it again (but not
 * at once, as when two launchers pass it on), dies of it. What the process was
 * started to ignore stays so. Once, at the start. */
void signals_catch(double patience);

/* The same for the signals of a crash: after MPI_Init, which has its own
 * handlers of these and warns where it finds others. */
void signals_catch_crashes(void);

/* The signal that asks for an end after the current token, or 0. SIGTERM
 * counts more. */
int signals_stop(void);
/* "SIGUSR1", "SIGTERM"; NULL for 0. */
const char *signals_name(int signal);

#endif
