/* SUMMA: outer products of broadcast panels.
 *
 *   step b     column b of A, along x        row b of B, along y
 *              o <- [A(y,b)] -> o -> o       every core: C += A(y,b) B(b,x)
 *
 * A and B never leave home. Every core of a line is the root of a broadcast in
 * its turn, so that a router would need a path for each (line_broadcast). The
 * panels of step b + 1 come while those of step b are multiplied. The sum at a
 * core runs over b, and within a block over k.
 *
 * Source: van de Geijn and Watts (1997); WaferLLM (OSDI'25), section 5.1. */
#include "config.h"
#include "gemm_common.h"

#include <stdlib.h>

#include "base/error.h"
#include "device/cost.h"
#include "mpi_kernels/moves/line.h"

/* Bytes of one panel of each operand on the fullest core. */
static uint64_t panel_bytes(const struct gemm *p)
{
	return cost_bytes(p->c->grid->ledger, tiles_max_elements(p->a) +
	                                      tiles_max_elements(p->b));
}

static void broadcast(const struct gemm *p, const struct panel *panel)
{
	struct grid *g = p->c->grid;
	int b = panel->block;

	if (!g->dry)
		gemm_pack_panel(p, panel);
	line_broadcast(&g->x, gemm_home(p->a, b), panel->a,
	               gemm_panel_words(p->a, b), gemm_wire(p->a, b));
	line_broadcast(&g->y, gemm_home(p->b, b), panel->b,
	               gemm_panel_words(p->b, b), gemm_wire(p->b, b));
}

/* Every core has the same block in hand; a kernel is made for one size of
 * tiles, the largest, unless blocks are finer than tiles. */
static struct charge product_of(const struct gemm *p, int block)
{
	int k = partition_size(&p->a->ring, block);

	return gemm_cycles(
		p, k && !gemm_is_finer(p) ? partition_max(&p->a->ring) : k);
}

void gemm_summa(const struct gemm *p)
{
	struct grid *g = p->c->grid;
	struct ledger *l = g->ledger;
	int blocks = p->a->ring.parts;
	size_t a = gemm_panel_words(p->a, 0), b = gemm_panel_words(p->b, 0);
	struct panel panel[2];

	gemm_start(p);
	for (int i = 0; i < 2; i++)
		panel[i] = (struct panel){
			0, g->dry ? NULL : wl_malloc(a, sizeof(float)),
			g->dry ? NULL : wl_malloc(b, sizeof(float)) };
	ledger_alloc(l, SRAM_BUFFERS, 2 * panel_bytes(p));
	ledger_overlap_begin(l);
	broadcast(p, &panel[0]);
	ledger_overlap_end(l);
	for (int i = 0; i < blocks; i++) {
		const struct panel *now = &panel[i % 2];
		const struct charge product = product_of(p, i);
		struct panel *next = &panel[(i + 1) % 2];

		next->block = i + 1;
		ledger_overlap_begin(l);
		ledger_charge(l, &product);
		if (i + 1 < blocks)
			broadcast(p, next);
		ledger_overlap_end(l);
		if (!g->dry)
			gemm_add_panel(p, now);
	}
	ledger_free(l, SRAM_BUFFERS, 2 * panel_bytes(p));
	for (int i = 0; i < 2; i++) {
		free(panel[i].a);
		free(panel[i].b);
	}
}
