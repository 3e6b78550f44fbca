/* Inside the moves only: chains of partial sums (line_reduce.c), of which
 * the all-reduce is made too (line_allreduce.c), and multicasts
 * (line_multicast.c). */
#ifndef WL_CHAIN_H
#define WL_CHAIN_H

#include <stdbool.h>

#include "line.h"

/* Members of a chain: cores core[0] < core[1] < ... < core[n-1]; each part's
 * root is one of them. Core p's vector: value + (p - base) * stride. */
struct chain {
	const int *core;
	int n;
	const struct line_parts *parts;
	enum line_op op;
	float *value;
	size_t stride;
	int base;
};

/* Whether cores first..last, or links between them, lie on this rank. */
static inline bool line_touches(const struct line *l, int first, int last)
{
	return first < l->mine.hi && last >= l->mine.lo;
}

/* Copies the parts whose root is above the cut between cores cut and cut + 1
 * (or is not) between data, all own parts one after the other, and a message,
 * only those; nothing where the cut is not inside first..last. Returns the
 * message's words; message NULL only counts. */
size_t parts_copy(int first, int last, const struct line_parts *p, int cut,
                  bool above, float *data, float *message, bool to_message);

/* Runs n chains that share no link, all of which touch this rank. */
void chains_run(struct line *l, const struct chain *chains, int n);

/* One multicast of several that share no link. */
struct multicast {
	int first, last;
	const struct line_parts *parts;
	float *data;
};

/* Runs n multicasts that share no link, all of which touch this rank. */
void multicasts_run(struct line *l, const struct multicast *m, int n);

#endif
