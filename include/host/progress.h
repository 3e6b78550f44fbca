/* When to print progress lines, increasingly rarely, and an estimate of the
 * remaining time. Times are host seconds. Not collective. */
#ifndef WL_PROGRESS_H
#define WL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
	double start;    /* of the phase, host_seconds() */
	double last;     /* time of the last line, host_seconds() */
	double wait;     /* from the last line to the next, seconds */
	double max_wait; /* seconds */
};

/* Starts now. A line is due after five seconds, then after intervals that
 * double up to five minutes. */
void progress_start(struct progress *p);
/* Starts now; a line is due every so many seconds. */
void progress_start_each(struct progress *p, double seconds);

/* Whether a line is due at time now; if so, schedules the next. */
bool progress_due(struct progress *p, double now);

/* The same for a fallback line, due if no progress line was printed within 1.5
 * times the interval. */
bool progress_overdue(struct progress *p, double now);

/* Writes ", 12 s, about 7 min left" to text[size]: time since the start, and
 * time to get from done to all at the mean rate so far. Returns text. */
const char *progress_text(const struct progress *p, double now, double done,
                          double all, char *text, size_t size);

#endif
