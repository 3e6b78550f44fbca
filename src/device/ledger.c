#include "config.h"
#include "device/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/cost.h"

/* Charges between two calls of tick. */
#define CHARGES_TO_TICK 16

_Static_assert(NROUTES <= 8 * sizeof ((struct ledger *)0)->routes[0][0],
               "routes has a bit for each kind of route");

static const char *const sram_names[] = {
#define WL_SRAM(id, name) name,
#include "device/counters.def"
};

static const int route_paths[] = {
#define WL_ROUTE(id, name, paths) paths,
#include "device/counters.def"
};

const char *sram_name(enum sram s)
{
	return sram_names[s];
}

void ledger_init(struct ledger *l, const struct device *d, enum wl_type type,
                 int max)
{
	memset(l, 0, sizeof *l);
	l->device = d;
	l->type = type;
	l->repeat = 1;
	l->link_max = max;
	for (int p = 0; p < NPHASES; p++)
		for (int a = 0; a < 2; a++)
			l->link[p][a] = wl_calloc(max, sizeof **l->link[p]);
}

void ledger_fini(struct ledger *l)
{
	for (int p = 0; p < NPHASES; p++)
		for (int a = 0; a < 2; a++)
			free(l->link[p][a]);
	memset(l, 0, sizeof *l);
}

/* Updates the memory peaks of the phase and the operator. */
static void note_sram(struct ledger *l)
{
	struct sram_peak *peak = &l->peak[l->phase];
	uint64_t total = 0;

	for (int i = 0; i < NSRAM; i++)
		total += l->allocated[i];
	if (total > l->sram[l->phase][l->op])
		l->sram[l->phase][l->op] = total;
	if (total <= peak->total)
		return;
	peak->total = total;
	peak->op = l->op;
	memcpy(peak->allocated, l->allocated, sizeof peak->allocated);
}

void ledger_phase(struct ledger *l, enum phase p)
{
	l->phase = p;
	l->op_started = false;
	if (l->observe)
		l->observe(l->observer, p, NOPS);
}

void ledger_kernel(struct ledger *l, enum op op)
{
	l->op = op;
	l->op_started = true;
	l->row[l->phase][op].runs += l->repeat;
	note_sram(l);
}

/* sum += n * times; false if the result exceeds LEDGER_MAX. */
static bool add_one(uint64_t *sum, uint64_t n, uint64_t times)
{
	uint64_t more;

	return !__builtin_mul_overflow(n, times, &more) &&
	       !__builtin_add_overflow(*sum, more, sum) &&
	       *sum <= LEDGER_MAX;
}

