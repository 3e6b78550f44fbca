/* Attention of the prefill phase: Q K^T by MeshGEMM-T inside each head's own
 * columns, causal softmax there, S V with V travelling.
 *
 * Tiles, all on one grid: Q [tokens on y][q channels on x] (ring axis x, at
 * home, row-major); K [kv channel][token] and V [token][kv channel] with
 * tokens travelling on y (ring axis y), kv channels fixed on x. */
#ifndef WL_ATTENTION_H
#define WL_ATTENTION_H

#include "grid/tiles.h"
#include "model/heads.h"

/* The scores of one layer. Block b of head g's columns of S (tokens of row
 * block b) lies on the head's column number b mod (columns of the head). A
 * core's tile for head g is [query head of the group][own tokens][its
 * blocks' tokens, blocks in increasing order]. */
struct scores {
	struct grid *grid;
	enum wl_type type;    /* that S is rounded to as cores keep it */
	struct heads heads;
	struct partition tokens;   /* over core rows */
	int heads_max;       /* of any column */
	float **tile;         /* [n_kv][height][width]; NULL where the head has
	                         no such column */
};

void scores_init(struct scores *s, struct grid *g, const struct heads *h,
                 enum wl_type type, struct partition tokens);
void scores_fini(struct scores *s);

/* Cycles that scores and values take at least in a layer, of tokens cut over
 * the rows: each step's products, and the set-up of its shift. */
uint64_t attention_min_cycles(const struct ledger *l, const struct heads *h,
                         const struct partition *tokens);

/* S = mask(Q K^T / sqrt(head_dim)). K comes and leaves at home. As many
 * steps as there are rows; in each the partial products are reduced to the
 * column that keeps the block. Collective over the grid. Cost charged:
 * multiply-adds of the unmasked product, with K's shifts; then, in each step,
 * the reductions.
 * Source: WaferLLM (OSDI'25), section 5.4. */
void attention_scores(struct scores *s, const struct tiles *q,
                      struct tiles *k);

/* Row-wise softmax: all-reduce of maximum and sum along each head. Charged
 * with the scaling and masking of the scores. */
void attention_softmax(struct scores *s);

/* O = S V, laid out as Q: [token][(channel, query head)]. V comes and leaves
 * at home. Each block of S is multicast along its head as V's block comes by.
 * Cost charged: in each step the longest of product, shift and multicast. */
void attention_values(struct scores *s, struct tiles *v, struct tiles *o);

#endif
