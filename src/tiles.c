#include "config.h"
#include "tiles.h"

#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "fail.h"
#include "ring.h"

void tiles_init(struct tiles *t, struct grid *g, enum axis axis,
                struct part ring, struct part fixed, enum sram sram)
{
	size_t n = (size_t)grid_height(g) * grid_width(g);

	*t = (struct tiles){ .type = WL_F32, .grid = g, .axis = axis,
	                     .ring = ring, .fixed = fixed, .sram = sram };
	t->off = wl_calloc(grid_lines(g, axis), sizeof *t->off);
	ledger_hold(g->ledger, sram, tiles_bytes(t));
	if (g->dry)
		return;
	t->memory = wl_calloc(n * tiles_capacity(t), sizeof *t->memory);
	t->tile = wl_malloc(n, sizeof *t->tile);
	for (size_t i = 0; i < n; i++)
		t->tile[i] = t->memory + i * tiles_capacity(t);
}

void tiles_fini(struct tiles *t)
{
	if (t->grid)
		ledger_release(t->grid->ledger, t->sram, tiles_bytes(t));
	free(t->off);
	free(t->tile);
	free(t->memory);
	free(t->hops[0]);
	free(t->hops[1]);
	memset(t, 0, sizeof *t);
}

size_t tiles_capacity(const struct tiles *t)
{
	return (size_t)part_max(&t->ring) * part_max(&t->fixed);
}

uint64_t tiles_bytes(const struct tiles *t)
{
	return cost_bytes(t->grid->ledger, tiles_capacity(t));
}

struct line *tiles_line(const struct tiles *t)
{
	return grid_line(t->grid, t->axis);
}

struct range tiles_own_lines(const struct tiles *t)
{
	return t->axis == AXIS_X ? t->grid->y.mine : t->grid->x.mine;
}

float **tiles_slot(const struct tiles *t, int q, int p)
{
	int y = t->axis == AXIS_X ? q : p, x = t->axis == AXIS_X ? p : q;

	return &t->tile[(y - t->grid->y.mine.lo) * grid_width(t->grid) +
	                x - t->grid->x.mine.lo];
}

float *tiles_at(const struct tiles *t, int y, int x)
{
	if (!t->tile)
		return NULL;
	return *(t->axis == AXIS_X ? tiles_slot(t, y, x)
	                           : tiles_slot(t, x, y));
}

int tiles_block(const struct tiles *t, int q, int p)
{
	int n = tiles_line(t)->n;

	return ring_core((ring_pos(p, n) + t->off[q]) % n, n);
}

size_t tiles_size(const struct tiles *t, int q, int p)
{
	return (size_t)part_size(&t->ring, tiles_block(t, q, p)) *
	       part_size(&t->fixed, q);
}

int tiles_ring_extent(const struct tiles *t, int y, int x)
{
	int q = t->axis == AXIS_X ? y : x, p = t->axis == AXIS_X ? x : y;

	return part_size(&t->ring, tiles_block(t, q, p));
}

int tiles_fixed_extent(const struct tiles *t, int y, int x)
{
	return part_size(&t->fixed, t->axis == AXIS_X ? y : x);
}

void tiles_set_skewed(struct tiles *t)
{
	int lines = grid_lines(t->grid, t->axis), n = tiles_line(t)->n;

	for (int q = 0; q < lines; q++)
		t->off[q] = ring_pos(q, lines) % n;
}
