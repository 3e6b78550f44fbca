/* All-gather, then one product on each core by itself.
 *
 *   A(y,0) A(y,1) A(y,2)  gathered along x on every core of row y
 *   B(0,x) B(1,x) B(2,x)  gathered along y on every core of column x
 *                         C(y,x) = sum over b of A(y,b) B(b,x)
 *
 * A core needs room for its whole row of A and column of B, and a path for
 * each core that it hears from. The sum at a core runs over k.
 *
 * Source: WaferLLM (OSDI'25), section 5.1. */
#include "config.h"
#include "product.h"

#include <stdlib.h>

#include "cost.h"
#include "fail.h"
#include "line.h"

/* Bytes of all of k on the fullest core, beside its own tiles. */
static uint64_t gathered_bytes(const struct gemm *p)
{
	uint64_t m = part_max(&p->a->fixed), n = part_max(&p->b->fixed);

	return cost_bytes(p->c->grid->ledger, (m + n) * p->a->ring.n);
}

/* Gathers an operand's blocks in data, one after the other. */
static void gather(const struct tiles *t, float *data, size_t each)
{
	struct line *l = tiles_line(t);
	int blocks = t->ring.parts;
	size_t *words = wl_malloc(blocks, sizeof *words);
	int *root = wl_malloc(blocks, sizeof *root);

	for (int b = 0; b < blocks; b++) {
		words[b] = each * part_size(&t->ring, b);
		root[b] = product_home(t, b);
	}
	line_allgather(l, &(struct line_parts){ blocks, { 0, blocks }, words,
	                                        root },
	               data, cost_parts(l->ledger, &t->fixed, t->ring.n));
	free(root);
	free(words);
}

void gemm_allgather(const struct gemm *p)
{
	struct grid *g = p->c->grid;
	struct ledger *l = g->ledger;
	int blocks = p->a->ring.parts;
	float *a = NULL, *b = NULL;
	const struct charge product = product_cycles(p, p->a->ring.n);
	size_t rows = range_size(part_range(&p->a->fixed, g->y.mine));
	size_t columns = range_size(part_range(&p->b->fixed, g->x.mine));

	product_start(p);
	ledger_hold(l, SRAM_BUFFERS, gathered_bytes(p));
	if (!g->dry) {
		a = wl_malloc(product_panel_a(p, blocks), sizeof *a);
		b = wl_malloc(product_panel_b(p, blocks), sizeof *b);
	}
	for (int i = 0; i < blocks && a; i++)
		product_pack(p, &(struct panel){ i, a + product_panel_a(p, i),
		                                 b + product_panel_b(p, i) });
	ledger_together(l);
	gather(p->a, a, rows);
	gather(p->b, b, columns);
	ledger_join(l);
	ledger_charge(l, &product);
	for (int i = 0; i < blocks && a; i++)
		product_add(p, &(struct panel){ i, a + product_panel_a(p, i),
		                                b + product_panel_b(p, i) });
	ledger_release(l, SRAM_BUFFERS, gathered_bytes(p));
	free(b);
	free(a);
}
