/* The emulated wafer with a model on it: core grids of both phases, weights,
 * KV cache and account, as one rank holds them; and the phases that run on
 * it. Used in this order: inference_init, weights_load, prefill_run,
 * transition_run, decode_step ..., inference_fini. */
#ifndef WL_INFERENCE_H
#define WL_INFERENCE_H

#include <stdint.h>

#include "device/cost.h"
#include "device/ledger.h"
#include "grid/grid.h"
#include "host/mesh.h"
#include "inference/kvcache.h"
#include "inference/weights.h"
#include "model/model.h"
#include "mpi_kernels/attention.h"

/* Buffers of a decode step, made once. Vectors on this rank's cores: floats,
 * rounded to what cores hold, but sums on their way and logits, which stay as
 * they are added up. */
struct decode_state {
	struct heads heads;
	int heads_max;        /* of any column */
	int head_columns;      /* of all heads, a column for each head on it */
	/* One word for each query head on a column; these and the sums. */
	struct wire_words maxima_wire, sums_wire;
	float *x, *h;          /* [E on y] */
	float *qkv;            /* [q | k | v channels on x] */
	float *scores;         /* [heads here][group][tokens here] */
	float *partial;        /* sums of the cores of a line, side by side */
	float *sums;           /* [group * channels + group * heads here] */
	float *o;              /* [q channels on x] */
	float *ffn;            /* [gate | up on x] */
	float *logits;         /* [V on x] */
	float *angles;         /* [channels] */
};

/* Keys and values of one layer after prefill, see attention.h. */
struct kv_tiles {
	struct tiles k, v;
};

struct inference {
	bool account_only;           /* weights and cache are empty: the phases
	                                are those of struct baseline */
	const struct model *model;
	const struct mesh *mesh;     /* NULL in a dry run */
	struct noc *noc;             /* likewise */
	struct ledger ledger;
	struct grid prefill, decode;
	struct weights weights;
	struct partition prompt;          /* prompt tokens over prefill rows */
	struct kv_tiles *kv;         /* [layers], between prefill and decode */
	enum kv_policy kv_policy;    /* of the decode phase */
	int prefill_regions, decode_regions; /* 1, or as the caller sets */
	struct kvcache cache;
	struct decode_state state;
	float *prefill_logits;       /* [V on y] */
	void (*progress)(void *ctx, int done, int all); /* may be NULL */
	void *progress_ctx;
};

/* What a wafer is made of. All pointers are borrowed. */
struct inference_setup {
	const struct model *model;
	const struct mesh *mesh;     /* NULL: a dry run, on one process */
	struct rxc prefill, decode;  /* core grids, at least as large each way
	                                as the rank grid */
	const struct device *device; /* that is emulated */
	enum wl_type type; /* of a core's elements: held, and charged */
	/* How it is run. */
	const struct gemm_algorithm *gemm; /* NULL: the default */
	const struct allreduce *allreduce; /* NULL: the default */
	const int *groups;           /* of a K-tree's levels, as in grid.h;
	                                NULL: by their lengths */
	bool line;                   /* each grid's cores are one line */
	bool account_only;           /* a dry run without placed weights */
	struct profile *profile;     /* of the host, started; NULL: none */
};

/* Lays both core grids over the mesh and makes room for the weights. */
void inference_init(struct inference *w, const struct inference_setup *s);
void inference_fini(struct inference *w);

/* Runs the n prompt tokens ids[0..n) through all layers and returns the
 * greedy choice of the next token (0 in a dry run), -1 when logits are NaN.
 * w->progress is called after each layer. Collective over the mesh. */
int prefill_run(struct inference *w, const int *ids, int n);

/* Re-lays weights and KV for decoding, with room for max_tokens in all.
 * Collective over the mesh. */
void transition_run(struct inference *w, int max_tokens);

/* Runs one token through all layers and returns the greedy choice of the
 * next, -1 when logits are NaN. Collective over the mesh. */
int decode_step(struct inference *w, int id);

/* 32-bit words of the longest message of a decode step on one line, of those
 * that do not depend on the number of tokens. Not collective. */
uint64_t decode_max_words(const struct inference *w);

/* A dry run goes on as if `tokens` tokens, at most max_tokens, were in the
 * cache. Not collective. */
void decode_seek(struct inference *w, int tokens);

/* Charges the way of activations through the regions of a phase: from each to
 * its neighbour, over as many hops as a region has columns. wire: over all
 * core rows. */
void inference_hand_over(struct inference *w, const struct grid *g, int regions,
                     struct wire_words wire);
/* The part of prefill_run, and of decode_step, that does so. */
void prefill_hand_over(struct inference *w);
void decode_hand_over(struct inference *w);

/* Cycles that prefill_run takes at least for n tokens: its products, and the
 * exchanges that nothing hides. Not collective. */
uint64_t prefill_min_cycles(struct inference *w, int n);

/* Part of decode_step: state.o = attention of the rotated q in state.qkv over
 * the layer's cache, the newest token included. Collective over the mesh. */
void decode_attention(struct inference *w, int layer);

/* Brings the logits of the last prefill_run or decode_step to the leader, over
 * the mesh: all [vocab], filled on the leader only. Collective. */
void prefill_gather_logits(struct inference *w, float *all);
void decode_gather_logits(struct inference *w, float *all);

#endif
