/* Standard input, output and error of the process. Not collective. */
#ifndef WL_STREAMS_H
#define WL_STREAMS_H

#include "base/error.h"

/* Opens /dev/null for reading on those of descriptors 0 to 2 that are closed;
 * otherwise a file or a library's socket could get such a number and receive
 * the program's messages. Reading such a stream then gives end of file, writing
 * fails. Call first in main. */
void streams_open(void);

/* Records errno after a failed write to standard output, for streams_check; the
 * first error is kept. */
void streams_note(void);

/* Flushes standard output. 0; or -1 and err, with the system's reason, if any
 * write to it has failed since the start. */
int streams_check(struct wl_error *err);

#endif
