/* A core grid (rows x cols emulated cores) as one rank sees it: the rectangle
 * of cores that it emulates, and the lines along x and along y on which moves
 * run. Core rows are partitioned over rank rows, core columns over rank columns
 * (partition.h). No function here is collective. */
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

/* Most levels of a K-tree over the cores of a line (allreduce.h). */
enum { LINE_LEVELS_MAX = 4 };

struct allreduce;

/* The head of a record that an all-reduce caches for a line (chains, costs) and
 * finds again at its next call. */
struct line_record {
	struct line_record *next;
};

/* A line's scratch buffers. Those up to LINE_LINKS belong to the move that runs
 * on the line (partial sums, levels, chains and links of an all-reduce), the
 * others to a kernel, across moves. */
enum { LINE_SUM_LOWER, LINE_SUM_UPPER, LINE_LEVELS, LINE_CHAINS,
       LINE_LINKS, LINE_PARTIAL, LINE_RESULT, LINE_KEPT,
       LINE_BUFFERS };

/* For the ledger: sums over the larger blocks of a partition over a ring's
 * places, in one ring step, by skew (positions from home); entry [n] is the sum
 * over all blocks. */
struct ring_sums {
	struct ring_sums *next;
	struct partition part;
	uint64_t *hops;      /* [n + 1] hops that the blocks go */
	uint64_t *moves;     /* [n + 1] blocks that leave their core */
	/* [n + 1] prefix sums: entry [s] sums over skews below s. */
	uint64_t *hops_before, *moves_before;
};

/* The sum over skews [first, first + count), modulo n, from prefix sums. */
static inline uint64_t ring_sum(const uint64_t *before, int n, int first,
                                int count)
{
	int end = first + count;

	return end <= n ? before[end] - before[first]
	                : before[n] - before[first] + before[end - n];
}

/* A cached result of ring_max. */
struct ring_peak {
	struct ring_peak *next;
	struct partition part;
	int items;
};

/* One direction of a ring as a rank sees it. */
struct ring_route {
	int *to;             /* [own places] where the tile of each goes */
	/* The place whose tile crosses the cut at the [lower, upper] end of
	 * this rank's cores, going [downwards, upwards], and the place where it
	 * arrives; -1 at the end of the line. */
	int from[2][2], arrives[2][2];
	int *hops;           /* [ring position] of the edge that starts there */
	int longest;         /* of `hops` */
	struct ring_sums *sums; /* cached */
};

/* A ring (ring.h) through all places of a line. Every core has the same number
 * of places: one, or more where the lines of both axes need rings of the same
 * length on a grid with unequal sides. Place p is on core p / per_core. */
struct ring {
	struct ring *next;   /* of the line */
	struct ring_peak *peaks; /* cached */
	enum ring_kind kind;
	int n, per_core;     /* places of the ring, of a core */
	struct range local;  /* this rank's places */
	struct ring_route route[2]; /* of steps -1 and +1 */
};

/* All parallel lines of one axis: for AXIS_X a line of n = cols cores for each
 * core row; for AXIS_Y a line of n = rows cores for each core column. */
struct line {
	enum axis axis;
	int n;               /* cores on a line */
	struct range local;  /* this rank's cores on it */
	int nranks, rank;    /* ranks along the axis, this one's index */
	enum dir lower, upper; /* directions of core 0 and of core n - 1 */
	struct noc *noc;     /* NULL in a dry run */
	struct ledger *ledger;
	struct profile *profile; /* of the host; NULL: none */
	struct ring *rings;  /* made by line_ring */
	const struct allreduce *allreduce; /* NULL: the default */
	/* Groups of each level of a K-tree but the last; 0: a function of the
	 * line's length. */
	int groups[LINE_LEVELS_MAX - 1];
	/* [n] by first core: lists of what all-reduces cache; owned; NULL until
	 * the first. */
	struct line_record **records;
	bool shifting;       /* a shift has started and not finished */
	float *buffer[LINE_BUFFERS]; /* see line_buffer */
	size_t buffer_words[LINE_BUFFERS];
};

struct grid {
	int rows, cols;      /* cores */
	struct rxc laid;     /* their rectangle on the wafer: rows x cols, or,
	                        for a single line, that of its snake */
	bool dry;            /* no data: moves and kernels only charge */
	struct line x, y;
	struct ledger *ledger;
};

/* Creates the core grid of rank (row, col) of rank_rows x rank_cols ranks. noc
 * NULL: a dry run. Ledger and noc are borrowed. Free with grid_fini. */
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

/* Core rows (y.local) and core columns (x.local) of this rank. */
static inline int grid_height(const struct grid *g)
{
	return range_size(g->y.local);
}

static inline int grid_width(const struct grid *g)
{
	return range_size(g->x.local);
}

/* The sides of the core grid that a rectangle of the wafer makes: the same, or,
 * as one line, a snake through the rectangle's rows, so that neighbours on the
 * line are neighbours on the wafer. */
static inline struct rxc grid_sides(struct rxc laid, bool line)
{
	return line ? (struct rxc){ 1, laid.rows * laid.cols } : laid;
}

/* Whether the sides differ. Dimensions that products sum over are then
 * dispersed (partition.h), so that both axes cut them alike. */
static inline bool grid_uneven(const struct grid *g)
{
	return g->rows != g->cols;
}

/* The cores of a line that rank i of the axis emulates. */
struct range line_cores(const struct line *l, int i);

/* Hops between cores a and b of a line. All distances come from here, so that
 * detours around dead cores need to be added in one place only. */
static inline int line_hops(const struct line *l, int a, int b)
{
	(void)l;
	return a < b ? b - a : a - b;
}

/* The core c such that the lower or upper end of this rank's cores is between
 * cores c and c + 1; -1 at the end of the line. */
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

/* The line's ring of `places` places, a multiple of its cores. Made by the
 * first call; owned by the line. */
struct ring *line_ring(struct line *l, enum ring_kind kind, int places);

/* The sums of a partition over the ring's places (part->parts of them) for one
 * step of -1 or +1. Owned by the ring. */
const struct ring_sums *ring_sums(struct ring *r, int step,
                                  const struct partition *part);

/* Peak items of a core, while a partition over the ring's places goes round the
 * ring. */
int ring_max(struct ring *r, const struct partition *part);

/* Scratch buffer i of the line, of at least `words` floats. Its contents are
 * lost when it grows. Owned by the line. */
float *line_buffer(struct line *l, int i, size_t words);

/* The same for any type, in bytes. */
static inline void *line_room(struct line *l, int i, size_t bytes)
{
	return line_buffer(l, i, (bytes + 3) / 4);
}

/* Frees all scratch buffers and the noc's spare memory; both grow again when
 * needed. */
void line_trim(struct line *l);

#endif
