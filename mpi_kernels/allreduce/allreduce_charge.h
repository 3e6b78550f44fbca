/* Inside the all-reduce only: its variants, and what they share to charge
 * themselves (allreduce_charge.c). */
#ifndef WL_ALLREDUCE_CHARGE_H
#define WL_ALLREDUCE_CHARGE_H

#include <stdint.h>

#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/line.h"

extern const struct allreduce allreduce_pipeline, allreduce_ktree1,
	allreduce_ktree2, allreduce_ktree3, allreduce_ktree4, allreduce_binary;

/* The way of the sum from there to all cores. */
struct allreduce_down {
	uint64_t depth, reach, sent, hops;
};

/* Sums up the variant's levels on a segment and charges their links. */
struct allreduce_up allreduce_go_up(const struct allreduce *a, struct line *l,
                                    const struct line_segment *s);

/* One multicast from core top, whose links it charges. */
struct allreduce_down allreduce_cast(struct line *l,
                                     const struct line_segment *s, int top);

/* One way after the other. links: over which the words that go up spread. */
struct charge allreduce_both(const struct line *l,
                             const struct line_segment *s,
                             const struct allreduce_up *up,
                             const struct allreduce_down *down,
                             uint64_t links);

/* The charge of a variant that gives its sum out by a multicast. */
struct charge allreduce_charge_cast(const struct allreduce *a, struct line *l,
                                    const struct line_segment *s);

/* Number of ints that hold a level of n cores; and that level in them. */
static inline size_t allreduce_level_ints(int n)
{
	return 3 * (size_t)n + 1;
}

static inline struct allreduce_level allreduce_level_in(int *ints, int n)
{
	return (struct allreduce_level){ .core = ints, .start = ints + n,
	                                 .root = ints + 2 * n + 1 };
}

/* The level's only chain: all cores of first..last, core[root] the root. */
void allreduce_one_chain(int first, int last, int root,
                         struct allreduce_level *v);

#endif
