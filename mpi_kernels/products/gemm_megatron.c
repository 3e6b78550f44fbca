/* Products of a model in one dimension, as Megatron's tensor parallelism has
 * them, on a line of P cores that hold whole columns or whole rows of B.
 *
 *   by columns   A(b) goes round, B [k][n of x]      C(x) = sum of A(b) B(b,x)
 *   by rows      C(b) goes round, B [k of x][n]      C(b) += A(x) B(x,b)
 *
 *   core  0 -> 2 -> 4 -> ... -> 5 -> 3 -> 1 -> 0     one ring step each time
 *
 * The first is the all-gather, the second the reduce-scatter of the rings that
 * an all-reduce is made of. The first hides behind the products of its steps,
 * the second has to wait for them. The sum at a core runs over the steps, that
 * of a block over the ring.
 *
 * Sources: Shoeybi et al. (Megatron-LM, 2019); Korthikanti et al. (MLSys'23)
 * for gathers and scatters in place of all-reduces; Wang et al. (ASPLOS'23) for
 * their overlap with products. */
#include "config.h"
#include "gemm_common.h"

#include "base/error.h"
#include "device/cost.h"
#include "mpi_kernels/moves/shift.h"
#include "simd/vec.h"

/* Charges the whole product's multiply-adds, of which the busiest core has all
 * of k for its columns, or all columns for its k. Returns a step's cycles. */
static struct charge charge_all(const struct gemm *p, bool by_rows)
{
	struct ledger *l = p->c->grid->ledger;
	uint64_t m = partition_max(&p->a->fixed);
	uint64_t k = partition_max(&p->a->ring), n = partition_max(&p->c->ring);
	const struct charge product = cost_product(
		l, (uint64_t)p->a->fixed.n * p->a->ring.n * p->c->ring.n,
		by_rows ? m * k * p->c->ring.n : m * p->a->ring.n * n, 0);

	ledger_charge(l, &product);
	return (struct charge){ .compute_cycles = cost_gemm(l, m, n, k) };
}

static void multiply_all(const struct gemm *p,
                         void (*multiply)(const struct gemm *p, int x))
{
	const struct grid *g = p->c->grid;

	for (int x = g->x.local.lo; !g->dry && x < g->x.local.hi; x++)
		multiply(p, x);
}

/* The element number i of core x's tile. */
static const void *element(const struct tiles *t, int x, size_t i)
{
	return (const char *)tiles_data(t, 0, x) +
	       i * wl_type_size(t->type);
}

/* C(x) += A(b) B(b,x) for the block in hand. */
static void multiply_columns(const struct gemm *p, int x)
{
	int m = partition_size(&p->a->fixed, 0),
	    k = tiles_ring_extent(p->a, 0, x);
	int n = partition_size(&p->b->fixed, x);
	int row = partition_start(&p->a->ring, tiles_block(p->a, 0, x));

	vec_gemm(m, n, k, tiles_at(p->a, 0, x), k, 1, p->b->type,
	         element(p->b, x, (size_t)row * n), n, tiles_at(p->c, 0, x), n);
}

/* C(b) += A(x) B(x,b) for the block in hand. */
static void multiply_rows(const struct gemm *p, int x)
{
	int m = partition_size(&p->a->fixed, 0),
	    k = tiles_ring_extent(p->a, 0, x);
	int n = tiles_ring_extent(p->c, 0, x), all = p->c->ring.n;
	int column = partition_start(&p->c->ring, tiles_block(p->c, 0, x));

	vec_gemm(m, n, k, tiles_at(p->a, 0, x), k, 1, p->b->type,
	         element(p->b, x, column), all, tiles_at(p->c, 0, x), n);
}

/* A goes on while it is multiplied. */
static void step_columns(const struct gemm *p, const struct charge *cycles)
{
	struct ledger *l = p->c->grid->ledger;
	struct tiles_shift shift;

	ledger_overlap_begin(l);
	ledger_charge(l, cycles);
	tiles_shift_start(&shift, p->a, NULL);
	multiply_all(p, multiply_columns);
	tiles_shift_finish(&shift);
	ledger_overlap_end(l);
}

/* C goes on when it has what this core adds. */
static void step_rows(const struct gemm *p, const struct charge *cycles)
{
	struct tiles_shift shift;

	ledger_charge(p->c->grid->ledger, cycles);
	multiply_all(p, multiply_rows);
	tiles_shift_start(&shift, p->c, NULL);
	tiles_shift_finish(&shift);
}

static void run(const struct gemm *p)
{
	bool by_rows = p->b->axis == AXIS_X;
	struct charge cycles = charge_all(p, by_rows);

	WL_ASSERT(p->c->grid->rows == 1);
	cycles.compute_cycles = gemm_share(by_rows ? &p->c->ring
	                                              : &p->a->ring,
	                                      cycles.compute_cycles);
	tiles_clear(p->c);
	for (int i = 0; i < p->c->grid->cols; i++)
		if (by_rows)
			step_rows(p, &cycles);
		else
			step_columns(p, &cycles);
}

static int applies(struct rxc cores, struct wl_error *err)
{
	if (cores.rows == 1)
		return 0;
	return wl_error_set(err, "core grid: products by whole columns or rows"
	                    " run on one row of cores, not on %dx%d",
	                    cores.rows, cores.cols);
}

const struct gemm_algorithm gemm_megatron = {
	"megatron", "matrices by whole columns or rows, operands on a ring",
	RING_INTERLEAVE, false, true, applies, run
};
