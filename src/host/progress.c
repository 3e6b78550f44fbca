#include "config.h"
#include "host/progress.h"

#include <stdio.h>

#include "host/host.h"

#define FIRST_WAIT 5.0
#define MAX_WAIT 300.0

void progress_start(struct progress *p)
{
	p->start = p->last = host_seconds();
	p->wait = FIRST_WAIT;
	p->max_wait = MAX_WAIT;
}

void progress_start_each(struct progress *p, double seconds)
{
	progress_start(p);
	p->wait = p->max_wait = seconds;
}

bool progress_due(struct progress *p, double now)
{
	if (now - p->last < p->wait)
		return false;
	p->last = now;
	p->wait = 2 * p->wait < p->max_wait ? 2 * p->wait : p->max_wait;
	return true;
}

bool progress_overdue(struct progress *p, double now)
{
	return now - p->last >= 1.5 * p->wait && progress_due(p, now);
}

/* Whole seconds, minutes or hours: it is an estimate. */
static int show_time(double seconds, char *text, size_t size)
{
	if (seconds < 99.5)
		return snprintf(text, size, "%.0f s", seconds);
	if (seconds < 99.5 * 60)
		return snprintf(text, size, "%.0f min", seconds / 60);
	return snprintf(text, size, "%.0f h", seconds / 3600);
}

const char *progress_text(const struct progress *p, double now, double done,
                          double all, char *text, size_t size)
{
	double taken = now - p->start;
	char since[32], left[32];

	show_time(taken, since, sizeof since);
	show_time(taken * (all - done) / done, left, sizeof left);
	snprintf(text, size, ", %s, about %s left", since, left);
	return text;
}
