#include "config.h"
#include "grid/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/huge.h"
#include "device/cost.h"
#include "grid/ring.h"

void tiles_init_on(struct tiles *t, struct grid *g, enum axis axis,
                   enum ring_kind kind, enum wl_type type,
                   struct partition ring, struct partition fixed,
                   enum sram sram)
{
	*t = (struct tiles){ .type = type, .grid = g, .axis = axis,
	                     .path = line_ring(grid_line(g, axis), kind,
	                                       ring.parts),
	                     .ring = ring, .fixed = fixed, .sram = sram };
	size_t n = (size_t)grid_height(g) * grid_width(g) * t->path->per_core;

	ledger_alloc(g->ledger, sram, tiles_core_bytes(t));
	if (g->dry)
		return;
	size_t each = tiles_max_elements(t) * wl_type_size(type);

	t->memory = huge_malloc(n, each);
	t->tile = wl_malloc(n, sizeof *t->tile);
	for (size_t i = 0; i < n; i++)
		t->tile[i] = t->memory + i * each;
}

void tiles_init(struct tiles *t, struct grid *g, enum axis axis,
                struct partition ring, struct partition fixed, enum sram sram)
{
	tiles_init_on(t, g, axis, RING_INTERLEAVE, WL_F32, ring, fixed, sram);
}

void tiles_fini(struct tiles *t)
{
	if (t->grid)
		ledger_free(t->grid->ledger, t->sram, tiles_core_bytes(t));
	free(t->skew);
	free(t->tile);
	huge_free(t->memory);
	memset(t, 0, sizeof *t);
}

void tiles_clear(struct tiles *t)
{
	size_t n = (size_t)grid_height(t->grid) * grid_width(t->grid) *
	           t->path->per_core;

	if (t->memory)
		memset(t->memory, 0, n * tiles_max_elements(t) *
		       wl_type_size(t->type));
}

size_t tiles_max_elements(const struct tiles *t)
{
	return (size_t)partition_max(&t->ring) * partition_max(&t->fixed);
}

uint64_t tiles_core_bytes(const struct tiles *t)
{
	return cost_bytes(t->grid->ledger, (uint64_t)partition_max(&t->fixed) *
	                                   ring_max(t->path, &t->ring));
}

struct line *tiles_line(const struct tiles *t)
{
	return grid_line(t->grid, t->axis);
}

struct range tiles_own_lines(const struct tiles *t)
{
	return t->axis == AXIS_X ? t->grid->y.local : t->grid->x.local;
}

void **tiles_slot(const struct tiles *t, int q, int p)
{
	struct range lines = tiles_own_lines(t);
	size_t line = q - lines.lo, place = p - t->path->local.lo;

	return &t->tile[t->axis == AXIS_X
	                ? line * range_size(t->path->local) + place
	                : place * range_size(lines) + line];
}

void *tiles_data(const struct tiles *t, int y, int x)
{
	int each = t->path->per_core;

	if (!t->tile)
		return NULL;
	return *(t->axis == AXIS_X ? tiles_slot(t, y, x * each)
	                           : tiles_slot(t, x, y * each));
}

float *tiles_at(const struct tiles *t, int y, int x)
{
	WL_ASSERT(t->type == WL_F32);
	return tiles_data(t, y, x);
}

int tiles_wanted_skew(const struct tiles *t, int q, bool skewed)
{
	int lines = grid_lines(t->grid, t->axis), n = t->path->n;
	int place = lines == n ? q : (int)((int64_t)q * n / lines);

	return skewed ? ring_pos_of(t->path->kind, place, n) : 0;
}

int tiles_line_skew(const struct tiles *t, int q)
{
	int skew = t->skew ? t->skew[q] : tiles_wanted_skew(t, q, t->skewed);

	skew -= t->turned;
	return skew < 0 ? skew + t->path->n : skew;
}

void tiles_step(struct tiles *t, int q, int step)
{
	int lines = grid_lines(t->grid, t->axis), n = t->path->n;

	if (!t->skew) {
		int *skew = wl_malloc(lines, sizeof *skew);

		for (int i = 0; i < lines; i++)
			skew[i] = tiles_line_skew(t, i);
		t->skew = skew;
		t->turned = 0;
	}
	t->skew[q] = (t->skew[q] - step + n) % n;
}

void tiles_step_all(struct tiles *t)
{
	t->turned = (t->turned + 1) % t->path->n;
}

void tiles_declare_skew(struct tiles *t, bool skewed)
{
	free(t->skew);
	t->skew = NULL;
	t->skewed = skewed;
	t->turned = 0;
}

int tiles_block(const struct tiles *t, int q, int p)
{
	const struct ring *r = t->path;

	int k = ring_pos_of(r->kind, p, r->n) + tiles_line_skew(t, q);

	return ring_core_of(r->kind, k % r->n, r->n);
}

int tiles_place(const struct tiles *t, int q, int b)
{
	const struct ring *r = t->path;

	int k = ring_pos_of(r->kind, b, r->n) - tiles_line_skew(t, q) + r->n;

	return ring_core_of(r->kind, k % r->n, r->n);
}

size_t tiles_elements_at(const struct tiles *t, int q, int p)
{
	return (size_t)partition_size(&t->ring, tiles_block(t, q, p)) *
	       partition_size(&t->fixed, q);
}

size_t tiles_bytes_at(const struct tiles *t, int q, int p)
{
	return tiles_elements_at(t, q, p) * wl_type_size(t->type);
}

int tiles_ring_extent(const struct tiles *t, int y, int x)
{
	int q = t->axis == AXIS_X ? y : x, p = t->axis == AXIS_X ? x : y;

	return partition_size(&t->ring,
	                      tiles_block(t, q, p * t->path->per_core));
}

int tiles_fixed_extent(const struct tiles *t, int y, int x)
{
	return partition_size(&t->fixed, t->axis == AXIS_X ? y : x);
}

static struct range block(const struct partition *p, int i)
{
	return partition_range(p, (struct range){ i, i + 1 });
}

/* Copies the intersection of a box with each tile (tiles at home). */
static void copy_box(const struct matrix_view *view, struct box what,
                     void *data, bool out)
{
	const struct tiles *t = view->matrix;
	size_t pitch = range_size(what.n) * view->size;
	int k0 = partition_owner(&t->ring, what.k.lo);
	int n0 = partition_owner(&t->fixed, what.n.lo);

	for (int p = k0; partition_start(&t->ring, p) < what.k.hi; p++)
		for (int q = n0; partition_start(&t->fixed, q) < what.n.hi;
		     q++) {
			struct box tile = { block(&t->ring, p),
			                    block(&t->fixed, q) };
			struct box b = box_intersect(tile, what);
			size_t row = range_size(tile.n) * view->size;
			char *in_tile = (char *)*tiles_slot(t, q, p) +
			                (b.k.lo - tile.k.lo) * row +
			                (b.n.lo - tile.n.lo) * view->size;
			char *in_box = (char *)data +
			               (b.k.lo - what.k.lo) * pitch +
			               (b.n.lo - what.n.lo) * view->size;

			matrix_view_rows(in_tile, row, in_box, pitch,
			                 range_size(b.k),
			                 range_size(b.n) * view->size, out);
		}
}

struct matrix_view tiles_view(struct tiles *t)
{
	const struct box own = {
		partition_range(&t->ring, t->path->local),
		partition_range(&t->fixed, tiles_own_lines(t)) };

	return (struct matrix_view){ own, wl_type_size(t->type), copy_box, t,
		                     0 };
}
