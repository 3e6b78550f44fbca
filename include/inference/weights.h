/* The weights of a model on the cores, in the layouts of the prefill phase or,
 * after the transition, of the decode phase (WaferLLM, OSDI'25, section 4). */
#ifndef WL_WEIGHTS_H
#define WL_WEIGHTS_H

#include <stdbool.h>

#include "grid/gemv_matrix.h"
#include "grid/tiles.h"
#include "host/mesh.h"
#include "model/checkpoint.h"
#include "model/heads.h"
#include "mpi_kernels/products/gemm.h"

/* A vector: this rank's block in each phase. A norm's E is partitioned over x
 * in prefill and over y in decode; a bias's channels over x in both. NULL: the
 * model has none. */
struct vector_weights {
	float *prefill, *decode;
};

/* The matrices of a layer, [k][n]. */
enum { W_Q, W_K, W_V, W_O, W_GATE, W_UP, W_DOWN, W_COUNT };

/* Matrices that may have biases: the first ones, q, k and v. */
enum { W_BIASED = W_V + 1 };

struct layer_weights {
	struct vector_weights attention_norm, ffn_norm, bias[W_BIASED];
	/* Prefill: [k on y][n on x], or, for a product on a line of cores, W_O
	 * and W_DOWN [k on x][n on y]; skewed as the product reads them. */
	struct tiles tiles[W_COUNT];
	/* Decode. */
	struct gemv_matrix qkv;      /* k = E on y; q, k, v columns on x */
	struct gemv_matrix output;   /* k = q channels on x, n = E on y */
	struct gemv_matrix up;       /* k = E on y; gate and up columns on x */
	struct gemv_matrix down;     /* k = F on x, n = E on y */
};

/* The dimensions of matrices: E, F, query channels, KV channels. */
enum dim { DIM_E, DIM_F, DIM_Q, DIM_KV };

struct weights {
	const struct model *model;
	enum wl_type type;                 /* of matrices in memory; vectors are
	                                      floats rounded to it */
	const struct gemm_algorithm *gemm; /* of prefill */
	struct grid *prefill, *decode;
	struct layer_weights *layer;
	struct vector_weights norm; /* before the head */
	float *rope_factors;        /* [head_dim / 2], whole; NULL: none */
	/* [k = E][n = V]; prefill: E on x, V on y; decode: E on y, V on x. The
	 * head is the embedding when tied. */
	struct gemv_matrix embedding, untied_head;
};

/* The partition of a dimension over n cores of a line in a phase; channels in
 * whole RoPE pairs, the same on either axis. These functions are not
 * collective. */
struct partition weights_cut(const struct weights *w, enum dim d, bool decode,
                        int n);
/* The partition over x of the output of matrix `which` in prefill. */
struct partition weights_output(const struct weights *w, int which);
/* The partitions of heads over the core columns of a phase. */
struct heads weights_heads(const struct weights *w, bool decode);

/* The layout of matrix `which` in the prefill or the decode phase. */
struct layout weights_layout(const struct weights *w, int which, bool decode);
/* The layout of the embedding and of the head. */
struct layout weights_vocab_layout(const struct weights *w, bool decode);
/* The matrix of the head: the embedding if tied. */
const struct gemv_matrix *weights_head(const struct weights *w);

/* Allocates the prefill form, with elements undefined (none in a dry run), and
 * charges the SRAM of the cores. prefill and decode are the phases' grids.
 * Grids, model and algorithm are borrowed. Not collective. Free with
 * weights_fini. */
void weights_init(struct weights *w, const struct model *m, enum wl_type type,
                  const struct gemm_algorithm *gemm, struct grid *prefill,
                  struct grid *decode);
void weights_fini(struct weights *w);

/* Reads the checkpoint into the prefill form, rounded to the weights' type.
 * Each rank reads an equal share of each tensor's rows, which are then
 * redistributed. progress (may be NULL) is called on every rank after each
 * tensor. Collective over mesh->control. Charges nothing.
 *
 * Returns 0, or -1 on all ranks and err, where a read failed or, in file order,
 * the first tensor has a wrong CRC-32 (if verify), a NaN or an infinity (before
 * or after rounding), or a RoPE factor that is not above 0. */
int weights_load(struct weights *w, struct checkpoint *c,
                 const struct mesh *mesh, bool verify,
                 void (*progress)(void *ctx, int done, int all), void *ctx,
                 struct wl_error *err);

/* Moves the weights from the prefill to the decode layouts, over the mesh;
 * frees each matrix's old form when its new one is complete. Collective over
 * the mesh. Charges unskewing and relayout. */
void weights_transition(struct weights *w);

#endif
