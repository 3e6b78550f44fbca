/* The running account of what the emulated wafer did, by phase and operator.
 * It depends on the problem, the core grids and the device alone: every rank
 * charges for the whole wafer, so that all ranks and a dry run have identical
 * ledgers, which are never reduced. All figures are emulated; host times are
 * kept elsewhere. No function here is collective. */
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

/* The largest value of a counter: the sum over all operators still fits a
 * signed 64-bit integer. */
#define LEDGER_MAX (UINT64_C(1) << 58)

/* The kind of route on an axis (enum axis): ROUTE_ON(RING, axis). */
#define ROUTE_ON(kind, axis) ((axis) ? ROUTE_##kind##_Y : ROUTE_##kind##_X)

/* What one call of a move or a kernel adds. */
struct charge {
#define WL_COUNTER(field, unit, help) uint64_t field;
#include "device/counters.def"
	/* The parts of comm_cycles that the core itself executes, so that
	 * concurrent arithmetic cannot hide them. Concurrent exchanges share
	 * the set-up; the relaying of other cores' messages adds up. */
	uint64_t setup_cycles, relay_cycles;
};

/* Peak memory of the fullest core in one phase, bytes; and the operator that
 * reached it. */
struct sram_peak {
	uint64_t total, allocated[NSRAM];
	enum op op;
};

/* Charges between ledger_overlap_begin and ledger_overlap_end: sums of compute
 * and relay, maxima of the others; cycles, hops and stages. */
struct overlap {
	bool open;
	uint64_t compute, setup, relay, wire, hops, stages;
};

struct ledger {
	const struct device *device; /* borrowed */
	enum wl_type type;           /* of the elements that are charged */
	enum phase phase;
	enum op op;
	uint64_t repeat; /* identical calls that one charge represents; 0: the
	                    call was already charged */
	bool repeats_layers; /* in a dry run: see ledger_layer */
	bool muted;      /* see ledger_mute */
	bool op_started; /* op was started in this phase */
	int layer, layers; /* current layer, from 1, of how many; 0, 0: none */
	/* Called every few charges, to report progress; or NULL. */
	void (*tick)(void *ctx, const struct ledger *l);
	void *tick_ctx;
	unsigned ticks;
	bool overflow;   /* a counter exceeded LEDGER_MAX: figures are wrong */
	struct charge row[NPHASES][NOPS];
	uint16_t routes[NPHASES][NOPS]; /* bits 1 << enum route_kind */
	uint32_t source_paths[NPHASES][NOPS][2]; /* [axis], see
	                                            ledger_route_each */
	uint64_t sram[NPHASES][NOPS];   /* peak of the fullest core, bytes */
	uint64_t allocated[NSRAM];      /* now, on the fullest core, bytes */
	struct sram_peak peak[NPHASES];
	struct overlap overlap;
	/* Observer of phase and operator changes; op is NOPS when a phase
	 * begins. NULL: none. */
	void (*observe)(void *observer, enum phase p, int op);
	void *observer;
	/* Words that cross each cut between neighbouring cores, summed over
	 * all parallel lines and both directions: [phase][axis][cut], stored
	 * as the difference from the previous cut; see ledger_links. */
	uint64_t *link[NPHASES][2];
	int link_max;               /* entries of each: cuts + 1 */
};

/* Makes an empty ledger, in the load phase, with repeat 1. The device is
 * borrowed. max: cores of the longest line. Free with ledger_fini. */
void ledger_init(struct ledger *l, const struct device *d, enum wl_type type,
                 int max);
void ledger_fini(struct ledger *l);

/* Starts a phase: the next charges are for it. */
void ledger_phase(struct ledger *l, enum phase p);
/* Starts an operator, unless it is the current one, and charges operator_start
 * cycles for the switch: descriptors, routes, synchronization. */
void ledger_op(struct ledger *l, enum op op);
/* Starts an operator without charging the switch, for benchmarks of a kernel.
 */
void ledger_kernel(struct ledger *l, enum op op);

/* Adds c, repeat times, to the current phase and operator. cycles is computed
 * as compute_cycles + comm_cycles. Sets overflow if a counter exceeds
 * LEDGER_MAX. */
void ledger_charge(struct ledger *l, const struct charge *c);

/* Charges between the two calls happen concurrently on the wafer: arithmetic
 * adds up; of the exchanges only the longest counts, with its hops and stages,
 * and only the cycles by which it outlasts the arithmetic. Does not nest. */
void ledger_overlap_begin(struct ledger *l);
void ledger_overlap_end(struct ledger *l);

/* Starts layer i of n identical layers. A dry run (repeats_layers) charges the
 * first layer n times: returns false when the layer needs no charge. Call
 * ledger_layers_end after the last. */
bool ledger_layer(struct ledger *l, int i, int n);
void ledger_layers_end(struct ledger *l);

/* A muted ledger records only memory and routes: for dry runs that need only
 * some of the phases, and for real runs without an account. */
void ledger_mute(struct ledger *l, bool muted);
/* Whether the next charge counts. If not, moves can skip computing their cost.
 */
bool ledger_listens(const struct ledger *l);

/* The current operator uses a kind of route. */
void ledger_route(struct ledger *l, enum route_kind r);

/* The current operator needs a separate path for each of n source cores of a
 * line along the axis. */
void ledger_route_each(struct ledger *l, int axis, int n);

/* The fullest core allocates or frees bytes of its memory. */
void ledger_alloc(struct ledger *l, enum sram what, uint64_t bytes);
void ledger_free(struct ledger *l, enum sram what, uint64_t bytes);

/* `words` words, summed over all parallel lines, cross each of the cuts
 * first..last-1 of the axis (0: x, 1: y); cut c is between cores c and c + 1.
 * The sum over a move's cuts equals its word_hops, except at the border between
 * two regions. */
void ledger_link(struct ledger *l, int axis, int first, int last,
                 uint64_t words);
/* Words across each of the cuts 0..n-1 of a phase and axis: words[n]. */
void ledger_links(const struct ledger *l, enum phase p, int axis, int n,
                  uint64_t *words);

/* The sum over one phase's operators. */
struct charge ledger_total(const struct ledger *l, enum phase p);
/* Router paths that a core needs for an operator, or for the whole phase
 * (NOPS). */
int ledger_paths(const struct ledger *l, enum phase p, enum op op);

const char *sram_name(enum sram s);

#endif
