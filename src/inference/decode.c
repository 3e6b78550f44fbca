/* The decode phase: one token at a time, E on y, the same on every column.
 *
 *   norm -(y)-> qkv -> add biases, rope, append -> q k^T -(x, head)->
 *   softmax, S V -(y)-> W_O -(x)->
 *   norm -(y)-> gate, up -(y)-> silu * -> down -(x)-> ...
 *
 * -(a)-> is an all-reduce along axis a. Reductions alternate between the
 * axes, so that no vector is ever transposed.
 * Source: WaferLLM (OSDI'25), sections 4.2 and 6. */
#include "config.h"
#include "inference/inference.h"

#include "base/error.h"
#include "decode_ops.h"
#include "device/cost.h"
#include "layer.h"
#include "model/rope.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/products/gemv.h"

/* The embedding of id: a column of the embedding's tiles on the core column
 * that holds it, multicast along x. */
static void embed(struct inference *w, int id)
{
	struct grid *g = &w->decode;
	const struct gemv_matrix *e = &w->weights.embedding;
	struct partition vocab = weights_vocab_layout(&w->weights, true).n;
	struct partition dim = partition_of(w->model->dim, g->rows);
	struct range own = partition_range(&vocab, g->x.local);
	size_t part_words[g->rows];
	int root[g->rows], column = g->dry ? 0 : partition_owner(&vocab, id);
	struct line_parts parts = line_vector_parts(&dim, g->y.local, column,
	                                            part_words, root);

	ledger_op(g->ledger, OP_EMBED);
	if (!g->dry && id >= own.lo && id < own.hi)
		gemv_matrix_column(e, id - own.lo, w->state.x);
	line_multicast(&g->x, 0, g->cols - 1, &parts, w->state.x, false);
}

/* The angles of the newest token, the same in every layer. */
static void set_angles(struct inference *w)
{
	struct range c = partition_range(&w->state.heads.kv, w->decode.x.local);
	int t = w->cache.tokens - 1;

	if (!w->decode.dry)
		rope_angles(w->model, w->weights.rope_factors, c,
		            (struct range){ t, t + 1 }, w->state.angles);
}

uint64_t decode_max_words(const struct inference *w)
{
	const struct layer_weights *layer = &w->weights.layer[0];
	const uint64_t words[] = {
		layer->qkv.wire.max, layer->output.wire.max,
		layer->up.wire.max, layer->down.wire.max,
		weights_head(&w->weights)->wire.max,
		w->state.sums_wire.max,
		cost_parts(&w->ledger, &w->state.heads.kv, 2).max };
	uint64_t max = 0;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		max = words[i] > max ? words[i] : max;
	return max;
}

void decode_seek(struct inference *w, int tokens)
{
	WL_ASSERT(w->decode.dry && tokens <= w->cache.max_tokens);
	w->cache.tokens = tokens;
}

void decode_hand_over(struct inference *w)
{
	struct partition dim = partition_of(w->model->dim, w->decode.rows);

	inference_hand_over(w, &w->decode, w->decode_regions,
	                cost_parts(&w->ledger, &dim, 1));
}

int decode_step(struct inference *w, int id)
{
	struct partition vocab = weights_vocab_layout(&w->weights, true).n;
	const struct layer_part *const *part = layer_parts(w->model);
	struct ledger *ledger = w->decode.ledger;

	ledger_phase(ledger, PHASE_DECODE);
	embed(w, id);
	kvcache_advance(&w->cache);
	set_angles(w);
	for (int i = 0; i < w->model->n_layers; i++) {
		if (!ledger_layer(ledger, i, w->model->n_layers))
			break;
		for (int j = 0; j < LAYER_PARTS; j++)
			part[j]->decode(w, i);
	}
	ledger_layers_end(ledger);
	decode_hand_over(w);
	decode_norm(w, &w->weights.norm);
	ledger_op(ledger, OP_HEAD);
	gemv_tree(weights_head(&w->weights), w->state.h, w->state.logits);
	ledger_op(ledger, OP_CHOOSE);
	return argmax_vector(&w->decode, AXIS_X, &vocab, w->state.logits);
}

void decode_gather_logits(struct inference *w, float *all)
{
	struct grid *g = &w->decode;
	struct partition vocab = weights_vocab_layout(&w->weights, true).n;
	bool first = g->y.local.lo == 0;

	ledger_op(g->ledger, OP_CHOOSE);
	line_gather(&g->x, &vocab, first ? w->state.logits : NULL, all);
}
