/* What products on a grid share: their account, operands that go round, and
 * panels that are brought along the lines. */
#include "config.h"
#include "gemm_common.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/huge.h"
#include "device/cost.h"
#include "mpi_kernels/moves/shift.h"
#include "simd/convert.h"
#include "simd/vec.h"

void gemm_start(const struct gemm *p)
{
	uint64_t m = partition_max(&p->a->fixed),
		 n = partition_max(&p->b->fixed);
	uint64_t k = p->a->ring.n;
	const struct charge product = cost_product(
		p->c->grid->ledger, p->a->fixed.n * k * p->b->fixed.n,
		m * n * k, 0);

	WL_ASSERT(p->a->ring.n == p->b->ring.n &&
	          p->a->ring.parts == p->b->ring.parts);
	ledger_charge(p->c->grid->ledger, &product);
	tiles_clear(p->c);
}

struct charge gemm_cycles(const struct gemm *p, int k)
{
	return (struct charge){ .compute_cycles = cost_gemm(
		p->c->grid->ledger, partition_max(&p->a->fixed),
		partition_max(&p->b->fixed), k) };
}

uint64_t gemm_share(const struct partition *blocks, uint64_t cycles)
{
	uint64_t full = blocks->n / blocks->unit, all = blocks->parts;

	return full < all ? (cycles * full + all - 1) / all : cycles;
}

bool gemm_is_finer(const struct gemm *p)
{
	return p->a->path->per_core > 1 || p->b->path->per_core > 1;
}

struct charge gemm_step_charge(const struct gemm *p)
{
	const struct partition *k = &p->a->ring;
	struct charge c = gemm_cycles(p, partition_max(k));

	if (gemm_is_finer(p) || k->n / k->unit < k->parts)
		c.compute_cycles = (gemm_cycles(p, k->n).compute_cycles +
		                    k->parts - 1) / k->parts;
	return c;
}

/* Steps whose terms are added up together: the tiles of each own core. */
struct batch {
	struct vec_term *term; /* [own cores][most] */
	int *block;            /* of k: as term */
	int max, steps;
	bool fresh;            /* none before these */
	/* One column's tiles of B as floats, where they are of another type:
	 * all rows read them. */
	enum wl_type type;     /* of B's in terms */
	float *wide;           /* [blocks][largest tile]; NULL: read as is */
	bool *is_wide;         /* [blocks] */
};

/* Bytes that a batch may take on the host: what a cache close by holds. */
#define BATCH_BYTES ((size_t)4 << 20)

static void batch_init(struct batch *b, const struct gemm *p)
{
	const struct grid *g = p->c->grid;
	size_t cores = (size_t)grid_height(g) * grid_width(g);
	size_t step = cores * sizeof *b->term + tiles_departed_bytes(p->a) +
	              tiles_departed_bytes(p->b);
	size_t max = BATCH_BYTES / step, all = p->a->path->n;

	*b = (struct batch){ .max = max < 1 ? 1 : max < all ? max : all,
	                     .fresh = true, .type = p->b->type };
	if (g->dry)
		return;
	b->term = wl_malloc(cores * b->max, sizeof *b->term);
	b->block = wl_malloc(cores * b->max, sizeof *b->block);
	tiles_keep_departed(p->a, b->max);
	tiles_keep_departed(p->b, b->max);
	all *= tiles_max_elements(p->b);
	if (p->b->type == WL_F32 || grid_height(g) == 1 ||
	    all * sizeof(float) > BATCH_BYTES)
		return;
	b->type = WL_F32;
	b->wide = huge_malloc(all, sizeof *b->wide);
	b->is_wide = wl_malloc(p->b->path->n, sizeof *b->is_wide);
}

static void batch_fini(struct batch *b, const struct gemm *p)
{
	tiles_departed_end(p->a);
	tiles_departed_end(p->b);
	free(b->is_wide);
	huge_free(b->wide);
	free(b->block);
	free(b->term);
}

/* Where a core's steps begin in term and block. */
static size_t steps_of(const struct batch *b, const struct grid *g, int y,
                       int x)
{
	size_t core = (size_t)(y - g->y.local.lo) * grid_width(g) +
	              (x - g->x.local.lo);

	return core * b->max;
}

/* Notes the tiles that lie on each core's first place now. */
static void note_tiles(const struct gemm *p, struct batch *b)
{
	const struct grid *g = p->c->grid;

	for (int y = g->y.local.lo; y < g->y.local.hi; y++) {
		/* Most rows of a large grid have none of a short prompt. */
		if (!partition_size(&p->a->fixed, y))
			continue;
		for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
			int block = tiles_block(p->a, y,
			                        x * p->a->path->per_core);

			WL_ASSERT(block ==
			          tiles_block(p->b, x,
			                      y * p->b->path->per_core));
			size_t at = steps_of(b, g, y, x) + b->steps;

			b->block[at] = block;
			b->term[at] = (struct vec_term){
				tiles_at(p->a, y, x),
				tiles_data(p->b, y, x),
				partition_size(&p->a->ring, block) };
		}
	}
	b->steps++;
}

