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
#include "gemm_common.h"

#include <stdlib.h>

#include "base/error.h"
#include "device/cost.h"
#include "mpi_kernels/moves/line.h"

/* Bytes of all of k on the fullest core, beside its own tiles. */
static uint64_t gathered_bytes(const struct gemm *p)
{
	uint64_t m = partition_max(&p->a->fixed),
		 n = partition_max(&p->b->fixed);

	return cost_bytes(p->c->grid->ledger, (m + n) * p->a->ring.n);
}

/* An operand's blocks on this rank, whole in the end: block b at word at[b] of
 * data. */
struct gathered {
	const struct tiles *t;
	int blocks;
	size_t *words, *at;  /* [blocks], [blocks + 1] */
	float *data;         /* NULL in a dry run */
};

static void gathered_init(struct gathered *g, const struct tiles *t)
{
	int n = t->ring.parts;

	*g = (struct gathered){ t, n, wl_malloc(n, sizeof *g->words),
	                        wl_malloc(n + 1, sizeof *g->at), NULL };
	g->at[0] = 0;
	for (int b = 0; b < n; b++) {
		g->words[b] = gemm_panel_words(t, b);
		g->at[b + 1] = g->at[b] + g->words[b];
	}
	if (!t->grid->dry)
		g->data = wl_malloc(g->at[n], sizeof *g->data);
}

static void gathered_fini(struct gathered *g)
{
	free(g->words);
	free(g->at);
	free(g->data);
}

static void gather(struct gathered *g)
{
	struct line *l = tiles_line(g->t);
	int *root = wl_malloc(g->blocks, sizeof *root);

	for (int b = 0; b < g->blocks; b++)
		root[b] = gemm_home(g->t, b);
	line_allgather(l, &(struct line_parts){ g->blocks, { 0, g->blocks },
	                                        g->words, root },
	               g->data, cost_parts(l->ledger, &g->t->fixed,
	                                   g->t->ring.n));
	free(root);
}

/* Does one thing with every block of both operands. */
static void each_panel(const struct gemm *p, const struct gathered *a,
                       const struct gathered *b,
                       void (*with)(const struct gemm *p,
                                    const struct panel *panel))
{
	for (int i = 0; i < a->blocks && a->data; i++)
		with(p, &(struct panel){ i, a->data + a->at[i],
		                         b->data + b->at[i] });
}

void gemm_allgather(const struct gemm *p)
{
	struct ledger *l = p->c->grid->ledger;
	struct gathered a, b;
	const struct charge product = gemm_cycles(p, p->a->ring.n);

	gemm_start(p);
	ledger_alloc(l, SRAM_BUFFERS, gathered_bytes(p));
	gathered_init(&a, p->a);
	gathered_init(&b, p->b);
	each_panel(p, &a, &b, gemm_pack_panel);
	ledger_overlap_begin(l);
	gather(&a);
	gather(&b);
	ledger_overlap_end(l);
	ledger_charge(l, &product);
	each_panel(p, &a, &b, gemm_add_panel);
	ledger_free(l, SRAM_BUFFERS, gathered_bytes(p));
	gathered_fini(&b);
	gathered_fini(&a);
}
