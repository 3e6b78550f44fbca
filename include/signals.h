/* Signals: which end a run in order, and which at once. */
#ifndef WL_SIGNALS_H
#define WL_SIGNALS_H

#include <stdbool.h>

/* From now on a mortal signal leaves no temporary file behind. orderly: SIGUSR1
 * and SIGTERM are remembered instead, for signals_stop; a process that has not
 * ended SIGNALS_PATIENCE seconds after SIGTERM, or gets it twice, dies of it.
 * What the process was started to ignore stays so. Once, at the start. */
void signals_catch(bool orderly);

/* Long enough for a token and the report, short where a launcher ends a job of
 * which a rank is gone, so that there will be no token. */
#define SIGNALS_PATIENCE 10

/* The signal that asks for an end after the current token, or 0. SIGTERM
 * counts more. */
int signals_stop(void);
/* "SIGUSR1", "SIGTERM"; NULL for 0. */
const char *signals_name(int signal);

#endif