static bool add(struct charge *sum, const struct charge *c, uint64_t times)
{
	bool fits = true;

	/* Skips zeros: most charges use few of the counters. */
#define WL_COUNTER(field, unit, help) \
	if (c->field)                 \
		fits &= add_one(&sum->field, c->field, times);
#include "device/counters.def"
	return fits;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void ledger_charge(struct ledger *l, const struct charge *c)
{
	struct overlap *o = &l->overlap;
	struct charge a = *c;

	if (l->tick && ++l->ticks % CHARGES_TO_TICK == 0)
		l->tick(l->tick_ctx, l);
	if (!ledger_listens(l))
		return;
	if (o->open) {
		uint64_t wire = a.comm_cycles - a.setup_cycles -
		                a.relay_cycles;

		o->compute += a.compute_cycles;
		o->setup = larger(a.setup_cycles, o->setup);
		o->relay += a.relay_cycles;
		o->wire = larger(wire, o->wire);
		o->hops = larger(a.path_hops, o->hops);
		o->stages = larger(a.stages, o->stages);
		a.compute_cycles = a.comm_cycles = 0;
		a.path_hops = a.stages = 0;
	}
	a.cycles = a.compute_cycles + a.comm_cycles;
	if (!add(&l->row[l->phase][l->op], &a, l->repeat))
		l->overflow = true;
}

void ledger_op(struct ledger *l, enum op op)
{
	const struct charge start = { .comm_cycles = cost_operator_start(l) };

	if (l->observe)
		l->observe(l->observer, l->phase, op);
	if (l->op_started && l->op == op)
		return;
	WL_ASSERT(!l->overlap.open);
	ledger_kernel(l, op);
	ledger_charge(l, &start);
}

void ledger_overlap_begin(struct ledger *l)
{
	WL_ASSERT(!l->overlap.open);
	l->overlap = (struct overlap){ .open = true };
}

void ledger_overlap_end(struct ledger *l)
{
	struct overlap o = l->overlap;
	struct charge c = { .compute_cycles = o.compute,
	                    .comm_cycles = o.setup + o.relay,
	                    .path_hops = o.hops,
	                    .stages = o.stages };

	WL_ASSERT(o.open);
	if (o.wire > o.compute)
		c.comm_cycles += o.wire - o.compute;
	l->overlap.open = false;
	ledger_charge(l, &c);
}

bool ledger_layer(struct ledger *l, int i, int n)
{
	l->layer = i + 1;
	l->layers = n;
	if (!l->repeats_layers)
		return true;
	l->repeat = i == 0 && !l->muted ? n : 0;
	return l->repeat > 0;
}

void ledger_layers_end(struct ledger *l)
{
	l->layer = l->layers = 0;
	l->repeat = l->muted ? 0 : 1;
}

void ledger_mute(struct ledger *l, bool muted)
{
	l->muted = muted;
	ledger_layers_end(l);
}

bool ledger_listens(const struct ledger *l)
{
	return l->repeat > 0;
}

void ledger_route(struct ledger *l, enum route_kind r)
{
	l->routes[l->phase][l->op] |= 1u << r;
}

void ledger_route_each(struct ledger *l, int axis, int n)
{
	uint32_t *paths = &l->source_paths[l->phase][l->op][axis];

	*paths = (uint32_t)n > *paths ? (uint32_t)n : *paths;
}

void ledger_alloc(struct ledger *l, enum sram what, uint64_t bytes)
{
	l->allocated[what] += bytes;
	note_sram(l);
}

void ledger_free(struct ledger *l, enum sram what, uint64_t bytes)
{
	WL_ASSERT(l->allocated[what] >= bytes);
	l->allocated[what] -= bytes;
}

void ledger_link(struct ledger *l, int axis, int first, int last,
                 uint64_t words)
{
	uint64_t *link = l->link[l->phase][axis];

	if (first >= last)
		return;
	WL_ASSERT(first >= 0 && last < l->link_max);
	link[first] += words * l->repeat;
	link[last] -= words * l->repeat;
}

void ledger_links(const struct ledger *l, enum phase p, int axis, int n,
                  uint64_t *words)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++) {
		sum += i < l->link_max ? l->link[p][axis][i] : 0;
		words[i] = sum;
	}
}

struct charge ledger_total(const struct ledger *l, enum phase p)
{
	struct charge sum = { 0 };

	for (int i = 0; i < NOPS; i++)
		add(&sum, &l->row[p][i], 1);
	return sum;
}

int ledger_paths(const struct ledger *l, enum phase p, enum op op)
{
	int first = op < NOPS ? (int)op : 0, last = op < NOPS ? op : NOPS - 1;
	uint32_t source_paths[2] = { 0, 0 };
	unsigned routes = 0;
	int paths = 0;

	for (int i = first; i <= last; i++) {
		routes |= l->routes[p][i];
		for (int a = 0; a < 2; a++)
			source_paths[a] = larger(source_paths[a],
			                         l->source_paths[p][i][a]);
	}
	for (int r = 0; r < NROUTES; r++)
		paths += routes & 1u << r ? route_paths[r] : 0;
	return paths + source_paths[0] + source_paths[1];
}
