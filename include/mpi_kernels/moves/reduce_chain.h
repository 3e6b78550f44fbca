/* Inside the moves only: chains of partial sums (line_reduce.c), of which
 * the all-reduce is made too (line_allreduce.c), and multicasts
 * (line_multicast.c). */
#ifndef WL_REDUCE_CHAIN_H
#define WL_REDUCE_CHAIN_H

#include <stdbool.h>

#include "mpi_kernels/moves/line.h"

/* Members of a chain: cores core[0] < core[1] < ... < core[n-1], or, core
 * NULL, n cores from first on; each part's root is one of them. Core p's
 * vector: value + (p - base) * stride. */
struct reduce_chain {
	const int *core;
	int first, n;
	const struct line_parts *parts;
	enum line_op op;
	float *value;
	size_t stride;
	int base;
};

/* Whether cores first..last, or links between them, lie on this rank. */
static inline bool line_touches(const struct line *l, int first, int last)
{
	return first < l->local.hi && last >= l->local.lo;
}

static inline int reduce_chain_core(const struct reduce_chain *c, int j)
{
	return c->core ? c->core[j] : c->first + j;
}

/* A message over the cut between cores cut and cut + 1 holds those own parts
 * whose root is above the cut, or those whose root is not; none where the cut
 * is not inside first..last. */
struct crossing {
	int first, last, cut;
	bool above;
};

static inline bool crosses(const struct crossing *x,
                           const struct line_parts *p, int part)
{
	return x->cut >= x->first && x->cut < x->last &&
	       (p->root[part] > x->cut) == x->above;
}

/* The message's words. */
static inline size_t crossing_words(const struct crossing *x,
                                    const struct line_parts *p)
{
	size_t words = 0;

	for (int i = p->local.lo; i < p->local.hi; i++)
		words += crosses(x, p, i) ? p->words[i] : 0;
	return words;
}

/* Runs n chains that share no link, all of which touch this rank. */
void reduce_chains_run(struct line *l, const struct reduce_chain *chains,
                       int n);

/* One multicast of several that share no link. */
struct multicast {
	int first, last;
	const struct line_parts *parts;
	float *data;
};

/* Runs n multicasts that share no link, all of which touch this rank. */
void multicasts_run(struct line *l, const struct multicast *m, int n);

#endif
