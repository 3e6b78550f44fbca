/* The weights of a model as the cores hold them, in the layouts of the
 * prefill phase or, after the transition, of the decode phase (design of the
 * placements: WaferLLM, OSDI'25, section 4). */
#ifndef WL_WEIGHTS_H
#define WL_WEIGHTS_H

#include <stdbool.h>

#include "grid/gemv_matrix.h"
#include "grid/tiles.h"
#include "host/mesh.h"
#include "model/checkpoint.h"
#include "model/heads.h"
#include "mpi_kernels/products/gemm.h"

/* A vector: this rank's block in each phase. Norms: of E, on x in prefill, on
 * y in decode; biases: of their channels, on x in both. NULL: not there. */
struct vector_weights {
	float *prefill, *decode;
};

/* Prefill: matrices of a layer, [k on y][n on x], where the product's algorithm
 * reads them. */
enum { W_Q, W_K, W_V, W_O, W_GATE, W_UP, W_DOWN, W_COUNT };

/* The first of them may have biases: q, k and v. */
enum { W_BIASED = W_V + 1 };

struct layer_weights {
	struct vector_weights attention_norm, ffn_norm, bias[W_BIASED];
	/* prefill */
	struct tiles tiles[W_COUNT];
	/* decode */
	struct gemv_matrix qkv;      /* k = E on y; q, k, v columns on x */
	struct gemv_matrix output;   /* k = q channels on x, n = E on y */
	struct gemv_matrix up;       /* k = E on y; gate and up columns on x */
	struct gemv_matrix down;     /* k = F on x, n = E on y */
};

/* The dimensions of matrices. */
enum dim { DIM_E, DIM_F, DIM_Q, DIM_KV };

struct weights {
	const struct model *model;
	enum wl_type type;                 /* of matrices in memory, and the
	                                      values of vectors, which are
	                                      floats there */
	const struct gemm_algorithm *gemm; /* of prefill's products */
	struct grid *prefill, *decode;
	struct layer_weights *layer;
	struct vector_weights norm; /* before the head */
	float *rope_factors;        /* [head_dim / 2], whole; NULL: none */
	/* [k = E][n = V]; prefill: E on x, V on y; decode: E on y, V on x. The
	 * head is the embedding when tied. */
	struct gemv_matrix embedding, untied_head;
};

/* How a dimension is cut over n cores of a line in a phase; channels in whole
 * RoPE pairs, the same on either axis. */
struct partition weights_cut(const struct weights *w, enum dim d, bool decode,
                        int n);
/* How the columns of an activation that matrix w gives in prefill are cut. */
struct partition weights_output(const struct weights *w, int which);
/* The heads on a phase's columns. */
struct heads weights_heads(const struct weights *w, bool decode);

/* The layout of matrix w in the prefill or the decode phase. */
struct layout weights_layout(const struct weights *w, int which, bool decode);
/* The layout of the embedding and of the head. */
struct layout weights_vocab_layout(const struct weights *w, bool decode);

const struct gemv_matrix *weights_head(const struct weights *w);

/* Makes room for the prefill form; decode is the other phase's grid. The
 * grids, the model and the algorithm are borrowed. Free with weights_fini. */
void weights_init(struct weights *w, const struct model *m, enum wl_type type,
                  const struct gemm_algorithm *gemm, struct grid *prefill,
                  struct grid *decode);
void weights_fini(struct weights *w);

/* Reads the checkpoint into the prefill form, rounded to the weights' type.
 * Each tensor's rows are read in
 * equal shares, whole rows at a time, and redistributed among the ranks of
 * the mesh; its CRC-32 is put together from the shares', and compared if
 * verify. Refused by name, the first in file order: a tensor whose sum
 * differs, or with a NaN or infinity, also one that rounding made, or RoPE
 * factors that are not above 0.
 * progress (may be NULL) is called on every rank after each tensor. Collective
 * over mesh->control. 0, or -1 on all ranks and err. Nothing is charged. */
int weights_load(struct weights *w, struct checkpoint *c,
                 const struct mesh *mesh, bool verify,
                 void (*progress)(void *ctx, int done, int all), void *ctx,
                 struct wl_error *err);

/* Takes the weights of the prefill layouts to those of the decode phase, over
 * the mesh; each tensor's old form is freed as its new one is made.
 * Collective over the grid. Cost charged to transition: un-skewing and
 * re-laying. */
void weights_transition(struct weights *w);

#endif
