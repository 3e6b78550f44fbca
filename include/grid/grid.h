/* A core grid (rows x cols emulated cores) as one rank sees it: the rectangle
 * of cores that is its own, and the two lines (along x, along y) on which
 * moves run. A rank's rectangle follows from block.h: core rows over rank
 * rows, core columns over rank columns. */
#ifndef WL_GRID_H
#define WL_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/partition.h"
#include "device/ledger.h"
#include "grid/ring.h"
#include "host/noc.h"
#include "host/profile.h"

enum axis { AXIS_X, AXIS_Y };

/* The most levels of a K-tree over the cores of a line (allreduce.h). */
enum { LINE_LEVELS_MAX = 4 };

struct allreduce;

/* What an all-reduce found out about a line, kept for its next call: the head
 * of each record in a list. */
struct line_record {
	struct line_record *next;
};

/* A line's buffers: sums on their way and the chains that they go, which
 * belong to the one move that runs on the line, then what kernels keep between
 * two moves. */
enum { LINE_SUM_LOWER, LINE_SUM_UPPER, LINE_LEVELS, LINE_CHAINS,
       LINE_LINKS, LINE_PARTIAL, LINE_RESULT, LINE_KEPT,
       LINE_BUFFERS };

/* Of one cut of a dimension over a ring's places, for the account: what the
 * larger blocks, and [n] all blocks, add up to when each stands off places
 * further than at home. */
struct ring_sums {
	struct ring_sums *next;
	struct partition part;
	uint64_t *hops;      /* [off] that they make in one step */
	uint64_t *moves;     /* [off] of them that leave their core */
	/* [n + 1] the sums of either over the offs below that. */
	uint64_t *hops_before, *moves_before;
};

/* From such sums those over `count` offs from `first` on, round the ring. */
static inline uint64_t ring_sum(const uint64_t *before, int n, int first,
                                int count)
{
	int end = first + count;

	return end <= n ? before[end] - before[first]
	                : before[n] - before[first] + before[end - n];
}

/* An answer of ring_max. */
struct ring_room {
	struct ring_room *next;
	struct partition part;
	int max;
};

/* One direction of a ring as a rank sees it. */
struct ring_route {
	int *to;             /* [own places] where each one's tile goes */
	/* The places whose tile crosses the cut at the [lower, upper] end of
	 * the own cores [downwards, upwards], and where it goes; -1: no cut. */
	int from[2][2], arrives[2][2];
	int *hops;           /* [ring position] length of the edge from there */
	int longest;         /* of them */
	struct ring_sums *sums;
};

/* A ring (ring.h) through all places of a line, of which each core has the
 * same number: one, but where a ring has to be as long for the lines of both
 * axes of a grid with unequal sides. Place p is on core p / per_core. */
struct ring {
	struct ring *next;   /* of the line's */
	struct ring_room *rooms; /* see ring_max */
	enum ring_kind kind;
	int n, per_core;     /* places */
	struct range local;   /* this rank's */
	struct ring_route route[2]; /* of steps -1 and +1 */
};

/* All the parallel lines of one axis: for AXIS_X one line of n = cols cores
 * per core row; for AXIS_Y one of n = rows per core column. */
struct line {
	enum axis axis;
	int n;               /* cores on a line */
	struct range local;   /* this rank's cores on it */
	int nranks, rank;    /* ranks along the axis, this one's index */
	enum dir lower, upper; /* the ways towards core 0 and core n-1 */
	struct noc *noc;     /* NULL in a dry run */
	struct ledger *ledger;
	struct profile *profile; /* of the host; NULL: none */
	struct ring *rings;  /* those that were asked for: see line_ring */
	const struct allreduce *allreduce; /* NULL: the default */
	/* Of a K-tree, by level but the last; 0: by its length. */
	int groups[LINE_LEVELS_MAX - 1];
	/* [n] lists by first core of what all-reduces keep; owned; NULL: none
	 * yet. */
	struct line_record **records;
	bool shifting;       /* a shift is between start and finish */
	/* Kept between calls: see line_buffer. */
	float *buffer[LINE_BUFFERS];
	size_t capacity[LINE_BUFFERS];
};

struct grid {
	int rows, cols;      /* cores */
	struct rxc laid;     /* the rectangle of the wafer that they take: the
	                        same, or, of one line, that of its snake */
	bool dry;            /* no data: moves and kernels only charge */
	struct line x, y;
	struct ledger *ledger;
};

/* rank_rows x rank_cols ranks, this one at (row, col); noc NULL: a dry run.
 * ledger and noc are borrowed. Not collective. Free with grid_fini. */
void grid_init(struct grid *g, int rows, int cols, int rank_rows,
               int rank_cols, int row, int col, struct noc *noc,
               struct ledger *ledger);
void grid_fini(struct grid *g);

static inline struct line *grid_line(struct grid *g, enum axis a)
{
	return a == AXIS_X ? &g->x : &g->y;
}

/* Parallel lines of an axis in the whole grid. */
static inline int grid_lines(const struct grid *g, enum axis a)
{
	return a == AXIS_X ? g->rows : g->cols;
}

/* This rank's rectangle: core rows y.mine, core columns x.mine. */
static inline int grid_height(const struct grid *g)
{
	return range_size(g->y.local);
}

static inline int grid_width(const struct grid *g)
{
	return range_size(g->x.local);
}

/* The cores of a rectangle of the wafer as a grid; as one line they go through
 * its rows to and fro, so that neighbours on it are neighbours on the mesh. */
static inline struct rxc grid_sides(struct rxc laid, bool line)
{
	return line ? (struct rxc){ 1, laid.rows * laid.cols } : laid;
}

/* Whether the sides differ. Then dimensions that products sum over lie spread
 * (block.h), so that both axes cut them alike. */
static inline bool grid_uneven(const struct grid *g)
{
	return g->rows != g->cols;
}

/* The cores of a line that rank i of the axis holds. */
struct range line_cores(const struct line *l, int i);

/* Hops between cores a and b of a line. Everything that needs a distance
 * asks here, so that detours around dead cores have one place to enter. */
static inline int line_hops(const struct line *l, int a, int b)
{
	(void)l;
	return a < b ? b - a : a - b;
}

/* The cut between cores c and c + 1 at the lower or upper end of this rank's
 * cores, named c; -1 at the end of the line. */
static inline int line_cut(const struct line *l, bool upper)
{
	if (upper)
		return l->local.hi < l->n ? l->local.hi - 1 : -1;
	return l->local.lo - 1;
}

static inline bool line_has(const struct line *l, int core)
{
	return core >= l->local.lo && core < l->local.hi;
}

/* The line's ring of that many places, a multiple of its cores; made when it is
 * first asked for, it belongs to the line. */
struct ring *line_ring(struct line *l, enum ring_kind kind, int places);

/* The sums of a cut over the ring's places (part->parts of them) for one step
 * of -1 or +1; they belong to the ring. */
const struct ring_sums *ring_sums(struct ring *r, int step,
                                  const struct partition *part);

/* The most items of a cut over the ring's places that a core holds at any time
 * while they go round. */
int ring_max(struct ring *r, const struct partition *part);

/* Buffer number i with room for words; its content is lost when it grows. */
float *line_buffer(struct line *l, int i, size_t words);

/* The same for anything, by bytes. */
static inline void *line_room(struct line *l, int i, size_t bytes)
{
	return line_buffer(l, i, (bytes + 3) / 4);
}

/* Gives the memory of all buffers back, and what the noc can spare; it grows
 * again when needed. */
void line_trim(struct line *l);

#endif
