/* The feed-forward part of a layer:
 *
 *   x += W_down (silu(W_gate n) * W_up n),   n = norm(x)
 *
 * Source: Shazeer (2020), GLU variants; WaferLLM (OSDI'25), section 4. */
#include "config.h"
#include "decode_ops.h"
#include "layer.h"
#include "prefill_ops.h"

static void prefill(struct prefill *p, int layer)
{
	const struct layer_weights *l = &p->w->weights.layer[layer];
	struct tiles n = prefill_norm(p, &l->ffn_norm);

	prefill_align(p, &n, OP_FFN_UP);
	struct tiles gate = prefill_project(p, &n, layer, W_GATE, OP_FFN_UP);
	struct tiles up = prefill_project(p, &n, layer, W_UP, OP_FFN_UP);

	tiles_fini(&n);
	prefill_swiglu(p, &gate, &up);
	tiles_fini(&up);
	prefill_align(p, &gate, OP_FFN_DOWN);
	struct tiles down =
		prefill_project(p, &gate, layer, W_DOWN, OP_FFN_DOWN);

	tiles_fini(&gate);
	prefill_add_residual(p, &down);
}

static void decode(struct inference *w, int layer)
{
	const struct layer_weights *l = &w->weights.layer[layer];
	struct decode_state *s = &w->state;

	decode_norm(w, &l->ffn_norm);
	decode_product(w, &l->up, s->h, s->ffn, OP_FFN_UP);
	decode_swiglu(w, &l->up);
	decode_add_product(w, &l->down, s->ffn, OP_FFN_DOWN);
}

const struct layer_part ffn_swiglu = { "swiglu", prefill, decode };
