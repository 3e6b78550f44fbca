#include "config.h"
#include "grid/grid.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/huge.h"
#include "grid/ring.h"

struct range line_cores(const struct line *l, int i)
{
	struct partition p = partition_of(l->n, l->nranks);

	return partition_range(&p, (struct range){ i, i + 1 });
}

/* Notes a tile that leaves place p for place `to`, if it crosses the cut at the
 * lower or the upper end of this rank's places. A ring crosses a cut once
 * upwards and once downwards. */
static void note_crossing(const struct ring *ring, struct ring_route *r, int p,
                          int to)
{
	const int below[] = { ring->local.lo - 1, ring->local.hi - 1 };

	for (int upper = 0; upper <= 1; upper++) {
		if ((p <= below[upper]) == (to <= below[upper]))
			continue;
		r->from[upper][to > p] = p;
		r->arrives[upper][to > p] = to;
	}
}

static void route_init(const struct line *l, const struct ring *ring,
                       struct ring_route *r, int step)
{
	int n = ring->n;

	r->to = wl_malloc(range_size(ring->local), sizeof *r->to);
	r->hops = wl_malloc(n, sizeof *r->hops);
	r->longest = 0;
	for (int i = 0; i < 4; i++)
		r->from[i / 2][i % 2] = r->arrives[i / 2][i % 2] = -1;
	for (int p = 0; p < n; p++) {
		int to = ring_next_of(ring->kind, p, step, n);
		int hops = line_hops(l, p / ring->per_core,
		                     to / ring->per_core);

		r->hops[ring_pos_of(ring->kind, p, n)] = hops;
		r->longest = hops > r->longest ? hops : r->longest;
		if (p >= ring->local.lo && p < ring->local.hi)
			r->to[p - ring->local.lo] = to;
		note_crossing(ring, r, p, to);
	}
}

struct ring *line_ring(struct line *l, enum ring_kind kind, int places)
{
	struct ring *r = l->rings;
	int each = places / l->n;

	WL_ASSERT(places % l->n == 0);
	while (r && (r->kind != kind || r->n != places))
		r = r->next;
	if (r)
		return r;
	r = wl_calloc(1, sizeof *r);
	*r = (struct ring){ .next = l->rings,
		            .kind = kind,
		            .n = places,
		            .per_core = each,
		            .local = { l->local.lo * each,
		                       l->local.hi * each } };
	for (int i = 0; i < 2; i++)
		route_init(l, r, &r->route[i], i ? 1 : -1);
	l->rings = r;
	return r;
}

/* The most frequent length of an edge. Only the edge that closes the natural
 * ring is longer than 2 hops, and it is never the most frequent one. */
static int usual_edge(int n, const int *edge)
{
	int count[3] = { 0, 0, 0 }, usual = 0;

	for (int k = 0; k < n; k++)
		if (edge[k] <= 2)
			count[edge[k]]++;
	for (int e = 1; e <= 2; e++)
		if (count[e] > count[usual])
			usual = e;
	return usual;
}

/* sums[skew]: the edges that the larger blocks leave by when they are `skew`
 * positions from home, added up; sums[n]: all edges. Only the few edges of
 * unusual length are looked at for each skew. */
static void sum_edges(int n, const bool *larger, const int *edge,
                      uint64_t *sums)
{
	int usual = usual_edge(n, edge);
	uint64_t count = 0;

	for (int k = 0; k < n; k++)
		count += larger[k];
	for (int skew = 0; skew < n; skew++)
		sums[skew] = count * usual;
	for (int k = 0; k < n; k++) {
		int64_t more = edge[k] - usual;

		for (int skew = 0; more && skew < n; skew++)
			if (larger[k + skew < n ? k + skew : k + skew - n])
				sums[skew] += more;
		sums[n] += edge[k];
	}
}

static uint64_t *sums_before(int n, const uint64_t *sums)
{
	uint64_t *before = wl_calloc(n + 1, sizeof *before);

	for (int skew = 0; skew < n; skew++)
		before[skew + 1] = before[skew] + sums[skew];
	return before;
}

static struct ring_sums *sums_new(const struct ring *r,
                                  const struct ring_route *route,
                                  const struct partition *part)
{
	struct ring_sums *s = wl_calloc(1, sizeof *s);
	int n = r->n, smaller = partition_size(part, n - 1);
	bool *larger = wl_calloc(n, sizeof *larger); /* [position] */
	int *moves = wl_malloc(n, sizeof *moves);

	for (int k = 0; k < n; k++) {
		int block = ring_core_of(r->kind, k, n);

		larger[k] = partition_size(part, block) > smaller;
		moves[k] = route->hops[k] > 0;
	}
	s->part = *part;
	s->hops = wl_calloc(n + 1, sizeof *s->hops);
	s->moves = wl_calloc(n + 1, sizeof *s->moves);
	sum_edges(n, larger, route->hops, s->hops);
	sum_edges(n, larger, moves, s->moves);
	s->hops_before = sums_before(n, s->hops);
	s->moves_before = sums_before(n, s->moves);
	free(moves);
	free(larger);
	return s;
}

const struct ring_sums *ring_sums(struct ring *r, int step,
                                  const struct partition *part)
{
	struct ring_route *route = &r->route[step > 0];
	struct ring_sums *s = route->sums;

	while (s && (s->part.n / s->part.unit != part->n / part->unit ||
	             s->part.dispersed != part->dispersed))
		s = s->next;
	if (s)
		return s;
	s = sums_new(r, route, part);
	s->next = route->sums;
	route->sums = s;
	return s;
}

