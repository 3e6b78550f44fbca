#include "config.h"
#include "trial.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "mpi_kernels/moves/relayout.h"

/* --- Shortfall --- */

bool shortfall_none(const struct shortfall *s)
{
	return !s->bytes && !s->paths;
}

bool shortfall_less(const struct shortfall *a, const struct shortfall *b)
{
	return a->bytes != b->bytes ? a->bytes < b->bytes
	                            : a->paths < b->paths;
}

/* The most regions that the wafer's room and the model's layers allow. */
static int max_regions(const struct dry_request *r, int available)
{
	return available < r->model->n_layers ? available : r->model->n_layers;
}

static uint64_t bytes_over(const struct device *d, uint64_t bytes)
{
	double room = device_usable_sram(d);

	return bytes > room ? bytes - (uint64_t)room : 0;
}

static int paths_over(const struct device *d, int paths)
{
	return paths > d->routes ? paths - (int)floor(d->routes) : 0;
}

/* What the phase lacks on side x side cores, given its peak and paths. */
static struct shortfall lacks(const struct dry_request *r, int side,
                              const struct sram_peak *peak, int paths)
{
	const struct device *d = r->device;
	int available = account_regions_held(d, side, side);

	return (struct shortfall){
		.bytes = bytes_over(d, account_bytes(
			peak, r->model, max_regions(r, available))),
		.paths = paths_over(d, paths),
		.regions_held = available,
		.regions =
			account_regions(peak, r->model, device_usable_sram(d))
	};
}

/* --- Phases --- */

/* Makes the wafer of the request with square grids, one region each. */
static void start(struct inference *w, const struct dry_request *r, int prefill,
                  int decode)
{
	struct dry_request now = *r;

	now.prefill = (struct rxc){ prefill, prefill };
	now.decode = (struct rxc){ decode, decode };
	now.prefill_regions = now.decode_regions = 1;
	dry_request_start(w, &now);
}

/* Runs prefill muted, only for its effect on memory and the state of w. */
static void skip_prefill(struct inference *w, const struct dry_request *r)
{
	ledger_mute(&w->ledger, true);
	dry_request_prefill(w, r);
	ledger_mute(&w->ledger, false);
}

/* Starts the phase and records the memory allocated before it. */
static void enter(struct trial *t, struct inference *w, enum phase p)
{
	ledger_phase(&w->ledger, p);
	memcpy(t->allocated, w->ledger.allocated, sizeof t->allocated);
}

/* Records peak, paths and shortfall of the phase so far. */
static void leave(struct trial *t, const struct dry_request *r,
                  const struct inference *w, enum phase p)
{
	t->peak = w->ledger.peak[p];
	t->paths = ledger_paths(&w->ledger, p, NOPS);
	t->lack = lacks(r, t->side, &t->peak, t->paths);
}

static uint64_t cycles_of(const struct inference *w, enum phase p)
{
	return ledger_total(&w->ledger, p).cycles;
}

void trial_prefill_min(struct trial *t, const struct dry_request *r,
                       int side, int largest)
{
	struct inference w;

	*t = (struct trial){ .side = side };
	start(&w, r, side, largest);
	enter(t, &w, PHASE_PREFILL);
	ledger_op(&w.ledger, OP_EMBED);
	leave(t, r, &w, PHASE_PREFILL);
	t->cycles = prefill_min_cycles(&w, r->prompt_tokens);
	if (shortfall_none(&t->lack) && r->new_tokens > 1) {
		skip_prefill(&w, r);
		dry_request_transition(&w, r);
		t->unskew = w.ledger.row[PHASE_TRANSITION][OP_UNSKEW].cycles;
	}
	inference_fini(&w);
}

void trial_prefill(struct trial *t, const struct dry_request *r, int largest)
{
	struct inference w;

	start(&w, r, t->side, largest);
	enter(t, &w, PHASE_PREFILL);
	dry_request_prefill(&w, r);
	leave(t, r, &w, PHASE_PREFILL);
	WL_ASSERT(cycles_of(&w, PHASE_PREFILL) >= t->cycles);
	t->cycles = cycles_of(&w, PHASE_PREFILL);
	t->exact = true;
	inference_fini(&w);
}

/* Makes w and brings it, muted, to the start of decode. */
static void start_decode(struct trial *t, struct inference *w,
                         const struct dry_request *r, int largest)
{
	start(w, r, largest, t->side);
	ledger_mute(&w->ledger, true);
	dry_request_prefill(w, r);
	dry_request_transition(w, r);
	ledger_mute(&w->ledger, false);
	enter(t, w, PHASE_DECODE);
}

/* Cycles of the decode step of the token at position i. */
static uint64_t step_cycles(struct inference *w, const struct dry_request *r,
                            int i)
{
	uint64_t before = cycles_of(w, PHASE_DECODE);

	decode_seek(w, i);
	dry_request_step(w, r);
	return cycles_of(w, PHASE_DECODE) - before;
}

void trial_decode_min(struct trial *t, const struct dry_request *r,
                      int side, int largest)
{
	struct inference w;

	*t = (struct trial){ .side = side };
	start_decode(t, &w, r, largest);
	step_cycles(&w, r, r->prompt_tokens + r->new_tokens - 2);
	leave(t, r, &w, PHASE_DECODE);
	inference_fini(&w);
}

