/* Standard input, output and error of the process. Not collective. */
#ifndef WL_STREAMS_H
#define WL_STREAMS_H

#include "base/error.h"

/* Takes the places of closed descriptors 0 to 2, so that no file and no
 * library's socket is opened there and then written to as a stream: reading
 * such a stream finds its end, writing to it fails. First of all in main. */
void streams_open(void);

/* Keeps errno, as a write to standard output has left it, for streams_check;
 * the first one counts. */
void streams_note(void);

/* Writes out what is buffered. 0; or -1 and err, with the system's reason, if
 * anything could not be written to standard output since the start. */
int streams_check(struct wl_error *err);

#endif
