/* Attention of the prefill phase: Q K^T by MeshGEMM-T within each head's
 * columns, causal softmax there, then S V while V shifts around its rings.
 *
 * Tiles, all on one grid: Q [tokens on y][query channels on x], ring axis x, at
 * home, row-major; K [KV channel][token] and V [token][KV channel], tokens on y
 * (the ring axis), KV channels fixed on x. */
#ifndef WL_ATTENTION_H
#define WL_ATTENTION_H

#include "grid/tiles.h"
#include "model/heads.h"

/* The scores S of one layer. Block b of S for head g (the keys of row block b)
 * is stored on column b mod (columns of the head) of that head. A core's tile
 * for head g is [query head of the group][row's tokens][tokens of its blocks,
 * in increasing order]. */
struct scores {
	struct grid *grid;         /* borrowed */
	enum wl_type type;         /* that cores store S in */
	struct heads heads;
	struct partition tokens;   /* over core rows */
	int heads_max;             /* heads on the column that has most */
	float **tile;              /* [n_kv][height][width]; NULL where the
	                              column is none of the head's */
};

/* Allocates S for a prompt of tokens.n tokens, its elements undefined, and
 * charges its SRAM; a dry run only charges. Free with scores_fini. Not
 * collective. */
void scores_init(struct scores *s, struct grid *g, const struct heads *h,
                 enum wl_type type, struct partition tokens);
void scores_fini(struct scores *s);

/* Lower bound of the cycles of attention_scores and attention_values in one
 * layer: each step's products, and the set-up of its shift. Not collective. */
uint64_t attention_min_cycles(const struct ledger *l, const struct heads *h,
                              const struct partition *tokens);

/* S = mask(Q K^T / sqrt(head_dim)). K is at home before and after. Takes as
 * many steps as the grid has rows; each step sums the partial products into the
 * column that stores the block. Collective over the grid. Cost charged: the
 * multiply-adds of the unmasked product; in each step the longer of product and
 * shift of K, then the reductions.
 * Source: WaferLLM (OSDI'25), section 5.4. */
void attention_scores(struct scores *s, const struct tiles *q,
                      struct tiles *k);

/* S = softmax(S) by rows: all-reduces of maximum and sum along each head's
 * columns. Collective over the grid. Cost charged: both all-reduces and the
 * element-wise work, that of scaling and masking the scores included. */
void attention_softmax(struct scores *s);

/* O = S V, with Q's layout: [token][(channel, query head)]. V is at home before
 * and after. Each block of S is multicast along its head's columns in the step
 * in which V's block is there. Collective over the grid. Cost charged: in each
 * step the longest of product, shift and multicast. */
void attention_values(struct scores *s, struct tiles *v, struct tiles *o);

#endif
