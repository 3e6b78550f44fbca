/* The operators of the prefill phase on activations, all [tokens on y][. on x].
 * One call each: it names the operator to the ledger, charges it, and, unless
 * this is a dry run, computes and rounds to the type that cores store.
 * Collective over the grid. The caller frees the tiles that are returned. */
#ifndef WL_PREFILL_OPS_H
#define WL_PREFILL_OPS_H

#include "inference/inference.h"

struct prefill {
	struct inference *w;
	struct grid *g;
	struct heads heads;
	struct partition tokens, dim, hidden;
	struct tiles x;        /* [L][E]: the residual stream */
	float *angles;         /* [own tokens][own KV channels] */
};

/* The loop over this rank's cores. */
#define EACH_CORE(g, y, x)                                            \
	for (int y = (g)->y.local.lo; y < (g)->y.local.hi; y++)       \
		for (int x = (g)->x.local.lo; x < (g)->x.local.hi; x++)

/* Empty tiles [tokens][columns]. Charges a core's memory, no operator. */
struct tiles prefill_activation(const struct prefill *p,
                                struct partition columns);

/* norm(x) [L][E], with these weights. */
struct tiles prefill_norm(const struct prefill *p,
                          const struct vector_weights *weights);

/* Skews an activation for the products of an operator that read it. */
void prefill_align(const struct prefill *p, struct tiles *t, enum op op);

/* a W for an aligned activation a and matrix `which` (W_Q ...) of a layer. */
struct tiles prefill_project(const struct prefill *p, struct tiles *a,
                             int layer, int which, enum op op);

/* Adds the bias of q, k or v, if the model has it. A core has the whole sums
 * of its tile, so every row adds it, once. */
void prefill_add_bias(const struct prefill *p, struct tiles *t, int layer,
                      int which);

/* RoPE on queries (group: query heads per KV head) or keys (group 1). */
void prefill_rotate(const struct prefill *p, struct tiles *t, int group);

/* gate = silu(gate) * up, [L][F]. */
void prefill_swiglu(const struct prefill *p, struct tiles *gate,
                    const struct tiles *up);

/* x += t, as part of the operator that made t; frees t. */
void prefill_add_residual(struct prefill *p, struct tiles *t);

/* Rounds the elements to the type in which cores store them. */
void prefill_round_to_storage(const struct prefill *p, const struct tiles *t);

#endif
