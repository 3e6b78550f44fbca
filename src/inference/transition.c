/* The transition from prefill to decode: weights, keys and values move from the
 * prefill layouts to those of the decode phase, over the mesh, and the buffers
 * of a decode step are made.
 * Source: WaferLLM (OSDI'25), section 4. */
#include "config.h"
#include "inference/inference.h"

#include <stdlib.h>

#include "base/error.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/moves/relayout.h"

static float *words(size_t n)
{
	return wl_calloc(n, sizeof(float));
}

/* Bytes of the buffers below on the fullest core. */
static uint64_t state_bytes(const struct inference *w, int max_tokens)
{
	const struct grid *g = &w->decode;
	struct heads h = heads_of(w->model, g->cols);
	struct partition dim = partition_of(w->model->dim, g->rows);
	struct partition hidden = partition_of(w->model->hidden_dim, g->cols);
	struct partition vocab = partition_of(w->model->vocab_size, g->cols);
	uint64_t heads = (uint64_t)h.group * heads_max(&h);

	/* x, h; q, k, v; scores; sums and o; gate, up; logits. */
	return cost_bytes(&w->ledger, 2 * (uint64_t)partition_max(&dim) +
	                  partition_max(&h.q) + 2 * partition_max(&h.kv) +
	                  heads * kvcache_max(&w->cache, max_tokens) +
	                  2 * partition_max(&h.q) + heads +
	                  2 * partition_max(&hidden) + partition_max(&vocab));
}

/* Counts the words that the all-reduces of attention carry on each column. */
static void set_wires(struct inference *w)
{
	struct decode_state *s = &w->state;
	const struct heads *h = &s->heads;
	struct wire_words *maxima = &s->maxima_wire, *sums = &s->sums_wire;

	*maxima = *sums = (struct wire_words){ 0, 0 };
	s->heads_max = heads_max(h);
	s->head_columns = 0;
	for (int x = 0; x < h->kv.parts; x++) {
		struct range here = heads_on(h, (struct range){ x, x + 1 });
		uint64_t heads = (uint64_t)h->group * range_size(here);
		uint64_t words = cost_words(&w->ledger, heads);

		s->head_columns += range_size(here);
		maxima->all += words;
		maxima->max = words > maxima->max ? words : maxima->max;
		words = cost_words(&w->ledger,
		                   heads + partition_size(&h->q, x));
		sums->all += words;
		sums->max = words > sums->max ? words : sums->max;
	}
}

static void decode_state_init(struct inference *w, int max_tokens)
{
	struct decode_state *s = &w->state;
	const struct grid *g = &w->decode;
	const struct model *m = w->model;
	struct partition dim = partition_of(m->dim, g->rows);
	struct partition hidden = partition_of(m->hidden_dim, g->cols);
	struct partition max = partition_of(max_tokens, g->rows);

	size_t channels = range_size(partition_range(&s->heads.kv, g->x.local));
	size_t group = s->heads.group, e = range_size(partition_range(&dim,
	                                                         g->y.local));
	size_t here = range_size(heads_on(&s->heads, g->x.local));
	size_t tokens = (size_t)partition_max(&max) * grid_height(g);
	size_t longest = grid_height(g) * (group * channels + group * here);

	ledger_alloc(&w->ledger, SRAM_ACTIVATIONS, state_bytes(w, max_tokens));
	if (g->dry)
		return;
	/* The scores need a vector for each head of each column. */
	if (longest < tokens * group * (grid_width(g) + here))
		longest = tokens * group * (grid_width(g) + here);
	s->x = words(e);
	s->h = words(e);
	s->qkv = words((group + 2) * channels);
	s->scores = words(here * group * tokens);
	s->partial = words(longest);
	s->sums = words(group * channels + group * here);
	s->o = words(group * channels);
	s->ffn = words(
		2 * (size_t)range_size(partition_range(&hidden, g->x.local)));
	s->logits = words(weights_head(&w->weights)->width);
	s->angles = words(channels);
}

/* Copies this rank's keys and values out of the tiles of one layer, K [channel]
 * [token] and V [token][channel] on each core, into dense blocks [own tokens]
 * [own channels] of the box `own`. */
static void copy_kv(const struct inference *w, int layer, struct box own,
                    float *keys, float *values)
{
	const struct grid *g = &w->prefill;
	const struct partition kv = weights_heads(&w->weights, false).kv;
	size_t width = range_size(own.n);

	for (int y = g->y.local.lo; y < g->y.local.hi; y++)
		for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
			int m = partition_size(&w->prompt, y),
			    n = partition_size(&kv, x);
			size_t first = (partition_start(&w->prompt, y) -
			                own.k.lo) * width +
			               partition_start(&kv, x) - own.n.lo;
			const float *k = tiles_at(&w->kv[layer].k, y, x);
			const float *v = tiles_at(&w->kv[layer].v, y, x);

			for (int t = 0; t < m; t++)
				for (int c = 0; c < n; c++) {
					keys[first + t * width + c] =
						k[c * m + t];
					values[first + t * width + c] =
						v[t * n + c];
				}
		}
}

/* Moves the keys and values of one layer from the tiles of prefill to the
 * cores that keep them in the cache. */
static void move_kv(struct inference *w, int layer)
{
	struct grid *from = &w->prefill, *to = &w->decode;
	struct layout before = { from, w->prompt,
	                         weights_heads(&w->weights, false).kv, false };
	struct layout after = { to, partition_of(w->prompt.n, to->rows),
	                        w->state.heads.kv, false };
	struct box own = layout_own_box(&before);
	struct box new = layout_own_box(&after);
	float *old[2] = { NULL, NULL }, *moved[2] = { NULL, NULL };

	for (int i = 0; i < 2 && !from->dry; i++) {
		old[i] = words(box_elements(own));
		moved[i] = wl_malloc(box_elements(new), sizeof(float));
	}
	if (!from->dry)
		copy_kv(w, layer, own, old[0], old[1]);
	tiles_fini(&w->kv[layer].k);
	tiles_fini(&w->kv[layer].v);
	for (int i = 0; i < 2; i++) {
		struct matrix_view source =
			matrix_view_dense(own, sizeof(float), old[i]);
		struct matrix_view sink =
			matrix_view_dense(new, sizeof(float), moved[i]);

		relayout(&before, &after, &source, &sink);
		free(old[i]);
	}
	kvcache_fill(&w->cache, layer, moved[0], moved[1]);
	free(moved[0]);
	free(moved[1]);
}

void transition_run(struct inference *w, int max_tokens)
{
	ledger_phase(&w->ledger, PHASE_TRANSITION);
	weights_transition(&w->weights);
	w->state.heads = heads_of(w->model, w->decode.cols);
	kvcache_init(&w->cache, &w->decode, &w->state.heads, w->weights.type,
	             w->model->n_layers, max_tokens, w->kv_policy);
	kvcache_start(&w->cache, w->prompt.n);
	set_wires(w);
	decode_state_init(w, max_tokens);
	ledger_op(&w->ledger, OP_RELAYOUT);
	for (int i = 0; i < w->model->n_layers; i++) {
		ledger_layer(&w->ledger, i, w->model->n_layers);
		move_kv(w, i);
	}
	ledger_layers_end(&w->ledger);
	line_trim(&w->prefill.x);
	line_trim(&w->prefill.y);
}
