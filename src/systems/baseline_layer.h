/* Inside the baselines only: the way through a model that they have in
 * common, operator by operator, and what they are made of. Sizes of a core
 * are those of the fullest one. */
#ifndef WL_BASELINE_LAYER_H
#define WL_BASELINE_LAYER_H

#include "device/cost.h"
#include "grid/grid.h"
#include "systems/baseline.h"

/* The only constant of the baselines' own. Cycles in which a core finds out
 * where a message goes on that no route is set for: it reads the address,
 * looks the next core up and rewrites the header. Beside the device's
 * relay_cycles, which pass a message on along a line that is known.
 * Calibrated on the cells of Ladder in tables 3 and 4 of WaferLLM (OSDI'25);
 * those of T10, and table 2, follow. */
#define BASELINE_HEADER_CYCLES 31

/* C[tokens][n] = A[tokens][k] B[k][n] for each of `group` query heads that
 * share B. B is a weight matrix, keys or values. */
struct product {
	enum op op;
	uint64_t k, n, group;
};

/* One way through the model, and where a system's plan lets activations lie:
 * `lines` lines of `line` cores along `axis` each hold tile_tokens tokens,
 * whose elements are cut over the line. */
struct walk {
	struct ledger *l;
	const struct model *model;
	struct rxc grid;
	uint64_t tokens, keys;  /* that pass; that are attended to */
	uint64_t line, lines, tile_tokens;
	uint64_t heads;         /* query heads whose scores a line holds */
	enum axis axis;
	const struct planner *system;
};

struct planner {
	/* Sets line, lines, tile_tokens, heads and axis. */
	void (*plan)(struct walk *w);
	/* Charges a product and whatever brings its operands together. */
	void (*product)(const struct walk *w, const struct product *p);
	/* Elements of B that a core holds. */
	uint64_t (*tile)(const struct walk *w, const struct product *p);
	/* Charges how a core comes by n elements from anywhere. */
	void (*fetch)(const struct walk *w, uint64_t n);
};

/* The rows of the table in baseline.c. */
extern const struct baseline baseline_t10, baseline_ladder;

/* Charges a pass of so many tokens, which attend to so many keys: embedding,
 * all layers, and the head for the last token. */
void baseline_pass(const struct planner *s, struct ledger *l,
                   const struct model *m, struct rxc grid, uint64_t tokens,
                   uint64_t keys);

static inline uint64_t baseline_cores(const struct walk *w)
{
	return (uint64_t)w->grid.rows * w->grid.cols;
}

/* n / parts, rounded up. */
static inline uint64_t baseline_part(uint64_t n, uint64_t parts)
{
	return (n + parts - 1) / parts;
}

/* A count that is made of means, and may be too large for a ledger to hold:
 * which shows there. */
static inline uint64_t baseline_count(double n)
{
	return n < LEDGER_MAX ? (uint64_t)n : LEDGER_MAX + 1;
}

/* Cycles that a core takes to pass a message on that has no route. */
uint64_t baseline_relay(const struct ledger *l);

/* Spreads word_hops evenly over the cuts between n cores of an axis. */
void baseline_links(struct ledger *l, enum axis axis, uint64_t n,
                    uint64_t word_hops);

/* Charges how `all` words of all cores, in blocks of `words`, get to the cores
 * that need them, along set routes: over the whole of both axes, as none is
 * nearer to a planner that knows no distance. */
void baseline_deliver(const struct walk *w, uint64_t all, uint64_t words);

/* A plan for products that leave B where it is: k over the cores of a row, n
 * over rows. Sums go from core to core along the row, then to whoever needs
 * them. */
void baseline_plan_in_place(struct walk *w);
void baseline_product_in_place(const struct walk *w, const struct product *p);
uint64_t baseline_tile_in_place(const struct walk *w,
                                const struct product *p);

#endif
