/* Lines that tell how far a phase is: seldom, and with the time that is left.
 */
#ifndef WL_PROGRESS_H
#define WL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
	double start;   /* of the phase, host seconds */
	double last;    /* line */
	double wait;    /* from one line to the next, seconds */
	double longest; /* that it becomes */
};

void progress_start(struct progress *p);
/* The same with lines that come every so many seconds. */
void progress_start_each(struct progress *p, double seconds);

/* Whether a line is due at time now, and if so takes note of it: after five
 * seconds, then after twice as long each time, up to five minutes. */
bool progress_due(struct progress *p, double now);

/* The same for lines that say less, where those that tell how far it is do not
 * come: half as long again after they were due. */
bool progress_overdue(struct progress *p, double now);

/* ", 12 s, about 7 min left": since the start, and what is left if all goes on
 * as it has. Returns text. */
const char *progress_text(const struct progress *p, double now, double done,
                          double all, char *text, size_t size);

#endif
