/* Accounts without data: the phases of a request run on one process with the
 * very kernels of a real run, on grids that hold nothing. Not collective. */
#ifndef WL_DRY_RUN_H
#define WL_DRY_RUN_H

#include "options.h"
#include "wafer.h"

struct dry_request {
	const struct model *model;   /* borrowed, as is the device */
	const struct device *device;
	enum wl_type type;           /* of the elements charged */
	int prefill_side, decode_side;
	int prefill_regions, decode_regions;
	int prompt_tokens, new_tokens;
	enum kv_policy kv;
	bool sampled;                /* logits travel to the leader */
};

/* Runs all phases of the request, its ledger is in w. To be freed with
 * wafer_fini. */
void dry_run_request(struct wafer *w, const struct dry_request *r);

/* The parts of it, for those who compare many requests. dry_run_start makes
 * the wafer; prefill and transition follow; decode steps come in any number,
 * each charged `repeat` times. */
void dry_run_start(struct wafer *w, const struct dry_request *r);

/* The model with attention as one head of its full width, K and V too. */
struct model dry_run_full_heads(const struct model *m);

/* waferllm run --dry-run. 0, or -1 and err. */
int dry_run(const struct options *o, struct wl_error *err);

#endif
