/* The data movement of reductions and multicasts, without charges: for the
 * moves and the all-reduces only. Collective over the ranks that the chains or
 * multicasts touch. */
#ifndef WL_REDUCE_CHAIN_H
#define WL_REDUCE_CHAIN_H

#include <stdbool.h>

#include "mpi_kernels/moves/line.h"

/* A chain of partial sums. Its members are cores core[0] < ... < core[n-1], or,
 * with core NULL, the n cores from `first` on; each part's root is a member.
 * Core p's vector: value + (p - base) * stride. */
struct reduce_chain {
	const int *core;
	int first, n;
	const struct line_parts *parts;
	enum line_op op;
	float *value;
	size_t stride;
	int base;
};

/* Whether this rank has any of the cores first..last. */
static inline bool line_touches(const struct line *l, int first, int last)
{
	return first < l->local.hi && last >= l->local.lo;
}

static inline int reduce_chain_core(const struct reduce_chain *c, int j)
{
	return c->core ? c->core[j] : c->first + j;
}

/* A message over the cut between cores `cut` and cut + 1. It holds those of the
 * line's local parts whose root is above the cut (above) or below it; none when
 * the cut is outside first..last. */
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

/* 32-bit words of the message. */
static inline size_t crossing_words(const struct crossing *x,
                                    const struct line_parts *p)
{
	size_t words = 0;

	for (int i = p->local.lo; i < p->local.hi; i++)
		words += crosses(x, p, i) ? p->words[i] : 0;
	return words;
}

/* Runs n chains that share no link and that all touch this rank. */
void reduce_chains_run(struct line *l, const struct reduce_chain *chains,
                       int n);

/* Brings each part from its root to cores first..last. data: the local parts,
 * one after the other. */
struct multicast {
	int first, last;
	const struct line_parts *parts;
	float *data;
};

/* Runs n multicasts that share no link and that all touch this rank. */
void multicasts_run(struct line *l, const struct multicast *m, int n);

#endif
