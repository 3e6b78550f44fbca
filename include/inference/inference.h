/* Inference of one model on the emulated wafer, as one rank sees it: the core
 * grids of both phases, weights, KV cache and ledger, and the phases that run
 * on them. Call in this order: inference_init, weights_load, prefill_run,
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

/* Buffers of a decode step, allocated once. Vectors of this rank's cores as
 * floats, rounded to the type that cores store; partial sums and logits are not
 * rounded. */
struct decode_state {
	struct heads heads;
	int heads_max;         /* KV heads on the column with the most */
	int head_columns;      /* KV heads on a column, added over columns */
	/* Words per column of attention's two all-reduces along y: the maxima;
	 * the sums of S V and of S. */
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

/* Keys and values of one layer after prefill (mpi_kernels/attention.h). */
struct kv_tiles {
	struct tiles k, v;
};

struct inference {
	bool account_only;           /* no weights and no cache: the phases are
	                                those of a baseline */
	const struct model *model;
	const struct mesh *mesh;     /* NULL in a dry run, as is noc */
	struct noc *noc;
	struct ledger ledger;
	struct grid prefill, decode;
	struct weights weights;
	struct partition prompt;     /* prompt tokens over prefill rows */
	struct kv_tiles *kv;         /* [layers], from prefill to transition */
	enum kv_policy kv_policy;    /* of the decode phase */
	/* Regions of the wafer that share the layers; 1 unless the caller sets
	 * them. */
	int prefill_regions, decode_regions;
	struct kvcache cache;
	struct decode_state state;
	float *prefill_logits;       /* [V on y] */
	void (*progress)(void *ctx, int done, int all); /* may be NULL */
	void *progress_ctx;
};

/* What to run, and how. All pointers are borrowed. */
struct inference_setup {
	const struct model *model;
	const struct mesh *mesh;     /* NULL: a dry run, on one process */
	struct rxc prefill, decode;  /* core grids; each side at least that of
	                                the rank grid */
	const struct device *device; /* emulated */
	enum wl_type type;           /* of the elements stored and charged */
	const struct gemm_algorithm *gemm; /* NULL: the default */
	const struct allreduce *allreduce; /* NULL: the default */
	const int *groups;           /* of a K-tree's levels (grid.h); NULL: by
	                                the lines' lengths */
	bool line;                   /* each grid is one line of cores */
	bool account_only;           /* a dry run without placed weights */
	struct profile *profile;     /* host times, started; NULL: none */
};

/* Divides both core grids among the ranks and allocates the weights. Free with
 * inference_fini. Collective over the mesh. */
void inference_init(struct inference *w, const struct inference_setup *s);
void inference_fini(struct inference *w);

/* Runs the n prompt tokens ids[0..n) through all layers. Returns the most
 * likely next token, ties to the lowest id; 0 in a dry run; -1 if a logit is
 * NaN. Calls w->progress after each layer. Collective over the mesh. */
int prefill_run(struct inference *w, const int *ids, int n);

/* Moves weights, keys and values to the layouts of the decode phase; the cache
 * gets space for max_tokens tokens in all. Collective over the mesh. */
void transition_run(struct inference *w, int max_tokens);

/* Runs one token through all layers. Returns the same as prefill_run.
 * Collective over the mesh. */
int decode_step(struct inference *w, int id);

/* 32-bit words of the longest message of a decode step on one line, of those
 * that do not depend on the number of tokens. Not collective. */
uint64_t decode_max_words(const struct inference *w);

/* Sets the number of tokens in the cache, at most max_tokens, for the next
 * decode_step. Dry runs only. Not collective. */
void decode_seek(struct inference *w, int tokens);

/* Charges the transfer of activations from each region of a phase to the next,
 * over as many hops as a region has columns. wire: words per core row. Not
 * collective. */
void inference_hand_over(struct inference *w, const struct grid *g, int regions,
                     struct wire_words wire);
/* The transfers of one prefill, and of one decode step. */
void prefill_hand_over(struct inference *w);
void decode_hand_over(struct inference *w);

/* Lower bound of the cycles of prefill_run for n tokens: its products, and the
 * set-up of exchanges. Not collective. */
uint64_t prefill_min_cycles(struct inference *w, int n);

/* Gathers the logits of the last prefill_run or decode_step on the leader, over
 * the mesh: all [vocab], written on the leader only; unused in a dry run.
 * Collective over the mesh. */
void prefill_gather_logits(struct inference *w, float *all);
void decode_gather_logits(struct inference *w, float *all);

#endif