/* before[k]: items of the blocks at ring positions [0, k), k up to twice round
 * the ring. The caller frees it. */
static int *items_before(const struct ring *r, const struct partition *part)
{
	int *before = wl_malloc(2 * (size_t)r->n + 1, sizeof *before);

	before[0] = 0;
	for (int k = 0; k < 2 * r->n; k++) {
		int block = ring_core_of(r->kind, k % r->n, r->n);

		before[k + 1] = before[k] + partition_size(part, block);
	}
	return before;
}

/* Consecutive ring positions. */
struct run {
	int first, count;
};

/* The ring positions of a core's places [lo, hi): one run, or, on the
 * interleaved ring (ring.h), one of the even places, whose positions ascend
 * from 0, and one of the odd places, whose positions descend from n - 1. */
static void core_runs(const struct ring *r, int core, struct run run[2])
{
	int lo = core * r->per_core, hi = lo + r->per_core;

	if (r->kind == RING_NATURAL) {
		run[0] = (struct run){ lo, r->per_core };
		run[1] = (struct run){ 0, 0 };
		return;
	}
	run[0] = (struct run){ (lo + 1) / 2, (hi + 1) / 2 - (lo + 1) / 2 };
	run[1] = (struct run){ r->n - hi / 2, hi / 2 - lo / 2 };
}

/* The most items of a core, over all cores and all skews. */
static int max_core_items(const struct ring *r, const struct partition *part)
{
	int *before = items_before(r, part), n = r->n, max = 0;

	for (int core = 0; core < n / r->per_core; core++) {
		struct run run[2];

		core_runs(r, core, run);
		for (int skew = 0; skew < n; skew++) {
			int items = 0;

			for (int i = 0; i < 2; i++) {
				int k = (run[i].first + skew) % n;

				items += before[k + run[i].count] - before[k];
			}
			max = items > max ? items : max;
		}
	}
	free(before);
	return max;
}

int ring_max(struct ring *r, const struct partition *part)
{
	struct ring_peak *peak = r->peaks;

	if (r->per_core == 1)
		return partition_max(part);
	while (peak && (peak->part.n != part->n ||
	                peak->part.unit != part->unit ||
	                peak->part.dispersed != part->dispersed))
		peak = peak->next;
	if (peak)
		return peak->items;
	peak = wl_malloc(1, sizeof *peak);
	*peak = (struct ring_peak){ r->peaks, *part,
		                    max_core_items(r, part) };
	r->peaks = peak;
	return peak->items;
}

static void route_fini(struct ring_route *r)
{
	while (r->sums) {
		struct ring_sums *s = r->sums;

		r->sums = s->next;
		free(s->hops);
		free(s->moves);
		free(s->hops_before);
		free(s->moves_before);
		free(s);
	}
	free(r->to);
	free(r->hops);
}

static void line_init(struct line *l, enum axis axis, int n, int nranks,
                      int rank, struct noc *noc, struct ledger *ledger)
{
	*l = (struct line){ .axis = axis, .n = n, .nranks = nranks,
	                    .rank = rank, .noc = noc, .ledger = ledger };
	l->lower = axis == AXIS_X ? DIR_WEST : DIR_NORTH;
	l->upper = axis == AXIS_X ? DIR_EAST : DIR_SOUTH;
	l->local = line_cores(l, rank);
}

void grid_init(struct grid *g, int rows, int cols, int rank_rows,
               int rank_cols, int row, int col, struct noc *noc,
               struct ledger *ledger)
{
	*g = (struct grid){ .rows = rows, .cols = cols,
	                    .laid = { rows, cols }, .dry = !noc,
	                    .ledger = ledger };
	line_init(&g->x, AXIS_X, cols, rank_cols, col, noc, ledger);
	line_init(&g->y, AXIS_Y, rows, rank_rows, row, noc, ledger);
}

void line_trim(struct line *l)
{
	for (int i = 0; i < LINE_BUFFERS; i++) {
		huge_free(l->buffer[i]);
		l->buffer[i] = NULL;
		l->buffer_words[i] = 0;
	}
	if (l->noc)
		noc_trim(l->noc);
}

static void free_records(struct line *l)
{
	for (int i = 0; l->records && i < l->n; i++)
		while (l->records[i]) {
			struct line_record *r = l->records[i];

			l->records[i] = r->next;
			free(r);
		}
	free(l->records);
}

static void line_fini(struct line *l)
{
	line_trim(l);
	free_records(l);
	while (l->rings) {
		struct ring *r = l->rings;

		l->rings = r->next;
		for (int i = 0; i < 2; i++)
			route_fini(&r->route[i]);
		while (r->peaks) {
			struct ring_peak *peak = r->peaks;

			r->peaks = peak->next;
			free(peak);
		}
		free(r);
	}
}

void grid_fini(struct grid *g)
{
	line_fini(&g->x);
	line_fini(&g->y);
}

float *line_buffer(struct line *l, int i, size_t words)
{
	if (words > l->buffer_words[i] || !l->buffer[i]) {
		huge_free(l->buffer[i]);
		l->buffer[i] = huge_malloc(words, sizeof(float));
		l->buffer_words[i] = words;
	}
	return l->buffer[i];
}