/* Makes floats of a column's tiles of B, for the steps from `at` on of one of
 * its cores, where no other core had them before. */
static void widen(const struct gemm *p, struct batch *b, size_t at, int n)
{
	for (int i = 0; i < b->steps; i++) {
		struct vec_term *t = &b->term[at + i];
		int block = b->block[at + i];
		float *wide = b->wide + block * tiles_max_elements(p->b);

		if (!b->is_wide[block])
			wl_to_f32(wide, t->b, p->b->type, t->k * n);
		b->is_wide[block] = true;
		t->b = wide;
	}
}

/* C += A B on each core of this rank for the noted tiles, column by column: one
 * column's tiles of B serve all rows. */
static void multiply(const struct gemm *p, struct batch *b)
{
	const struct grid *g = p->c->grid;

	for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
		int n = partition_size(&p->b->fixed, x);

		if (b->wide)
			memset(b->is_wide, 0, p->b->path->n);
		for (int y = g->y.local.lo; y < g->y.local.hi; y++) {
			int m = partition_size(&p->a->fixed, y);
			size_t at = steps_of(b, g, y, x);

			if (m && b->wide)
				widen(p, b, at, n);
			if (m)
				vec_gemm_terms(m, n, b->steps, b->term + at,
				               b->type, b->fresh,
				               tiles_at(p->c, y, x));
		}
	}
	b->fresh = false;
	b->steps = 0;
}

void gemm_run_rings(const struct gemm *p)
{
	struct grid *g = p->c->grid;
	int steps = p->a->path->n;
	const struct charge step_product = gemm_step_charge(p);
	struct batch batch;

	gemm_start(p);
	batch_init(&batch, p);
	for (int step = 0; step < steps; step++) {
		struct tiles_shift a, b;
		bool last = batch.steps + 1 == batch.max || step + 1 == steps;

		ledger_overlap_begin(g->ledger);
		ledger_charge(g->ledger, &step_product);
		tiles_shift_start(&a, p->a, NULL);
		tiles_shift_start(&b, p->b, NULL);
		if (!g->dry)
			note_tiles(p, &batch);
		if (!g->dry && last)
			multiply(p, &batch);
		tiles_shift_finish(&a);
		tiles_shift_finish(&b);
		if (last) {
			tiles_reuse_departed(p->a);
			tiles_reuse_departed(p->b);
		}
		ledger_overlap_end(g->ledger);
	}
	batch_fini(&batch, p);
}

int gemm_home(const struct tiles *t, int block)
{
	return block / t->path->per_core;
}

struct wire_words gemm_wire(const struct tiles *t, int b)
{
	return cost_parts(t->grid->ledger, &t->fixed,
	                  partition_size(&t->ring, b));
}

size_t gemm_panel_words(const struct tiles *t, int b)
{
	size_t own = range_size(partition_range(&t->fixed, tiles_own_lines(t)));

	return (own * partition_size(&t->ring, b) * wl_type_size(t->type) + 3) /
	       4;
}

/* Copies this rank's tiles of one place, line by line. */
static void copy_out(const struct tiles *t, int place, char *to)
{
	struct range lines = tiles_own_lines(t);

	if (place < t->path->local.lo || place >= t->path->local.hi)
		return;
	for (int q = lines.lo; q < lines.hi; q++) {
		size_t bytes = tiles_bytes_at(t, q, place);

		memcpy(to, *tiles_slot(t, q, place), bytes);
		to += bytes;
	}
}

void gemm_pack_panel(const struct gemm *p, const struct panel *panel)
{
	copy_out(p->a, panel->block, (char *)panel->a);
	copy_out(p->b, panel->block, panel->b);
}

void gemm_add_panel(const struct gemm *p, const struct panel *panel)
{
	const struct grid *g = p->c->grid;
	int k = partition_size(&p->a->ring, panel->block);
	const float *a = panel->a;

	for (int y = g->y.local.lo; y < g->y.local.hi; y++) {
		int m = partition_size(&p->a->fixed, y);
		const char *b = panel->b;

		for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
			int n = partition_size(&p->b->fixed, x);

			vec_gemm(m, n, k, a, k, 1, p->b->type, b, n,
			         tiles_at(p->c, y, x), n);
			b += (size_t)k * n * wl_type_size(p->b->type);
		}
		a += (size_t)m * k;
	}
}
