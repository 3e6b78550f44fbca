/* The ways to all-reduce among the cores of a line, by name. Each one sums
 * along chains of cores, level by level, until one core has it all, and then
 * gives the sum out; how it does so is one file in mpi_kernels/, and a row of
 * the table in mpi_kernels/allreduce.c. Pure arithmetic, but for what is
 * charged: line_allreduce (line.h) moves the words. Not collective. */
#ifndef WL_ALLREDUCE_H
#define WL_ALLREDUCE_H

#include <stddef.h>

#include "block.h"
#include "ledger.h"

/* The most levels that a K-tree has. */
enum { ALLREDUCE_LEVELS = 4 };

struct line;
struct line_segment;

/* One level of an all-reduce among m cores: n chains that share no link. Chain
 * i has the cores core[start[i]] < ... < core[start[i + 1] - 1], of which
 * core[root[i]] gets the sum. Room, which is the caller's: core [m],
 * start [m + 1], root [m]. */
struct allreduce_level {
	int n, *core, *start, *root;
};

struct allreduce {
	const char *name, *alias; /* alias NULL: none */
	const char *help;         /* one line */
	int levels;               /* the last one has one chain */
	/* Makes level i of cores first..last of the line in *v, where level
	 * i - 1 is. */
	void (*chains)(const struct allreduce *a, const struct line *l,
	               int first, int last, int i, struct allreduce_level *v);
	/* Charges the routes that it takes. */
	void (*routes)(const struct allreduce *a, struct line *l);
	/* What one segment, of two cores or more, costs but for calls, routes
	 * and memory; charges its links. */
	struct charge (*charge)(const struct allreduce *a, struct line *l,
	                        const struct line_segment *s);
};

/* The way of a vector through all levels to the core that gets the sum. */
struct allreduce_up {
	uint64_t depth;       /* cores that add and send on, longest way */
	uint64_t reach;       /* hops of the longest way */
	uint64_t sent, hops;  /* messages, and the hops of them all */
	uint64_t into;        /* messages that the busiest core takes in */
	int top;              /* the core that gets the sum */
};

/* That of cores first..last of a line with such groups, and the chains' ends,
 * between which the words take every link. Found once: each token asks again.
 */
struct allreduce_way {
	struct allreduce_way *next;
	const struct allreduce *a;
	int first, last, groups[ALLREDUCE_LEVELS - 1];
	struct allreduce_up up;
	int n;
	struct range chain[]; /* [n] */
};

/* Where nothing else is asked for: the K-tree of WaferLLM, K = 2. */
const struct allreduce *allreduce_default(void);

/* The variant of that name or alias; NULL: there is none. */
const struct allreduce *allreduce_find(const char *name);

/* All variants, one after the other; at: 0 <= i < count. */
size_t allreduce_count(void);
const struct allreduce *allreduce_at(size_t i);

#endif
