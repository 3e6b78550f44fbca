/* T10 (SOSP'24), made for chips whose cores all reach each other alike, on a
 * mesh. A plan cuts an operator over (tokens, k, n) and lets what several
 * cores share travel around rings of them, one part for each:
 *
 *   core m s + j:  token m, columns j of B     m = 0..f-1, j = 0..s-1
 *                  B's columns j in f parts of k, one on each of f cores
 *   step:          core m s + j multiplies with the part it has, then hands it
 *                  to core (m + 1) s + j, "the next"
 *
 * Activations stay, weights go around: in a prompt of a few hundred tokens or
 * more there is no room for the operands of all tokens beside the weights.
 * Cores are numbered row by row, so that the next core lies s columns to the
 * east or, when the row ends, nearly a row to the west. The planner takes it
 * for a neighbour. In truth 2 s parts pass through a core in each step; that
 * is beyond what a router holds paths for, so that software sends them on,
 * one after the other. With f = tokens, s = cores / tokens, all is paid
 * tokens * 2 s = 2 cores times: the longer the prompt, the fewer columns.
 *
 * Where the operands of all tokens fit, B stays and is cut over k and n: decode
 * (baseline_product_in_place).
 *
 * That weights, and weights alone, travel in prefill is taken from the cells of
 * table 2 of WaferLLM (OSDI'25), by which T10 takes the same time for 2048 and
 * 4096 tokens. Its planner has faster plans if it may move activations. */
#include "config.h"
#include "baseline_layer.h"

#include <math.h>


/* Rings of f cores each `stride` cores apart. */
struct rings {
	uint64_t f, stride;
};

/* Elements that a core needs when a product of the widest operands is made in
 * place. */
static uint64_t operands(const struct walk *w)
{
	const struct model *m = w->model;
	uint64_t kv = model_kv_dim(m), group = model_group(m);
	const struct product p[] = {
		{ OP_QKV, m->dim, model_q_dim(m), 1 },
		{ OP_SCORES, kv, w->keys, group },
		{ OP_VALUES, w->keys, kv, group },
		{ OP_OUTPUT, model_q_dim(m), m->dim, 1 },
		{ OP_FFN_UP, m->dim, m->hidden_dim, 1 },
		{ OP_FFN_DOWN, m->hidden_dim, m->dim, 1 } };
	uint64_t max = 0;

	for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
		uint64_t k = baseline_part(p[i].k, w->grid.cols);
		uint64_t n = baseline_part(p[i].n, w->grid.rows);
		uint64_t all = w->tokens * p[i].group * (k + n) + k * n;

		max = all > max ? all : max;
	}
	return max;
}

static bool stays(const struct walk *w)
{
	return w->tokens == 1 || cost_bytes(w->l, operands(w)) <=
	                         device_usable_sram(w->l->device);
}

static void plan(struct walk *w)
{
	uint64_t cores = baseline_cores(w), f = w->tokens;

	baseline_plan_in_place(w);
	if (stays(w))
		return;
	f = f < cores ? f : cores;
	w->line = cores / f;
	w->lines = f;
	w->tile_tokens = baseline_part(w->tokens, f);
	w->heads = w->model->n_heads;
	w->axis = w->grid.cols > 1 ? AXIS_X : AXIS_Y;
}

/* The rings of B; no more cores are in one than there are parts. */
static struct rings rings_of(const struct walk *w, const struct product *p)
{
	return (struct rings){ p->k < w->lines ? p->k : w->lines, w->line };
}

static uint64_t tile(const struct walk *w, const struct product *p)
{
	if (stays(w))
		return baseline_tile_in_place(w, p);
	return baseline_part(p->k, rings_of(w, p).f) *
	       baseline_part(p->n, w->line);
}

/* The messages that pass through the busiest core when each core sends one to
 * the next of its ring: those to the east and those that begin the next row,
 * x; those downwards and those that close a ring, y. Half of them each way. In
 * the few rows where rings close there may be more, of long strides. */
static uint64_t passing(const struct walk *w, const struct rings *r,
                        uint64_t *x, uint64_t *y)
{
	uint64_t cols = w->grid.cols, dx = r->stride % cols;

	*x = 2 * (dx < cols - dx ? dx : cols - dx);
	*y = w->grid.rows > 1 ? 2 * (r->stride / cols + (dx > 0)) : 0;
	return *x + *y;
}

/* Hops of a message on each axis, the mean; rings close over as many rows as
 * they went down. */
static double hops_x(const struct walk *w, const struct rings *r)
{
	double cols = w->grid.cols, dx = r->stride % w->grid.cols;

	return 2 * dx * (cols - dx) / cols;
}

static double hops_y(const struct walk *w, const struct rings *r)
{
	return w->grid.rows > 1 ? 2.0 * r->stride / w->grid.cols : 0;
}

/* Cycles of a full turn of B, `words` words for each core, that exchange takes.
 * A core waits for its own part alone, no one for all, so that a ring's pace
 * is that of its busiest core (or link), and of its mean way. */
