#include "config.h"
#include "inference/inference.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void lay_grid(struct inference *w, struct grid *g,
                     const struct inference_setup *s, struct rxc size)
{
	const struct mesh *m = w->mesh;
	struct rxc cores = grid_sides(size, s->line);
	struct line *line[] = { &g->x, &g->y };

	if (m)
		grid_init(g, cores.rows, cores.cols, m->rows, m->cols, m->row,
		          m->col, w->noc, &w->ledger);
	else
		grid_init(g, cores.rows, cores.cols, 1, 1, 0, 0, NULL,
		          &w->ledger);
	g->laid = size;
	for (int i = 0; i < 2; i++) {
		line[i]->allreduce = s->allreduce;
		line[i]->profile = s->profile;
		if (s->groups)
			memcpy(line[i]->groups, s->groups,
			       sizeof line[i]->groups);
	}
}

/* Cores of the longest line of either grid. */
static int longest_line(const struct inference_setup *s)
{
	const struct rxc a = grid_sides(s->prefill, s->line);
	const struct rxc b = grid_sides(s->decode, s->line);
	const int n[] = { a.rows, a.cols, b.rows, b.cols };
	int max = 0;

	for (size_t i = 0; i < sizeof n / sizeof *n; i++)
		max = n[i] > max ? n[i] : max;
	return max;
}

void inference_init(struct inference *w, const struct inference_setup *s)
{
	*w = (struct inference){ .model = s->model, .mesh = s->mesh,
	                     .account_only = s->account_only,
	                     .prefill_regions = 1, .decode_regions = 1 };
	ledger_init(&w->ledger, s->device, s->type, longest_line(s));
	w->ledger.repeats_layers = !s->mesh;
	if (s->mesh)
		w->noc = noc_new(s->mesh->cart, s->mesh->crowded,
		                 s->mesh->share);
	if (s->profile) {
		noc_profile(w->noc, s->profile);
		w->ledger.observe = profile_take;
		w->ledger.observer = s->profile;
	}
	lay_grid(w, &w->prefill, s, s->prefill);
	lay_grid(w, &w->decode, s, s->decode);
	if (!s->account_only)
		weights_init(&w->weights, s->model, s->type,
		             s->gemm ? s->gemm : gemm_at(0), &w->prefill,
		             &w->decode);
}

void inference_hand_over(struct inference *w, const struct grid *g, int regions,
                     struct wire_words wire)
{
	struct ledger *l = &w->ledger;
	uint64_t hops = g->laid.cols, times = regions - 1;
	struct charge c = { .calls = 1, .words = wire.all,
	                    .word_hops = wire.all * hops, .path_hops = hops };

	if (!times)
		return;
	c.comm_cycles = cost_hops(l, hops) + cost_wire(l, wire.max);
	ledger_op(l, OP_HANDOVER);
	for (uint64_t i = 0; i < times; i++) {
		ledger_charge(l, &c);
		ledger_link(l, AXIS_X, 0, g->laid.cols - 1, wire.all);
	}
}

static void decode_state_fini(struct decode_state *s)
{
	free(s->x);
	free(s->h);
	free(s->qkv);
	free(s->scores);
	free(s->partial);
	free(s->sums);
	free(s->o);
	free(s->ffn);
	free(s->logits);
	free(s->angles);
}

void inference_fini(struct inference *w)
{
	for (int i = 0; w->kv && i < w->model->n_layers; i++) {
		tiles_fini(&w->kv[i].k);
		tiles_fini(&w->kv[i].v);
	}
	free(w->kv);
	free(w->prefill_logits);
	decode_state_fini(&w->state);
	kvcache_fini(&w->cache);
	if (!w->account_only)
		weights_fini(&w->weights);
	grid_fini(&w->decode);
	grid_fini(&w->prefill);
	noc_free(w->noc);
	ledger_fini(&w->ledger);
	memset(w, 0, sizeof *w);
}
