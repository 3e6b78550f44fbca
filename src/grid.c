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

/* The core whose tile crosses a cut in one step, upwards or downwards: one of
 * the two that are next to it. */
static int crossing(int n, int step, int cut, bool up)
{
	int near = up ? cut : cut + 1, far = up ? cut - 1 : cut + 2;
	int to = ring_next(near, step, n);

	return (up ? to > cut : to <= cut) ? near : far;
}

static void route_init(const struct line *l, struct ring_route *r, int step)
{
	r->to = wl_malloc(range_size(l->mine), sizeof *r->to);
	r->hops = wl_malloc(l->n, sizeof *r->hops);
	for (int p = l->mine.lo; p < l->mine.hi; p++)
		r->to[p - l->mine.lo] = ring_next(p, step, l->n);
	for (int p = 0; p < l->n; p++)
		r->hops[ring_pos(p, l->n)] =
			line_hops(l, p, ring_next(p, step, l->n));
	for (int upper = 0; upper <= 1; upper++)
		for (int up = 0; up <= 1; up++) {
			int cut = line_cut(l, upper);
			int p = cut < 0 ? -1 : crossing(l->n, step, cut, up);

			r->from[upper][up] = p;
			r->arrives[upper][up] =
				cut < 0 ? -1 : ring_next(p, step, l->n);
		}
}

static void line_init(struct line *l, enum axis axis, int n, int nranks,
                      int rank, struct noc *noc, struct ledger *ledger)
{
	*l = (struct line){ .axis = axis, .n = n, .nranks = nranks,
	                    .rank = rank, .noc = noc, .ledger = ledger };
	l->lower = axis == AXIS_X ? DIR_WEST : DIR_NORTH;
	l->upper = axis == AXIS_X ? DIR_EAST : DIR_SOUTH;
	l->mine = line_cores(l, rank);
	for (int i = 0; i < 2; i++)
		route_init(l, &l->ring[i], i ? 1 : -1);
}

void grid_init(struct grid *g, int rows, int cols, int rank_rows,
               int rank_cols, int row, int col, struct noc *noc,
               struct ledger *ledger)
{
	*g = (struct grid){ .rows = rows, .cols = cols, .dry = !noc,
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
	for (int i = 0; i < 2; i++) {
		free(l->ring[i].to);
		free(l->ring[i].hops);
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
