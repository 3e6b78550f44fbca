#include "config.h"
#include "grid.h"

#include <stdlib.h>

#include "fail.h"
#include "ring.h"

struct range line_cores(const struct line *l, int i)
{
	struct part p = part_of(l->n, l->nranks);

	return part_range(&p, (struct range){ i, i + 1 });
}

/* The place whose tile crosses the cut behind place `cut` in one step, upwards
 * or downwards: on the natural ring its neighbour, or the one whose way leads
 * all along the line; else one of the two that are next to it. */
static int crossing(enum ring_kind kind, int n, int step, int cut, bool up)
{
	int near = up ? cut : cut + 1, far = up ? cut - 1 : cut + 2;
	int to = ring_next_of(kind, near, step, n);

	if (kind == RING_NATURAL)
		far = up ? 0 : n - 1;
	return (up ? to > cut : to <= cut) ? near : far;
}

static void route_init(const struct line *l, const struct ring *ring,
                       struct ring_route *r, int step)
{
	int n = ring->n;

	r->to = wl_malloc(range_size(ring->mine), sizeof *r->to);
	r->hops = wl_malloc(n, sizeof *r->hops);
	for (int p = ring->mine.lo; p < ring->mine.hi; p++)
		r->to[p - ring->mine.lo] = ring_next_of(ring->kind, p, step, n);
	r->longest = 0;
	for (int p = 0; p < n; p++) {
		int to = ring_next_of(ring->kind, p, step, n);
		int hops = line_hops(l, p / ring->per_core,
		                     to / ring->per_core);

		r->hops[ring_pos_of(ring->kind, p, n)] = hops;
		r->longest = hops > r->longest ? hops : r->longest;
	}
	for (int upper = 0; upper <= 1; upper++)
		for (int up = 0; up <= 1; up++) {
			int cut = upper ? ring->mine.hi - 1 : ring->mine.lo - 1;
			bool none = line_cut(l, upper) < 0;
			int p = none ? -1
			             : crossing(ring->kind, n, step, cut, up);

			r->from[upper][up] = p;
			r->arrives[upper][up] =
				none ? -1 : ring_next_of(ring->kind, p, step, n);
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
	*r = (struct ring){ .next = l->rings, .kind = kind, .n = places,
	                    .per_core = each,
	                    .mine = { l->mine.lo * each, l->mine.hi * each } };
	for (int i = 0; i < 2; i++)
		route_init(l, r, &r->route[i], i ? 1 : -1);
	l->rings = r;
	return r;
}

/* For each offset: what the edges from the larger blocks' positions have more
 * than `usual`, all told. */
static void sum_edges(int n, const bool *larger, const int *edge, int usual,
                      uint64_t *sums)
{
	uint64_t count = 0;

	for (int k = 0; k < n; k++)
		count += larger[k];
	for (int off = 0; off < n; off++)
		sums[off] = count * usual;
	/* Few edges are not like most. */
	for (int k = 0; k < n; k++) {
		int64_t more = edge[k] - usual;

		for (int off = 0; more && off < n; off++)
			if (larger[k + off < n ? k + off : k + off - n])
				sums[off] += more;
		sums[n] += edge[k];
	}
}

static struct ring_sums *sums_new(const struct ring *r,
                                  const struct ring_route *route,
                                  const struct part *part)
{
	struct ring_sums *s = wl_calloc(1, sizeof *s);
	int n = r->n, less = part_size(part, n - 1);
	bool *larger = wl_calloc(n, sizeof *larger); /* [position] */
	int *moves = wl_malloc(n, sizeof *moves);

	for (int k = 0; k < n; k++) {
		int block = ring_core_of(r->kind, k, n);

		larger[k] = part_size(part, block) > less;
		moves[k] = route->hops[k] > 0;
	}
	s->part = *part;
	s->hops = wl_calloc(n + 1, sizeof *s->hops);
	s->moves = wl_calloc(n + 1, sizeof *s->moves);
	sum_edges(n, larger, route->hops, route->hops[n / 4], s->hops);
	sum_edges(n, larger, moves, moves[n / 4], s->moves);
	free(moves);
	free(larger);
	return s;
}

const struct ring_sums *ring_sums(struct ring *r, int step,
                                  const struct part *part)
{
	struct ring_route *route = &r->route[step > 0];
	struct ring_sums *s = route->sums;

	while (s && (s->part.n / s->part.unit != part->n / part->unit ||
	             s->part.spread != part->spread))
		s = s->next;
	if (s)
		return s;
	s = sums_new(r, route, part);
	s->next = route->sums;
	route->sums = s;
	return s;
}

static void route_fini(struct ring_route *r)
{
	while (r->sums) {
		struct ring_sums *s = r->sums;

		r->sums = s->next;
		free(s->hops);
		free(s->moves);
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
	l->mine = line_cores(l, rank);
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
		free(l->buffer[i]);
		l->buffer[i] = NULL;
		l->capacity[i] = 0;
	}
}

static void line_fini(struct line *l)
{
	line_trim(l);
	while (l->rings) {
		struct ring *r = l->rings;

		l->rings = r->next;
		for (int i = 0; i < 2; i++)
			route_fini(&r->route[i]);
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
	if (words > l->capacity[i] || !l->buffer[i]) {
		free(l->buffer[i]);
		l->buffer[i] = wl_malloc(words, sizeof(float));
		l->capacity[i] = words;
	}
	return l->buffer[i];
}
