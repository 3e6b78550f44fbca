#include "config.h"
#include "dry_request.h"

struct model dry_request_full_heads(const struct model *m)
{
	struct model full = *m;

	full.n_heads = full.n_kv_heads = 1;
	full.head_dim = m->dim;
	return full;
}

void dry_request_start(struct inference *w, const struct dry_request *r)
{
	struct inference_setup s = { .model = r->model, .prefill = r->prefill,
	                         .decode = r->decode, .device = r->device,
	                         .type = r->type, .groups = r->groups };

	if (r->system) {
		s.gemm = r->system->gemm;
		s.allreduce = r->system->allreduce;
		s.line = r->system->line;
		s.account_only = r->system->baseline != NULL;
	}
	inference_init(w, &s);
	w->kv_policy = r->kv;
	w->prefill_regions = r->prefill_regions;
	w->decode_regions = r->decode_regions;
	w->ledger.tick = r->tick;
	w->ledger.tick_ctx = r->tick_ctx;
}

/* Runs the phases of a baseline, which has an account only. */
static void run_baseline(struct inference *w, const struct dry_request *r)
{
	const struct baseline *b = r->system->baseline;

	ledger_phase(&w->ledger, PHASE_PREFILL);
	b->prefill(&w->ledger, r->model, r->prefill, r->prompt_tokens);
	ledger_phase(&w->ledger, PHASE_DECODE);
	for (int i = 1; i < r->new_tokens; i++)
		b->decode(&w->ledger, r->model, r->decode,
		          r->prompt_tokens + i);
}

void dry_request_prefill(struct inference *w, const struct dry_request *r)
{
	prefill_run(w, NULL, r->prompt_tokens);
	if (r->sampled)
		prefill_gather_logits(w, NULL);
}

void dry_request_transition(struct inference *w, const struct dry_request *r)
{
	transition_run(w, r->prompt_tokens + r->new_tokens);
}

void dry_request_step(struct inference *w, const struct dry_request *r)
{
	decode_step(w, 0);
	if (r->sampled)
		decode_gather_logits(w, NULL);
}

void dry_request_run(struct inference *w, const struct dry_request *r)
{
	dry_request_start(w, r);
	if (w->account_only) {
		run_baseline(w, r);
		return;
	}
	dry_request_prefill(w, r);
	if (r->new_tokens == 1)
		return;
	dry_request_transition(w, r);
	for (int i = 1; i < r->new_tokens; i++)
		dry_request_step(w, r);
}
