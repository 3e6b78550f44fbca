/* Products of a model in one dimension, as Megatron's tensor parallelism has
 * them, on a line of P cores that hold whole columns or whole rows of B.
 *
 *   by columns   A(b) goes round, B [k][n of x]      C(x) = sum of A(b) B(b,x)
 *   by rows      C(b) goes round, B [k of x][n]      C(b) += A(x) B(x,b)
 *
 *   core  0 -> 2 -> 4 -> ... -> 5 -> 3 -> 1 -> 0     one ring step each time
 *
 * The first is the all-gather, the second the reduce-scatter of the rings that
 * an all-reduce is made of; each hides behind the products of its steps. The
 * sum at a core runs over the steps, that of a block over the ring.
 *
 * Sources: Shoeybi et al. (Megatron-LM, 2019); Korthikanti et al. (MLSys'23)
 * for gathers and scatters in place of all-reduces; Wang et al. (ASPLOS'23) for
 * their overlap with products. */
#include "config.h"
#include "product.h"

#include "cost.h"
#include "fail.h"
#include "vec.h"

/* Charges the whole product's multiply-adds, of which the busiest core has all
 * of k for its columns, or all columns for its k. Returns a step's cycles. */
static struct charge charge_all(const struct gemm *p, bool by_rows)
{
	struct ledger *l = p->c->grid->ledger;
	uint64_t m = part_max(&p->a->fixed);
	uint64_t k = part_max(&p->a->ring), n = part_max(&p->c->ring);
	const struct charge product = cost_product(
		l, (uint64_t)p->a->fixed.n * p->a->ring.n * p->c->ring.n,
		by_rows ? m * k * p->c->ring.n : m * p->a->ring.n * n, 0);

	ledger_charge(l, &product);
	return (struct charge){ .compute_cycles = cost_gemm(l, m, n, k) };
}

/* One step: the products of what is in hand while `moving` goes on. */
static void step(const struct gemm *p, struct tiles *moving,
                 const struct charge *cycles,
                 void (*multiply)(const struct gemm *p, int x), bool first)
{
	struct grid *g = p->c->grid;
	struct tiles_shift shift;

	ledger_together(g->ledger);
	ledger_charge(g->ledger, cycles);
	/* What goes round must not be written while it is on its way. */
	for (int x = g->x.mine.lo; !g->dry && first && x < g->x.mine.hi; x++)
		multiply(p, x);
	tiles_shift_start(&shift, moving, NULL);
	for (int x = g->x.mine.lo; !g->dry && !first && x < g->x.mine.hi; x++)
		multiply(p, x);
	tiles_shift_finish(&shift);
	ledger_join(g->ledger);
}

/* C(x) += A(b) B(b,x) for the block in hand. */
static void multiply_columns(const struct gemm *p, int x)
{
	int m = part_size(&p->a->fixed, 0), k = tiles_ring_extent(p->a, 0, x);
	int n = part_size(&p->b->fixed, x);
	int row = part_start(&p->a->ring, tiles_block(p->a, 0, x));

	vec_gemm(m, n, k, tiles_at(p->a, 0, x), k, 1,
	         tiles_at(p->b, 0, x) + (size_t)row * n, n,
	         tiles_at(p->c, 0, x), n);
}

/* C(b) += A(x) B(x,b) for the block in hand. */
static void multiply_rows(const struct gemm *p, int x)
{
	int m = part_size(&p->a->fixed, 0), k = tiles_ring_extent(p->a, 0, x);
	int n = tiles_ring_extent(p->c, 0, x), all = p->c->ring.n;
	int column = part_start(&p->c->ring, tiles_block(p->c, 0, x));

	vec_gemm(m, n, k, tiles_at(p->a, 0, x), k, 1,
	         tiles_at(p->b, 0, x) + column, all, tiles_at(p->c, 0, x), n);
}

static void run(const struct gemm *p)
{
	bool by_rows = p->b->axis == AXIS_X;
	const struct charge cycles = charge_all(p, by_rows);

	WL_ASSERT(p->c->grid->rows == 1);
	product_clear(p->c);
	for (int i = 0; i < p->c->grid->cols; i++)
		if (by_rows)
			step(p, p->c, &cycles, multiply_rows, true);
		else
			step(p, p->a, &cycles, multiply_columns, false);
}

const struct gemm_algorithm gemm_megatron = {
	"megatron", "matrices by whole columns or rows, operands on a ring",
	RING_INTERLEAVE, false, run, true
};
