#include "config.h"
#include "dry_request.h"

struct model dry_request_full_heads(const struct model *m)
{
	struct model full = *m;

	full.n_heads = full.n_kv_heads = 1;
	full.head_dim = m->dim;
	return full;
}

void dry_request_start(struct wafer *w, const struct dry_request *r)
{
	wafer_init(w, &(struct wafer_setup){
		.model = r->model, .prefill = r->prefill, .decode = r->decode,
		.device = r->device, .type = r->type, .gemm = r->gemm });
	w->kv_policy = r->kv;
	w->prefill_regions = r->prefill_regions;
	w->decode_regions = r->decode_regions;
}

void dry_request_run(struct wafer *w, const struct dry_request *r)
{
	dry_request_start(w, r);
	prefill_run(w, NULL, r->prompt_tokens);
	if (r->sampled)
		prefill_gather_logits(w, NULL);
	if (r->new_tokens == 1)
		return;
	transition_run(w, r->prompt_tokens + r->new_tokens);
	for (int i = 1; i < r->new_tokens; i++) {
		decode_step(w, 0);
		if (r->sampled)
			decode_gather_logits(w, NULL);
	}
}
