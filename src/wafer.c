#include "config.h"
#include "wafer.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

static void lay_grid(struct wafer *w, struct grid *g, int side)
{
	const struct mesh *m = w->mesh;

	if (m)
		grid_init(g, side, side, m->rows, m->cols, m->row, m->col,
		          w->noc, &w->ledger);
	else
		grid_init(g, side, side, 1, 1, 0, 0, NULL, &w->ledger);
}

void wafer_init(struct wafer *w, const struct model *model,
                const struct mesh *mesh, int prefill_side, int decode_side,
                const struct device *device, enum wl_type type)
{
	*w = (struct wafer){ .model = model, .mesh = mesh,
	                     .prefill_regions = 1, .decode_regions = 1 };
	ledger_init(&w->ledger, device, type,
	            prefill_side > decode_side ? prefill_side : decode_side);
	w->ledger.folds = !mesh;
	if (mesh)
		w->noc = noc_new(mesh->cart, mesh->crowded);
	lay_grid(w, &w->prefill, prefill_side);
	lay_grid(w, &w->decode, decode_side);
	weights_init(&w->weights, model, &w->prefill, &w->decode);
}

void wafer_hand_over(struct wafer *w, const struct grid *g, int regions,
                     struct wire_words wire)
{
	struct ledger *l = &w->ledger;
	uint64_t way = g->cols, times = regions - 1;
	struct charge c = { .calls = 1, .words = wire.all,
	                    .word_hops = wire.all * way, .path_hops = way };

	if (!times)
		return;
	c.comm_cycles = cost_hops(l, way) + cost_wire(l, wire.most);
	ledger_op(l, OP_HANDOVER);
	for (uint64_t i = 0; i < times; i++) {
		ledger_charge(l, &c);
		ledger_link(l, AXIS_X, 0, g->cols - 1, wire.all);
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

void wafer_fini(struct wafer *w)
{
	for (int i = 0; w->kv && i < w->model->n_layers; i++) {
		tiles_fini(&w->kv[i].k);
		tiles_fini(&w->kv[i].v);
	}
	free(w->kv);
	free(w->prefill_logits);
	decode_state_fini(&w->state);
	kvcache_fini(&w->cache);
	weights_fini(&w->weights);
	grid_fini(&w->decode);
	grid_fini(&w->prefill);
	noc_free(w->noc);
	ledger_fini(&w->ledger);
	memset(w, 0, sizeof *w);
}