static uint64_t turn_cycles(const struct walk *w, const struct rings *r,
                            uint64_t words, struct charge *c)
{
	const struct ledger *l = w->l;
	uint64_t x, y, n = passing(w, r, &x, &y);
	uint64_t way = ceil(hops_x(w, r) + hops_y(w, r));
	bool relayed = n > l->device->routes;

	c->setup_cycles = r->f * cost_exchange(l);
	c->path_hops = r->f * way;
	c->stages = relayed ? r->f * way : 0;
	if (relayed)
		return n * (r->f * baseline_relay(l) + cost_wire(l, words));
	return cost_hops(l, c->path_hops) +
	       cost_wire(l, (x > y ? x : y) / 2 * words);
}

static void note_routes(const struct walk *w, bool relayed)
{
	ledger_route(w->l, relayed ? ROUTE_CHAIN_X : ROUTE_RING_X);
	ledger_route(w->l, relayed ? ROUTE_CHAIN_Y : ROUTE_RING_Y);
	if (relayed)
		return;
	ledger_route(w->l, ROUTE_BACK_X);
	ledger_route(w->l, ROUTE_BACK_Y);
}

/* B goes all around its rings. */
static void turn(const struct walk *w, const struct product *p)
{
	struct rings r = rings_of(w, p);
	struct ledger *l = w->l;
	uint64_t n = baseline_part(p->n, w->line);
	uint64_t words = cost_words(l, p->k * n);
	uint64_t all = w->line * w->lines * words;
	uint64_t x = baseline_count(hops_x(w, &r) * all);
	uint64_t y = baseline_count(hops_y(w, &r) * all);
	struct charge c = { .calls = 1, .words = all, .word_hops = x + y };

	if (r.f < 2)
		return;
	c.comm_cycles = turn_cycles(w, &r, words, &c);
	c.comm_cycles += c.setup_cycles;
	ledger_charge(l, &c);
	note_routes(w, c.stages > 0);
	baseline_links(l, AXIS_X, w->grid.cols, x);
	baseline_links(l, AXIS_Y, w->grid.rows, y);
}

/* Each token's operand, of which a core of its line holds a part, goes around
 * the line, to all of them. */
static void gather(const struct walk *w, uint64_t elements)
{
	struct ledger *l = w->l;
	uint64_t steps = w->line - 1;
	uint64_t words = cost_words(l, w->tile_tokens *
	                               baseline_part(elements, w->line));
	uint64_t all = w->lines * w->line * steps * words;
	const struct charge c = {
		.calls = 1, .words = all, .word_hops = all,
		.path_hops = steps, .comm_cycles = steps *
			(cost_exchange(l) + cost_hops(l, 1) +
			 cost_wire(l, words)) };

	if (!steps)
		return;
	ledger_charge(l, &c);
	ledger_route(l, ROUTE_ON(RING, w->axis));
	baseline_links(l, w->axis, w->axis == AXIS_X ? w->grid.cols
	                                             : w->grid.rows, all);
}

/* A step's product, before the parts go on. */
static uint64_t step_cycles(const struct walk *w, const struct product *p,
                            uint64_t k, uint64_t n)
{
	if (w->tile_tokens > 1)
		return cost_gemm(w->l, w->tile_tokens * p->group, n, k);
	return cost_start(w->l) + p->group * cost_gemv(w->l, k, n);
}

static void product_by_turns(const struct walk *w, const struct product *p)
{
	struct ledger *l = w->l;
	struct rings r = rings_of(w, p);
	uint64_t k = baseline_part(p->k, r.f);
	uint64_t n = baseline_part(p->n, w->line);
	uint64_t m = w->tile_tokens * p->group;
	uint64_t buffers = cost_bytes(l, m * p->k + k * n);
	const struct charge c = cost_product(
		l, w->tokens * p->group * p->k * p->n, m * p->k * n,
		r.f * step_cycles(w, p, k, n));

	ledger_alloc(l, SRAM_BUFFERS, buffers);
	gather(w, p->group * p->k);
	ledger_charge(l, &c);
	turn(w, p);
	ledger_free(l, SRAM_BUFFERS, buffers);
}

static void product(const struct walk *w, const struct product *p)
{
	(stays(w) ? baseline_product_in_place : product_by_turns)(w, p);
}

/* From where it lies, by the routers: the planner knows whom it sends what. */
static void fetch(const struct walk *w, uint64_t n)
{
	uint64_t words = cost_words(w->l, n);

	baseline_deliver(w, w->lines * w->line * words, words);
}

static const struct planner t10 = { plan, product, tile, fetch };

static void prefill(struct ledger *l, const struct model *m, struct rxc grid,
                    int tokens)
{
	baseline_pass(&t10, l, m, grid, tokens, tokens);
}

static void decode(struct ledger *l, const struct model *m, struct rxc grid,
                   int tokens)
{
	baseline_pass(&t10, l, m, grid, 1, tokens);
}

const struct baseline baseline_t10 = {
	"t10", "as a planner that knows nothing of distance would have it",
	prefill, decode
};
