/* Made-up models for tests: a shape, all its weights in memory as ref.h takes
 * them, and a checkpoint with the same weights. */
#ifndef WL_MADE_MODEL_H
#define WL_MADE_MODEL_H

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "made_up.h"
#include "model/checkpoint.h"
#include "mpi_kernels/ref.h"
#include "simd/convert.h"
#include "src/import/vocab_read.h"

enum { MADE_LAYERS = 2 };

struct made_model {
	struct model model;
	enum wl_type type;     /* of the checkpoint's elements */
	uint64_t key;
	float *tensor[MADE_LAYERS][T_NKINDS];
	struct ref_layer layer[MADE_LAYERS];
	struct ref_weights ref;
	struct checkpoint *file;  /* while it is written */
};

/* Shapes of all kinds: groups of 1 to 4, more or fewer heads than columns,
 * dimensions below the grid's side (empty tiles) and prime ones. */
static inline struct model made_shape(struct dice *d)
{
	int n_kv = dice_throw(d, 1, 7), group = dice_throw(d, 1, 4);
	int max = dice_throw(d, 0, 2) ? 61 : 9;

	return (struct model){
		.dim = dice_throw(d, 3, max),
		.hidden_dim = dice_throw(d, 1, max),
		.n_layers = dice_throw(d, 1, MADE_LAYERS),
		.n_heads = n_kv * group,
		.n_kv_heads = n_kv,
		.head_dim = 2 * dice_throw(d, 1, 5),
		.vocab_size = dice_throw(d, 5, max + 5),
		.max_seq_len = 64,
		.rope_theta = 1e4,
		.rms_eps = 1e-5,
		.tied = dice_throw(d, 0, 1),
		.qkv_bias = dice_throw(d, 0, 1),
		.rope_scaled = dice_throw(d, 0, 1),
		.bos_id = -1,
	};
}

/* Values that the checkpoint's type holds exactly. */
static inline void round_to_type(float *w, size_t n, enum wl_type type)
{
	void *raw = malloc(n * wl_type_size(type));

	wl_from_f32(raw, w, type, n);
	wl_to_f32(w, raw, type, n);
	free(raw);
}

/* Element i of a tensor of `rows` rows: norms near 1; biases as large as what
 * they are added to; factors from 1 to 8; matrices such that activations
 * neither grow nor vanish. */
static inline float made_element(enum tensor_kind kind, size_t rows, float u)
{
	switch (kind) {
	case T_ATTN_NORM:
	case T_FFN_NORM:
	case T_NORM:
		return 1 + u / 2;
	case T_BQ:
	case T_BK:
	case T_BV:
		return u;
	case T_ROPE_FACTORS:
		return 1 + 7 * fabsf(u);
	default:
		return u * sqrt(3.0 / rows);
	}
}

static inline int make_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct made_model *m = ctx;
	struct tensor_shape s = tensor_shape(&m->model, kind);
	size_t n = s.rows * s.cols;
	uint64_t key = made_key(m->key, kind, layer);
	float *w = malloc(n * sizeof *w);

	for (size_t i = 0; i < n; i++)
		w[i] = made_element(kind, s.rows, made_uniform(key, i));
	round_to_type(w, n, m->type);
	m->tensor[layer][kind] = w;
	return 0;
}

static inline void made_model_init(struct made_model *m, struct dice *d)
{
	*m = (struct made_model){ .model = made_shape(d),
	                          .key = made_key(d->key, d->thrown, 1) };
	m->type = dice_throw(d, 0, 2) ? WL_F32
	                              : (enum wl_type)dice_throw(d, 1, 2);
	model_each_tensor(&m->model, make_tensor, m);
	for (int i = 0; i < m->model.n_layers; i++) {
		float **t = m->tensor[i];

		m->layer[i] = (struct ref_layer){
			t[T_ATTN_NORM], t[T_WQ], t[T_WK], t[T_WV], t[T_WO],
			t[T_BQ], t[T_BK], t[T_BV],
			t[T_FFN_NORM], t[T_GATE], t[T_UP], t[T_DOWN] };
	}
	float **t = m->tensor[0];

	m->ref = (struct ref_weights){
		t[T_EMBEDDING], t[T_ROPE_FACTORS], t[T_NORM],
		m->model.tied ? t[T_EMBEDDING] : t[T_HEAD], m->layer };
}

static inline void made_model_fini(struct made_model *m)
{
	for (int i = 0; i < MADE_LAYERS; i++)
		for (int k = 0; k < T_NKINDS; k++)
			free(m->tensor[i][k]);
}

static inline int write_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct made_model *m = ctx;
	struct tensor_shape s = tensor_shape(&m->model, kind);
	size_t n = s.rows * s.cols;
	void *raw = malloc(n * wl_type_size(m->type));
	struct wl_error err;
	int rc;

	wl_from_f32(raw, m->tensor[layer][kind], m->type, n);
	rc = checkpoint_write(m->file, kind, layer, raw, m->type, &err);
	free(raw);
	return rc;
}

/* Writes the checkpoint. Serial. 0 or -1. */
static inline int made_model_write(struct made_model *m, const char *path)
{
	struct wl_error err;
	struct vocab v;

	vocab_make_random(m->model.vocab_size, &v);
	m->file = checkpoint_create(path, &m->model, &v, "made up", &err);
	vocab_fini(&v);
	if (!m->file || model_each_tensor(&m->model, write_tensor, m))
		return -1;
	return checkpoint_commit(m->file, &err);
}

/* A name for a checkpoint that no other run has, the same on all ranks. */
static inline void made_path(char path[256])
{
	const char *dir = getenv("TMPDIR");

	snprintf(path, 256, "%s/waferllm-test-%ld.h5", dir ? dir : "/tmp",
	         (long)getpid());
	MPI_Bcast(path, 256, MPI_CHAR, 0, MPI_COMM_WORLD);
}

#endif
