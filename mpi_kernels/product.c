/* What products on a grid share: their account, operands that go round, and
 * panels that are brought along the lines. */
#include "config.h"
#include "product.h"

#include <string.h>

#include "cost.h"
#include "fail.h"
#include "vec.h"

void product_clear(struct tiles *c)
{
	struct grid *g = c->grid;

	for (int i = 0; c->memory && i < grid_height(g) * grid_width(g); i++)
		memset(c->tile[i], 0, tiles_capacity(c) * sizeof(float));
}

void product_start(const struct gemm *p)
{
	uint64_t m = part_max(&p->a->fixed), n = part_max(&p->b->fixed);
	uint64_t k = p->a->ring.n;
	const struct charge product = cost_product(
		p->c->grid->ledger, p->a->fixed.n * k * p->b->fixed.n,
		m * n * k, 0);

	WL_ASSERT(p->a->ring.n == p->b->ring.n &&
	          p->a->ring.parts == p->b->ring.parts);
	ledger_charge(p->c->grid->ledger, &product);
	product_clear(p->c);
}

struct charge product_cycles(const struct gemm *p, int k)
{
	return (struct charge){ .compute_cycles = cost_gemm(
		p->c->grid->ledger, part_max(&p->a->fixed),
		part_max(&p->b->fixed), k) };
}

uint64_t product_share(const struct part *blocks, uint64_t cycles)
{
	uint64_t full = blocks->n / blocks->unit, all = blocks->parts;

	return full < all ? (cycles * full + all - 1) / all : cycles;
}

bool product_finer(const struct gemm *p)
{
	return p->a->path->per_core > 1 || p->b->path->per_core > 1;
}

struct charge product_step(const struct gemm *p)
{
	const struct part *k = &p->a->ring;
	struct charge c = product_cycles(p, part_max(k));

	if (product_finer(p) || k->n / k->unit < k->parts)
		c.compute_cycles = (product_cycles(p, k->n).compute_cycles +
		                    k->parts - 1) / k->parts;
	return c;
}

/* C += A B on each core of this rank, with the tiles that lie on its first
 * places now. */
static void multiply(const struct gemm *p)
{
	const struct grid *g = p->c->grid;

	for (int y = g->y.mine.lo; y < g->y.mine.hi; y++) {
		int m = part_size(&p->a->fixed, y);

		/* Most rows of a large grid have none of a short prompt. */
		for (int x = g->x.mine.lo; m && x < g->x.mine.hi; x++) {
			int k = tiles_ring_extent(p->a, y, x);
			int n = tiles_fixed_extent(p->b, y, x);

			WL_ASSERT(tiles_block(p->a, y,
			                      x * p->a->path->per_core) ==
			          tiles_block(p->b, x,
			                      y * p->b->path->per_core));
			vec_gemm(m, n, k, tiles_at(p->a, y, x), k, 1,
			         p->b->type, tiles_elements(p->b, y, x), n,
			         tiles_at(p->c, y, x), n);
		}
	}
}

void product_round(const struct gemm *p)
{
	struct grid *g = p->c->grid;
	const struct charge step_product = product_step(p);

	product_start(p);
	for (int step = 0; step < p->a->path->n; step++) {
		struct tiles_shift a, b;

		ledger_together(g->ledger);
		ledger_charge(g->ledger, &step_product);
		tiles_shift_start(&a, p->a, NULL);
		tiles_shift_start(&b, p->b, NULL);
		if (!g->dry)
			multiply(p);
		tiles_shift_finish(&a);
		tiles_shift_finish(&b);
		ledger_join(g->ledger);
	}
}

int product_home(const struct tiles *t, int block)
{
	return block / t->path->per_core;
}

struct wire_words product_wire(const struct tiles *t, int b)
{
	return cost_parts(t->grid->ledger, &t->fixed, part_size(&t->ring, b));
}

size_t product_words(const struct tiles *t, int b)
{
	size_t own = range_size(part_range(&t->fixed, tiles_own_lines(t)));

	return (own * part_size(&t->ring, b) * wl_type_size(t->type) + 3) / 4;
}

/* Copies this rank's tiles of one place, line by line. */
static void copy_out(const struct tiles *t, int place, char *to)
{
	struct range lines = tiles_own_lines(t);

	if (place < t->path->mine.lo || place >= t->path->mine.hi)
		return;
	for (int q = lines.lo; q < lines.hi; q++) {
		size_t bytes = tiles_memory(t, q, place);

		memcpy(to, *tiles_slot(t, q, place), bytes);
		to += bytes;
	}
}

void product_pack(const struct gemm *p, const struct panel *panel)
{
	copy_out(p->a, panel->block, (char *)panel->a);
	copy_out(p->b, panel->block, panel->b);
}

void product_add(const struct gemm *p, const struct panel *panel)
{
	const struct grid *g = p->c->grid;
	int k = part_size(&p->a->ring, panel->block);
	const float *a = panel->a;

	for (int y = g->y.mine.lo; y < g->y.mine.hi; y++) {
		int m = part_size(&p->a->fixed, y);
		const char *b = panel->b;

		for (int x = g->x.mine.lo; x < g->x.mine.hi; x++) {
			int n = part_size(&p->b->fixed, x);

			vec_gemm(m, n, k, a, k, 1, p->b->type, b, n,
			         tiles_at(p->c, y, x), n);
			b += (size_t)k * n * wl_type_size(p->b->type);
		}
		a += (size_t)m * k;
	}
}