void trial_decode(struct trial *t, const struct dry_request *r, int largest)
{
	int first = r->prompt_tokens, end = first + r->new_tokens - 1;
	/* Cycles of a step in which no row, or some row, passes an entry up;
	 * they stay the same until the fullest row gets a token. */
	uint64_t step[2] = { 0, 0 };
	int max = 0; /* tokens of the fullest row */
	struct inference w;

	start_decode(t, &w, r, largest);
	for (int i = first; i < end; i++) {
		bool passes = kvcache_passing(&w.cache, i) > 0;
		int new_max = kvcache_max(&w.cache, i + 1);

		if (new_max != max)
			step[0] = step[1] = 0;
		max = new_max;
		if (!step[passes])
			step[passes] = step_cycles(&w, r, i);
		t->cycles += step[passes];
	}
	leave(t, r, &w, PHASE_DECODE);
	t->exact = true;
	inference_fini(&w);
}

/* The peak of t's phase if it began with the memory that is allocated now. */
static struct sram_peak peak_in_pair(const struct trial *t,
                                     const struct inference *w)
{
	struct sram_peak peak = t->peak;

	for (int i = 0; i < NSRAM; i++) {
		uint64_t more = w->ledger.allocated[i] - t->allocated[i];

		peak.allocated[i] += more;
		peak.total += more;
	}
	return peak;
}

/* --- Pairs --- */

uint64_t trial_relayout_min(const struct dry_request *r, int prefill,
                            int decode)
{
	const struct system *system = r->system;
	const struct model *m = r->model;
	struct grid from, to;
	struct ledger l;
	struct weights w = {
		.model = m, .type = r->type, .prefill = &from, .decode = &to,
		.gemm = system && system->gemm ? system->gemm : gemm_at(0) };
	uint64_t layer;

	ledger_init(&l, r->device, r->type, 1);
	grid_init(&from, prefill, prefill, 1, 1, 0, 0, NULL, &l);
	grid_init(&to, decode, decode, 1, 1, 0, 0, NULL, &l);
	struct heads before = weights_heads(&w, false);
	struct heads after = weights_heads(&w, true);
	const struct layout kv[] = {
		{ &from, partition_of(r->prompt_tokens, prefill), before.kv,
		  false },
		{ &to, partition_of(r->prompt_tokens, decode), after.kv, false }
	};

	layer = 2 * relayout_min_cycles(&kv[0], &kv[1]);
	for (int i = 0; i < W_COUNT; i++) {
		struct layout now = weights_layout(&w, i, false);
		struct layout then = weights_layout(&w, i, true);

		layer += relayout_min_cycles(&now, &then);
	}
	grid_fini(&to);
	grid_fini(&from);
	ledger_fini(&l);
	return m->n_layers * layer;
}

/* Finds the fewest regions of decode in which decode and the transition fit,
 * and the shortfall of the transition. decode: peak of decode with one
 * region. */
static void find_regions(struct trial_pair *pair, const struct inference *w,
                         const struct sram_peak *decode)
{
	struct dry_request *r = &pair->request;
	const struct ledger *l = &w->ledger;
	struct shortfall *lack = &pair->lack[PHASE_TRANSITION];
	const struct shortfall *alone = &pair->lack[PHASE_DECODE];
	uint64_t more = l->peak[PHASE_TRANSITION].total - decode->total;
	int max = max_regions(r, alone->regions_held);

	*lack = (struct shortfall){
		.regions_held = alone->regions_held,
		.paths = paths_over(l->device, ledger_paths(
			l, PHASE_TRANSITION, NOPS)) };
	for (int n = alone->regions; n && n <= r->model->n_layers; n++) {
		uint64_t over = bytes_over(l->device, more + account_bytes(
			decode, r->model, n));

		if (n <= max)
			lack->bytes = over;
		r->decode_regions = n;
		lack->regions = over ? 0 : n;
		if (!over)
			break;
	}
}

/* Cycles of a phase's hand-over to the next region. */
static uint64_t hand_over(struct inference *w, enum phase p,
                          void (*run)(struct inference *w))
{
	uint64_t before = cycles_of(w, p);

	ledger_phase(&w->ledger, p);
	run(w);
	return cycles_of(w, p) - before;
}

void trial_pair(struct trial_pair *pair, const struct dry_request *r,
                const struct trial *p, const struct trial *d)
{
	struct dry_request *now = &pair->request;
	int decode = d ? d->side : p->side;
	struct sram_peak peak;
	struct inference w;

	*pair = (struct trial_pair){ .request = *r };
	now->prefill = (struct rxc){ p->side, p->side };
	now->decode = (struct rxc){ decode, decode };
	now->prefill_regions = now->decode_regions = 1;
	dry_request_start(&w, now);
	peak = peak_in_pair(p, &w);
	pair->lack[PHASE_PREFILL] = lacks(r, p->side, &peak, p->paths);
	if (pair->lack[PHASE_PREFILL].regions)
		now->prefill_regions = pair->lack[PHASE_PREFILL].regions;
	skip_prefill(&w, r);
	w.prefill_regions = now->prefill_regions;
	pair->hand_overs[PHASE_PREFILL] = hand_over(&w, PHASE_PREFILL,
	                                            prefill_hand_over);
	if (d) {
		dry_request_transition(&w, r);
		pair->transition = cycles_of(&w, PHASE_TRANSITION);
		peak = peak_in_pair(d, &w);
		pair->lack[PHASE_DECODE] = lacks(r, d->side, &peak, d->paths);
		find_regions(pair, &w, &peak);
		w.decode_regions = now->decode_regions;
		pair->hand_overs[PHASE_DECODE] =
			(r->new_tokens - 1) * hand_over(&w, PHASE_DECODE,
			                                decode_hand_over);
	}
	inference_fini(&w);
}
