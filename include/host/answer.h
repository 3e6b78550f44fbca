/* The model's text on standard output, which holds nothing else: its bytes as
 * they are, but on a terminal control characters are shown and not obeyed
 * (printable.h). Lines on standard error do not join a line of text that is
 * open where both may be on one screen. On the leader only, not collective. */
#ifndef WL_ANSWER_H
#define WL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/printable.h"
#include "host/launch.h"

/* Zeroed but for `to`: nothing is printed yet. */
struct answer {
	struct launch_streams to;
	struct printable printable;  /* of a terminal */
};

/* Prints a piece of the text at once. 0; -1: standard output cannot be
 * written. */
int answer_print(struct answer *a, const char *text, size_t len);
/* Ends the text with a newline. 0 or -1, as above. */
int answer_end(struct answer *a);

#endif
