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

	r->to = wl_malloc(range_size(ring->local), sizeof *r->to);
	r->hops = wl_malloc(n, sizeof *r->hops);
	for (int p = ring->local.lo; p < ring->local.hi; p++)
		r->to[p - ring->local.lo] =
			ring_next_of(ring->kind, p, step, n);
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
			int cut =
				upper ? ring->local.hi - 1 : ring->local.lo - 1;
			bool none = line_cut(l, upper) < 0;
			int p = none ? -1
			             : crossing(ring->kind, n, step, cut, up);

			r->from[upper][up] = p;
			r->arrives[upper][up] =
				none ? -1
				     : ring_next_of(ring->kind, p, step, n);
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

/* The edge that most places have; none is longer than 2 but the natural ring's
 * way home. */
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

/* For each offset: what the edges from the larger blocks' positions have, all
 * told. */
static void sum_edges(int n, const bool *larger, const int *edge,
                      uint64_t *sums)
{
	int usual = usual_edge(n, edge);
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

static uint64_t *sums_before(int n, const uint64_t *sums)
{
	uint64_t *before = wl_calloc(n + 1, sizeof *before);

	for (int off = 0; off < n; off++)
		before[off + 1] = before[off] + sums[off];
	return before;
}

static struct ring_sums *sums_new(const struct ring *r,
                                  const struct ring_route *route,
                                  const struct partition *part)
{
	struct ring_sums *s = wl_calloc(1, sizeof *s);
	int n = r->n, less = partition_size(part, n - 1);
	bool *larger = wl_calloc(n, sizeof *larger); /* [position] */
	int *moves = wl_malloc(n, sizeof *moves);

	for (int k = 0; k < n; k++) {
		int block = ring_core_of(r->kind, k, n);

		larger[k] = partition_size(part, block) > less;
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

/* Items at ring positions [0, k) of the cut, k up to twice round: [2 n + 1]. */
static int *items_before(const struct ring *r, const struct partition *part)
{
	int *before = wl_malloc(2 * (size_t)r->n + 1, sizeof *before);

	before[0] = 0;
	for (int k = 0; k < 2 * r->n; k++)
		before[k + 1] =
			before[k] +
			partition_size(part,
		                       ring_core_of(r->kind, k % r->n, r->n));
	return before;
}

/* A core's places lie on stretches of ring positions: its even and its odd
 * ones, or, on the natural ring, all of them. */
static int most_held(const struct ring *r, const struct partition *part)
{
	int *before = items_before(r, part), max = 0, n = r->n;

	for (int first = 0; first < n; first += r->per_core) {
		int held[2], at[2], stride = r->kind == RING_NATURAL ? 1 : 2;

		for (int i = 0; i < 2; i++) {
			int p = first + i, last = first + r->per_core - 1;

			held[i] = i < stride && p <= last
			          ? (last - p) / stride + 1 : 0;
			at[i] = held[i] ? ring_pos_of(r->kind, p, n) : 0;
			/* Odd places stand in falling order. */
			if (stride == 2 && p % 2 && held[i])
				at[i] -= held[i] - 1;
		}
		for (int off = 0; off < n; off++) {
			int sum = 0;

			for (int i = 0; i < 2; i++) {
				int k = (at[i] + off) % n;

				sum += before[k + held[i]] - before[k];
			}
			max = sum > max ? sum : max;
		}
	}
	free(before);
	return max;
}

int ring_max(struct ring *r, const struct partition *part)
{
	struct ring_room *room = r->rooms;

	if (r->per_core == 1)
		return partition_max(part);
	while (room && (room->part.n != part->n ||
	                room->part.unit != part->unit ||
	                room->part.dispersed != part->dispersed))
		room = room->next;
	if (room)
		return room->max;
	room = wl_malloc(1, sizeof *room);
	*room = (struct ring_room){ r->rooms, *part, most_held(r, part) };
	r->rooms = room;
	return room->max;
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
		l->capacity[i] = 0;
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
		while (r->rooms) {
			struct ring_room *room = r->rooms;

			r->rooms = room->next;
			free(room);
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
	if (words > l->capacity[i] || !l->buffer[i]) {
		huge_free(l->buffer[i]);
		l->buffer[i] = huge_malloc(words, sizeof(float));
		l->capacity[i] = words;
	}
	return l->buffer[i];
}
