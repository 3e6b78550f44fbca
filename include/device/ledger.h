/* The running account of what the emulated wafer did, by phase and operator.
 * It is a function of problem, core grids and device alone: every rank
 * charges for the whole wafer, so all ranks, and a dry run, hold the same
 * ledger and nothing about it is ever reduced. Emulated figures only: host
 * seconds live elsewhere. */
#ifndef WL_LEDGER_H
#define WL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/phase.h"
#include "device/device.h"
#include "model/model.h"

enum sram {
#define WL_SRAM(id, name) id,
#include "device/counters.def"
	NSRAM
};

enum route_kind {
#define WL_ROUTE(id, name, paths) id,
#include "device/counters.def"
	NROUTES
};

/* The largest count that a ledger holds: the sum of all operators still fits a
 * signed integer. */
#define LEDGER_MAX (UINT64_C(1) << 58)

/* The route of a line's axis (enum axis): ROUTE_ON(RING, axis). */
#define ROUTE_ON(kind, axis) ((axis) ? ROUTE_##kind##_Y : ROUTE_##kind##_X)

/* What one call of a move or a kernel adds. */
struct charge {
#define WL_COUNTER(field, unit, help) uint64_t field;
#include "device/counters.def"
	/* Of comm_cycles, the core's own work, which arithmetic at the same
	 * time does not hide: the set-up, which exchanges at the same time
	 * share, and what it sends on for others, which adds up. */
	uint64_t setup_cycles, relay_cycles;
};

/* The fullest moment of a core's memory in one phase, bytes. */
struct sram_peak {
	uint64_t total, held[NSRAM];
	enum op op;
};

/* The longest exchange and all arithmetic of things done at the same time. */
struct overlap {
	bool open;
	uint64_t compute, setup, relay, wire, hops, stages;
};

struct ledger {
	const struct device *device; /* borrowed */
	enum wl_type type;           /* of the elements that are charged */
	enum phase phase;
	enum op op;
	uint64_t repeat; /* identical calls that one charge stands for; 0: the
	                    call is already accounted for */
	bool folds;      /* a dry run: see ledger_layer */
	bool muted;      /* see ledger_mute */
	bool taken;      /* op is taken up */
	int layer, layers; /* the one in hand, of how many; 0 of 0: none */
	/* Called once in so many charges, as a sign of life. */
	void (*tick)(void *ctx, const struct ledger *l); /* may be NULL */
	void *tick_ctx;
	unsigned ticks;
	bool overflow;   /* something did not fit: figures are wrong */
	struct charge row[NPHASES][NOPS];
	uint16_t routes[NPHASES][NOPS]; /* bit 1 << enum route_kind: held */
	uint32_t rooted[NPHASES][NOPS][2]; /* [axis] paths, see
	                                      ledger_route_each */
	uint64_t sram[NPHASES][NOPS];   /* bytes of the fullest core, peak */
	uint64_t held[NSRAM];           /* now, on core (0,0): the fullest */
	struct sram_peak peak[NPHASES];
	struct overlap overlap;
	/* Who else is told what the next charges are for; op NOPS: a phase
	 * begins. NULL: nobody. */
	void (*observe)(void *observer, enum phase p, int op);
	void *observer;
	/* Words that cross each cut between neighbouring cores, of all
	 * parallel lines together, both ways: [phase][axis][cut], as
	 * differences to the cut before; see ledger_links. */
	uint64_t *link[NPHASES][2];
	int link_max;               /* cuts + 1 that there is room for */
};

/* Empties the ledger; phase load, repeat 1. most: cores of the longest line.
 * Free with ledger_fini. */
void ledger_init(struct ledger *l, const struct device *d, enum wl_type type,
                 int max);
void ledger_fini(struct ledger *l);

/* Names what the next charges are for. */
void ledger_phase(struct ledger *l, enum phase p);
/* Takes up an operator, unless it is the current one, and charges the cores'
 * way to it from the one before: descriptors, routes, waiting for each other.
 */
void ledger_op(struct ledger *l, enum op op);
/* Takes up a kernel by itself, as benchmarks time it: no way to it. */
void ledger_kernel(struct ledger *l, enum op op);

/* Adds c, repeat times, to the current phase and operator; cycles are made
 * from compute_cycles and comm_cycles. What exceeds LEDGER_MAX sets overflow.
 */
void ledger_charge(struct ledger *l, const struct charge *c);

/* What is charged between the two calls happens at the same time on the
 * wafer: arithmetic adds up, the longest exchange counts (its hops and stages
 * too), and it counts only where it outlasts the arithmetic. */
void ledger_overlap_begin(struct ledger *l);
void ledger_overlap_end(struct ledger *l);

/* Starts layer i of n layers that are all alike. A dry run charges the first
 * for all of them: false when there is nothing more to charge. After the last,
 * ledger_layers_end. */
bool ledger_layer(struct ledger *l, int i, int n);
void ledger_layers_end(struct ledger *l);

/* While muted, nothing but memory and routes is accounted for: for dry runs
 * that need only some of the phases, and real ones without an account. */
void ledger_mute(struct ledger *l, bool muted);
/* Whether the next charge counts at all: moves whose costs take long to find
 * need not do so when it does not. */
bool ledger_listens(const struct ledger *l);

/* The current operator uses a kind of route. */
void ledger_route(struct ledger *l, enum route_kind r);

/* It wants a path of its own for each of n cores of a line of that axis. */
void ledger_route_each(struct ledger *l, int axis, int n);

/* The fullest core takes, or gives back, bytes of its memory. */
void ledger_alloc(struct ledger *l, enum sram what, uint64_t bytes);
void ledger_free(struct ledger *l, enum sram what, uint64_t bytes);

/* `words` words of all parallel lines cross each of the cuts first..last-1 of
 * the axis (0: x, 1: y); cut c lies between cores c and c + 1. The sum over a
 * move's cuts is its word_hops (but for the border between two regions). */
void ledger_link(struct ledger *l, int axis, int first, int last,
                 uint64_t words);
/* Words through cuts 0..n-1 of a phase and axis. */
void ledger_links(const struct ledger *l, enum phase p, int axis, int n,
                  uint64_t *words);

/* The sum over one phase's operators. */
struct charge ledger_total(const struct ledger *l, enum phase p);
/* Paths that a core holds for an operator, or for all of a phase (NOPS). */
int ledger_paths(const struct ledger *l, enum phase p, enum op op);

const char *sram_name(enum sram s);

#endif
