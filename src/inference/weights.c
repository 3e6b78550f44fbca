#include "config.h"
#include "inference/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/cost.h"
#include "mpi_kernels/moves/relayout.h"
#include "mpi_kernels/moves/shift.h"

/* The dimensions of each matrix [k][n]. */
static const struct {
	enum dim k, n;
	bool transposed; /* k on x, n on y in the decode phase */
} matrix[W_COUNT] = {
	[W_Q] = { DIM_E, DIM_Q, false },
	[W_K] = { DIM_E, DIM_KV, false },
	[W_V] = { DIM_E, DIM_KV, false },
	[W_O] = { DIM_Q, DIM_E, true },
	[W_GATE] = { DIM_E, DIM_F, false },
	[W_UP] = { DIM_E, DIM_F, false },
	[W_DOWN] = { DIM_F, DIM_E, true },
};

struct heads weights_heads(const struct weights *w, bool decode)
{
	struct grid *g = decode ? w->decode : w->prefill;
	struct heads h = heads_of(w->model, g->cols);

	h.kv.dispersed = h.q.dispersed = !decode && gemm_disperses(w->gemm, g);
	return h;
}

struct partition weights_cut(const struct weights *w, enum dim d, bool decode,
                        int n)
{
	const struct model *m = w->model;
	struct heads h = heads_of(m, n);
	struct partition cut[] = {
		[DIM_E] = partition_of(m->dim, n),
		[DIM_F] = partition_of(m->hidden_dim, n),
		[DIM_Q] = h.q,
		[DIM_KV] = h.kv,
	};

	cut[d].dispersed = !decode && gemm_disperses(w->gemm, w->prefill);
	return cut[d];
}

struct partition weights_output(const struct weights *w, int which)
{
	return weights_cut(w, matrix[which].n, false, w->prefill->cols);
}

struct layout weights_layout(const struct weights *w, int which, bool decode)
{
	struct grid *g = decode ? w->decode : w->prefill;
	bool transposed = (decode || w->gemm->whole) &&
	                  matrix[which].transposed;

	return (struct layout){
		g, weights_cut(w, matrix[which].k, decode,
		               transposed ? g->cols : g->rows),
		weights_cut(w, matrix[which].n, decode,
		            transposed ? g->rows : g->cols),
		transposed };
}

struct layout weights_vocab_layout(const struct weights *w, bool decode)
{
	struct grid *g = decode ? w->decode : w->prefill;
	int on_k = decode ? g->rows : g->cols,
	    on_n = decode ? g->cols : g->rows;

	return (struct layout){ g, weights_cut(w, DIM_E, decode, on_k),
		                partition_of(w->model->vocab_size, on_n),
		                !decode };
}

const struct gemv_matrix *weights_head(const struct weights *w)
{
	return w->model->tied ? &w->embedding : &w->untied_head;
}

/* Bytes of a norm in the SRAM of the core that has most, both phases' forms. */
static uint64_t norm_bytes(const struct weights *w)
{
	struct partition row = partition_of(w->model->dim, w->prefill->cols);
	struct partition column = partition_of(w->model->dim, w->decode->rows);

	return cost_bytes(w->prefill->ledger, partition_max(&row) +
	                                      partition_max(&column));
}

/* The same of the norms and biases of all layers. */
static uint64_t vector_bytes(const struct weights *w)
{
	const struct model *m = w->model;
	uint64_t biases = 0;

	for (int i = 0; i < W_BIASED && m->qkv_bias; i++)
		for (int decode = 0; decode <= 1; decode++) {
			struct layout l = weights_layout(w, i, decode);

			biases += partition_max(&l.n);
		}
	return m->n_layers * (2 * norm_bytes(w) +
	                      cost_bytes(w->prefill->ledger, biases));
}

void weights_init(struct weights *w, const struct model *m, enum wl_type type,
                  const struct gemm_algorithm *gemm, struct grid *prefill,
                  struct grid *decode)
{
	*w = (struct weights){ .model = m, .type = type, .gemm = gemm,
	                       .prefill = prefill, .decode = decode };
	struct layout vocab = weights_vocab_layout(w, false);

	gemv_matrix_init(&w->embedding, &vocab, 1, type, SRAM_VOCAB);
	if (!m->tied)
		gemv_matrix_init(&w->untied_head, &vocab, 1, type, SRAM_VOCAB);
	ledger_alloc(prefill->ledger, SRAM_WEIGHTS, vector_bytes(w));
	/* The norm before the head counts with the head. */
	ledger_alloc(prefill->ledger, SRAM_VOCAB, norm_bytes(w));
	w->layer = wl_calloc(m->n_layers, sizeof *w->layer);
	for (int i = 0; i < m->n_layers; i++)
		for (int j = 0; j < W_COUNT; j++) {
			struct layout l = weights_layout(w, j, false);

			struct tiles *t = &w->layer[i].tiles[j];

			if (l.transposed)
				tiles_init_on(t, prefill, AXIS_X,
				              RING_INTERLEAVE, type, l.k, l.n,
				              SRAM_WEIGHTS);
			else
				gemm_weights_init(gemm, t, prefill, type, l.k,
				                  l.n, SRAM_WEIGHTS);
		}
}

