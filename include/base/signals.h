/* Signals: orderly and immediate end of a run. Not collective. */
#ifndef WL_SIGNALS_H
#define WL_SIGNALS_H

/* Installs handlers: a signal that ends the process first removes its temporary
 * file, and exceeding the file size limit (ulimit -f) makes the write fail
 * instead. With patience > 0, SIGUSR1 and SIGTERM are only recorded, for
 * signals_stop; the process then dies of SIGTERM after so many seconds, or of a
 * second SIGTERM (unless it follows at once, as when two launchers forward the
 * same one). Signals that the process was started to ignore stay ignored. Call
 * once, at the start. */
void signals_catch(double patience);

/* The same for the signals of a crash. Call after MPI_Init, which installs its
 * own handlers for these and warns if there are others. */
void signals_catch_crashes(void);

/* The signal that asked the run to end after the current token, or 0. SIGTERM
 * takes precedence over SIGUSR1. */
int signals_stop(void);
/* "SIGUSR1", "SIGTERM"; NULL for 0. */
const char *signals_name(int signal);

#endif
