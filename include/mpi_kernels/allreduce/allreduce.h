/* The ways to all-reduce among the cores of a line, by name. Each one sums
 * along chains of cores, level by level, until one core has it all, and then
 * gives the sum out; how it does so is one file in mpi_kernels/, and a row of
 * the table in mpi_kernels/allreduce.c. Pure arithmetic, but for what is
 * charged: line_allreduce (line.h) moves the words. Not collective. */
#ifndef WL_ALLREDUCE_H
#define WL_ALLREDUCE_H

#include <stddef.h>

#include "base/partition.h"
#include "device/ledger.h"
#include "grid/grid.h"
#include "mpi_kernels/moves/line.h"

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
	struct line_record record; /* must come first: in line.records */
	const struct allreduce *a;
	int first, last, groups[LINE_LEVELS_MAX - 1];
	struct allreduce_up up;
	int n;
	struct range chain[]; /* [n] */
};

/* The default: the K-tree of WaferLLM, K = 2. */
const struct allreduce *allreduce_default(void);

/* The ring of all cores, which Megatron's sums use. */
extern const struct allreduce allreduce_ring;

/* The variant of that name or alias; NULL: there is none. */
const struct allreduce *allreduce_find(const char *name);

/* All variants, one after the other; at: 0 <= i < count. */
size_t allreduce_count(void);
const struct allreduce *allreduce_at(size_t i);

/* One all-reduce among the cores first..last of a line. */
struct line_segment {
	int first, last;
	float *value;    /* the segment's own cores' vectors, from
	                    line_base(first) on, stride apart; changed */
	size_t stride;
	size_t words;    /* of this rank's vector */
	float *result;   /* [words], on each rank of the segment */
	struct wire_words wire; /* of all parallel lines of the grid */
};

/* All-reduces n segments of the line the way that l->allreduce says: along its
 * chains, level by level, then out to all cores. A root adds (own + higher
 * side) + lower side. Segments may share their end cores, no links. Source:
 * WaferLLM (OSDI'25), section 6. Cost charged: as Luczynski et al. (HPDC'24)
 * model reductions and multicasts, max(contention, energy / links + distance)
 * + stages; the segments work side by side. */
void line_allreduce(struct line *l, int n, const struct line_segment *segments,
                    enum line_op op);

#endif
