/* A layer is an attention and a feed-forward, in this order; each is a variant
 * with the same functions, one file each. A model family that attends or feeds
 * forward in another way adds a variant. */
#ifndef WL_LAYER_H
#define WL_LAYER_H

#include "inference/inference.h"

struct prefill;

struct layer_part {
	const char *name;
	/* The prompt's tokens through this part of a layer: adds its result to
	 * p->x. Collective over the prefill grid. */
	void (*prefill)(struct prefill *p, int layer);
	/* The same for one new token and state.x, over the decode grid. */
	void (*decode)(struct inference *w, int layer);
};

/* Grouped-query attention over all tokens so far (attention_gqa.c). */
extern const struct layer_part attention_gqa;
/* W_down (silu(W_gate n) * W_up n) (ffn_swiglu.c). */
extern const struct layer_part ffn_swiglu;

/* The parts of a model's layers: [0] attention, [1] feed-forward. */
const struct layer_part *const *layer_parts(const struct model *m);
enum { LAYER_PARTS = 2 };

#endif
