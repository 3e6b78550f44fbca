/* The model's text on standard output, which nothing else is written to: bytes
 * unchanged, but on a terminal with control characters made visible
 * (printable.h). Where standard error may share the screen, a message first
 * ends the unfinished line of text. Leader only, not collective. */
#ifndef WL_ANSWER_H
#define WL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/printable.h"
#include "host/launch.h"

/* Initialize with `to` set and the rest zeroed. */
struct answer {
	struct launch_streams to;
	struct printable printable;  /* used on a terminal */
};

/* Prints a piece of the text and flushes it. Returns 0, or -1 if standard
 * output cannot be written. */
int answer_print(struct answer *a, const char *text, size_t len);
/* Ends the text with a newline. 0 or -1, as above. */
int answer_end(struct answer *a);

#endif