static void vector_fini(struct vector_weights *v)
{
	free(v->prefill);
	free(v->decode);
}

void weights_fini(struct weights *w)
{
	for (int i = 0; i < w->model->n_layers; i++) {
		struct layer_weights *l = &w->layer[i];

		for (int j = 0; j < W_COUNT; j++)
			tiles_fini(&l->tiles[j]);
		gemv_matrix_fini(&l->qkv);
		gemv_matrix_fini(&l->output);
		gemv_matrix_fini(&l->up);
		gemv_matrix_fini(&l->down);
		for (int j = 0; j < W_BIASED; j++)
			vector_fini(&l->bias[j]);
		vector_fini(&l->attention_norm);
		vector_fini(&l->ffn_norm);
	}
	vector_fini(&w->norm);
	ledger_free(w->prefill->ledger, SRAM_WEIGHTS, vector_bytes(w));
	ledger_free(w->prefill->ledger, SRAM_VOCAB, norm_bytes(w));
	free(w->rope_factors);
	gemv_matrix_fini(&w->embedding);
	gemv_matrix_fini(&w->untied_head);
	free(w->layer);
	memset(w, 0, sizeof *w);
}

/* Unskews all matrices of a layer along y in the same steps, so that their
 * tiles share messages. */
static void unskew_layer(struct weights *w, struct layer_weights *l)
{
	ledger_op(w->prefill->ledger, OP_UNSKEW);
	tiles_unskew_all(l->tiles, W_COUNT);
}

/* Most matrices that one GEMV matrix combines: q, k and v. */
#define GEMV_MATRIX_MAX 3

/* Moves n matrices of a layer, side by side, into one GEMV matrix. */
static void move_matrices(struct weights *w, struct layer_weights *layer,
                          const int *which, int n, struct gemv_matrix *gemv)
{
	struct layout to[GEMV_MATRIX_MAX] = { { 0 } };
	size_t column = 0;

	for (int i = 0; i < n; i++)
		to[i] = weights_layout(w, which[i], true);
	gemv_matrix_init(gemv, to, n, w->type, SRAM_WEIGHTS);
	for (int i = 0; i < n; i++) {
		struct tiles *t = &layer->tiles[which[i]];
		struct layout from = weights_layout(w, which[i], false);
		struct matrix_view source = tiles_view(t);
		struct matrix_view sink = gemv_matrix_view(gemv, &to[i],
		                                           column);

		relayout(&from, &to[i], &source, &sink);
		tiles_fini(t);
		column += range_size(sink.own.n);
	}
}

/* Moves the embedding or the head to its layout of the decode phase. */
static void move_vocab(struct weights *w, struct gemv_matrix *vocab)
{
	struct layout from = weights_vocab_layout(w, false);
	struct layout to = weights_vocab_layout(w, true);
	struct gemv_matrix old = *vocab;
	struct matrix_view source = gemv_matrix_view(&old, &from, 0);
	struct matrix_view sink = gemv_matrix_view(vocab, &to, 0);

	gemv_matrix_retire(&old);
	gemv_matrix_init(vocab, &to, 1, w->type, SRAM_VOCAB);
	relayout(&from, &to, &source, &sink);
	gemv_matrix_fini(&old);
}

void weights_transition(struct weights *w)
{
	static const int qkv[] = { W_Q, W_K, W_V }, output[] = { W_O };
	static const int up[] = { W_GATE, W_UP }, down[] = { W_DOWN };
	struct ledger *ledger = w->prefill->ledger;

	for (int i = 0; i < w->model->n_layers; i++) {
		struct layer_weights *l = &w->layer[i];

		ledger_layer(ledger, i, w->model->n_layers);
		unskew_layer(w, l);
		ledger_op(ledger, OP_RELAYOUT);
		move_matrices(w, l, qkv, 3, &l->qkv);
		move_matrices(w, l, output, 1, &l->output);
		move_matrices(w, l, up, 2, &l->up);
		move_matrices(w, l, down, 1, &l->down);
	}
	ledger_layers_end(ledger);
	ledger_op(ledger, OP_RELAYOUT);
	move_vocab(w, &w->embedding);
	if (!w->model->tied)
		move_vocab(w, &w->untied_head);
}
