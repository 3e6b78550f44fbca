/* A request without data, on one process: its phases run the same kernels as a
 * real run, on grids without tensors, and charge the same ledger. Not
 * collective. */
#ifndef WL_DRY_REQUEST_H
#define WL_DRY_REQUEST_H

#include "inference/inference.h"
#include "systems/system.h"

struct dry_request {
	const struct model *model;   /* borrowed, as is the device */
	const struct device *device;
	enum wl_type type;           /* of the elements that are charged */
	struct rxc prefill, decode;  /* core grids */
	const struct system *system; /* NULL: the default */
	const int *groups;           /* NULL: by lengths, see inference.h */
	int prefill_regions, decode_regions;
	int prompt_tokens, new_tokens;
	enum kv_policy kv;
	bool sampled;                /* moves logits to the leader */
	/* Of the ledger, see ledger.h. */
	void (*tick)(void *ctx, const struct ledger *l);
	void *tick_ctx;
};

/* Makes w and runs all phases of the request; w->ledger has the account. Free
 * w with inference_fini. */
void dry_request_run(struct inference *w, const struct dry_request *r);

/* The steps of dry_request_run, in order, for callers that need only some:
 * makes w; prefill; if there is more than one new token, the transition, then
 * one decode step for each of the others. */
void dry_request_start(struct inference *w, const struct dry_request *r);
void dry_request_prefill(struct inference *w, const struct dry_request *r);
void dry_request_transition(struct inference *w, const struct dry_request *r);
void dry_request_step(struct inference *w, const struct dry_request *r);

/* The same model with one head of full width for Q, K and V. */
struct model dry_request_full_heads(const struct model *m);

#endif
