/* MeshGEMM: Cannon's algorithm on the INTERLEAVE ring.
 *
 *   core (y,x) at step s holds   A(y,b), B(b,x)   with
 *   b = ring[(pos(x) + pos(y) - s) mod P]
 *
 *        B(b,x)                     each step:  C(y,x) += A(y,b) B(b,x)
 *          |  two hops on y                     A one ring step along x
 *   A(y,b) C(y,x)                               B one ring step along y
 *     -- two hops on x
 *
 * After P steps all blocks have passed, A and B are where they began and C
 * lies at home. The sum at a core runs over s, and within a tile over k.
 *
 * Source: WaferLLM (OSDI'25), section 5.3. */
#include "config.h"
#include "gemm.h"

#include <string.h>

#include "cost.h"
#include "fail.h"
#include "vec.h"

static void clear(struct tiles *c)
{
	struct grid *g = c->grid;

	for (int i = 0; c->memory && i < grid_height(g) * grid_width(g); i++)
		memset(c->tile[i], 0, tiles_capacity(c) * sizeof(float));
}

/* C += A B on each core of this rank, with the tiles it holds now. */
static void multiply(const struct gemm *p)
{
	struct grid *g = p->c->grid;

	for (int y = g->y.mine.lo; y < g->y.mine.hi; y++) {
		int m = part_size(&p->a->fixed, y);

		/* Most rows of a large grid have none of a short prompt. */
		for (int x = g->x.mine.lo; m && x < g->x.mine.hi; x++) {
			int k = tiles_ring_extent(p->a, y, x);
			int n = tiles_fixed_extent(p->b, y, x);

			WL_ASSERT(tiles_block(p->a, y, x) ==
			          tiles_block(p->b, x, y));
			vec_gemm(m, n, k, tiles_at(p->a, y, x), k, 1,
			         tiles_at(p->b, y, x), n,
			         tiles_at(p->c, y, x), n);
		}
	}
}

void gemm_mesh(const struct gemm *p)
{
	struct grid *g = p->c->grid;
	uint64_t m = part_max(&p->a->fixed), n = part_max(&p->b->fixed);
	uint64_t k = p->a->ring.n;
	const struct charge product = cost_product(
		g->ledger, p->a->fixed.n * k * p->b->fixed.n, m * n * k, 0);
	const struct charge step_product = {
		.compute_cycles = cost_gemm(g->ledger, m, n,
		                            part_max(&p->a->ring)) };

	WL_ASSERT(g->rows == g->cols && p->a->ring.n == p->b->ring.n);
	ledger_charge(g->ledger, &product);
	clear(p->c);
	for (int step = 0; step < g->cols; step++) {
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
