/* A request without data: its phases run on one process with the very kernels
 * of a real run, on grids that hold nothing. Not collective. */
#ifndef WL_DRY_REQUEST_H
#define WL_DRY_REQUEST_H

#include "inference/inference.h"
#include "systems/system.h"

struct dry_request {
	const struct model *model;   /* borrowed, as is the device */
	const struct device *device;
	enum wl_type type;           /* of the elements charged */
	struct rxc prefill, decode;  /* core grids */
	const struct system *system; /* NULL: the default */
	const int *groups;           /* NULL: by lengths, see wafer.h */
	int prefill_regions, decode_regions;
	int prompt_tokens, new_tokens;
	enum kv_policy kv;
	bool sampled;                /* logits travel to the leader */
	/* See ledger.h. */
	void (*tick)(void *ctx, const struct ledger *l);
	void *tick_ctx;
};

/* Runs all phases of the request, its ledger is in w. To be freed with
 * inference_fini. */
void dry_request_run(struct inference *w, const struct dry_request *r);

/* Its parts, in order, for those who run only some: makes the wafer; prefill,
 * transition, and one token of decode, where there is more than one. */
void dry_request_start(struct inference *w, const struct dry_request *r);
void dry_request_prefill(struct inference *w, const struct dry_request *r);
void dry_request_transition(struct inference *w, const struct dry_request *r);
void dry_request_step(struct inference *w, const struct dry_request *r);

/* The model with attention as one head of its full width, K and V too. */
struct model dry_request_full_heads(const struct model *m);

#endif
