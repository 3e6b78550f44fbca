/* Ladder (OSDI'24), made for memory that all cores share, on a mesh. It knows
 * tiles and the memory that they come from, not where that is: the cores'
 * memories look like one, a tile's home follows from its address. No core
 * knows who else wants the tile, so that none is multicast, and none comes
 * from a neighbour who has it.
 *
 *   core (y,x), step b:   asks A(y,b)'s home, waits, has the tile
 *                         asks B(b,x)'s home, waits, has the tile
 *                         C(y,x) += A(y,b) B(b,x)
 *
 * Any core may ask any other: as many paths as there are cores. A router holds
 * some tens, so that software passes on request and tile, core by core, the
 * tile as a whole: PLMR's worst access, alpha and beta for each of up to
 * rows + cols hops. In each step some core's home is that far away, and the
 * step is over when the last core has its tiles.
 *
 * A token by itself (decode) asks for its tiles of the weights, keys and
 * values, once. Its activations are one vector. They go by the chains and
 * multicasts of baseline_product_in_place, which need a few routes. */
#include "config.h"
#include "baseline_layer.h"

static void plan(struct walk *w)
{
	baseline_plan_in_place(w);
	if (w->tokens == 1)
		return;
	w->axis = AXIS_X;
	w->line = w->grid.cols;
	w->lines = w->grid.rows;
	w->tile_tokens = baseline_part(w->tokens, w->grid.rows);
	w->heads = w->model->n_heads;
}

/* Addresses are dealt out evenly. */
static uint64_t tile(const struct walk *w, const struct product *p)
{
	return baseline_part(p->k * p->n, baseline_cores(w));
}

/* Cycles until a tile of `words` words has come over d hops, and `sharers`
 * cores wanted it. The farthest request arrives last; by then the home has sent
 * all others theirs, unless that takes longer. */
static uint64_t round_trip(const struct walk *w, uint64_t d, uint64_t words,
                           uint64_t sharers, bool relayed)
{
	const struct ledger *l = w->l;
	uint64_t wire = cost_wire(l, words), served = sharers * wire;
	uint64_t way = relayed ? d * baseline_relay(l) : cost_hops(l, d);

	return (served > way ? served : way) + way + (relayed ? d : 1) * wire;
}

/* Hops of a message on a line of n cores, of each from one of them, taken at
 * random, to another: (n^2 - 1) / 3n each. */
static uint64_t mean_word_hops(double n, uint64_t words)
{
	return baseline_count(words * (n - 1 / n) / 3);
}

/* What each core sends or receives, with some other one: words in all. */
static void send(const struct walk *w, uint64_t words, struct charge *c)
{
	uint64_t x = mean_word_hops(w->grid.cols, words);
	uint64_t y = mean_word_hops(w->grid.rows, words);

	c->words = words;
	c->word_hops = x + y;
	ledger_charge(w->l, c);
	baseline_links(w->l, AXIS_X, w->grid.cols, x);
	baseline_links(w->l, AXIS_Y, w->grid.rows, y);
}

/* In each of so many steps all cores ask for a tile of n elements, with one
 * word, the address. */
static void pull(const struct walk *w, uint64_t steps, uint64_t n,
                 uint64_t sharers)
{
	struct ledger *l = w->l;
	uint64_t d = w->grid.rows + w->grid.cols - 2, cores = baseline_cores(w);
	uint64_t words = cost_words(l, n);
	bool relayed = cores > l->device->routes;
	struct charge c = { .calls = 1, .path_hops = 2 * d * steps };

	if (!d)
		return;
	c.comm_cycles = steps * round_trip(w, d, words, sharers, relayed);
	c.stages = relayed ? c.path_hops : 0;
	send(w, baseline_count((double)steps * cores * (1 + words)), &c);
	ledger_route(l, ROUTE_CHAIN_X);
	ledger_route(l, ROUTE_CHAIN_Y);
	if (relayed)
		ledger_route_each(l, 0, (int)cores);
}

/* Tiles of the result, n elements of all cores, go to their homes; no one waits
 * for that. */
static void store(const struct walk *w, uint64_t n)
{
	struct charge c = { .calls = 1 };

	if (baseline_cores(w) > 1)
		send(w, cost_words(w->l, n), &c);
}

/* Query heads whose operand a core needs for its tile of the result. */
static uint64_t heads_of_tile(const struct walk *w, const struct product *p)
{
	if (p->op != OP_VALUES)
		return p->group;
	return p->group * baseline_part(w->model->n_kv_heads, w->grid.cols);
}

static void product_by_tiles(const struct walk *w, const struct product *p)
{
	struct ledger *l = w->l;
	uint64_t rows = w->grid.rows, cols = w->grid.cols;
	uint64_t side = rows > cols ? rows : cols;
	uint64_t steps = p->k < side ? p->k : side;
	uint64_t k = baseline_part(p->k, steps);
	uint64_t n = baseline_part(p->n, cols), m = w->tile_tokens;
	uint64_t a = m * k * heads_of_tile(w, p), b = k * n;
	uint64_t macs = w->tokens * p->group * p->k * p->n;
	const struct charge c = cost_product(
		l, macs, m * p->group * p->k * n,
		steps * cost_gemm(l, m * p->group, n, k));

	ledger_alloc(l, SRAM_BUFFERS, cost_bytes(l, a + b));
	pull(w, steps, a, cols);
	pull(w, steps, b, rows);
	ledger_charge(l, &c);
	store(w, w->tokens * p->n * p->group);
	ledger_free(l, SRAM_BUFFERS, cost_bytes(l, a + b));
}

static void product(const struct walk *w, const struct product *p)
{
	uint64_t tile = baseline_tile_in_place(w, p);

	if (w->tokens > 1) {
		product_by_tiles(w, p);
		return;
	}
	ledger_alloc(w->l, SRAM_BUFFERS, cost_bytes(w->l, tile));
	pull(w, 1, tile, 1);
	baseline_product_in_place(w, p);
	ledger_free(w->l, SRAM_BUFFERS, cost_bytes(w->l, tile));
}

static void fetch(const struct walk *w, uint64_t n)
{
	pull(w, 1, n, w->line);
}

static const struct planner ladder = { plan, product, tile, fetch };

static void prefill(struct ledger *l, const struct model *m, struct rxc grid,
                    int tokens)
{
	baseline_pass(&ladder, l, m, grid, tokens, tokens);
}

static void decode(struct ledger *l, const struct model *m, struct rxc grid,
                   int tokens)
{
	baseline_pass(&ladder, l, m, grid, 1, tokens);
}

const struct baseline baseline_ladder = {
	"ladder", "as a compiler that sees one shared memory would have it",
	prefill, decode
};
