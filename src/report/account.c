#include "config.h"
#include "report/account.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* PLMR's P: the fraction of the grid's cores that a kernel must keep busy. */
#define BUSY_ENOUGH 0.5
/* PLMR's L: the latency allowed for one run of a kernel, in units of the
 * latency of one path across the grid. */
#define LATENCY_ALLOWED 4

double account_seconds(const struct ledger *l, const struct charge *c)
{
	return c->cycles / (1e6 * l->device->clock);
}

struct energy account_energy(const struct ledger *l, const struct charge *c)
{
	const struct device *d = l->device;
	double seconds = account_seconds(l, c);
	double mac = l->type == WL_F32 ? d->mac_f32_pj : d->mac_f16_pj;

	/* The sender reads the words of a message, the receiver writes them. */
	return (struct energy){
		.envelope = d->power * seconds,
		.mac = 1e-12 * mac * (c->macs + c->ops),
		.sram = 1e-12 * d->sram_pj * (c->sram_bytes + 8.0 * c->words),
		.link = 1e-12 * d->hop_pj * 4 * c->word_hops,
		.idle = d->static_share * d->power * seconds };
}

/* Mean work of the grid's cores / work of the busiest core; 0: no work. */
static double cores_busy(const struct charge *c, struct rxc grid)
{
	if (!c->busiest)
		return 0;
	return (double)(c->macs + c->ops) / c->busiest / grid.rows / grid.cols;
}

/* Memory of a phase as its pipeline regions share it, bytes of the fullest
 * core. Each region needs `common` bytes, and `layer` bytes (weights and KV
 * cache) for each of its layers. The first region has the embedding and the
 * last the head, `end` bytes each; a single region has both in `vocab` bytes,
 * which is `end` if they are tied, else twice that. */
struct region_memory {
	int layers; /* of the model */
	uint64_t layer, end, vocab, common;
};

static struct region_memory region_memory_of(const struct sram_peak *p,
                                             const struct model *m)
{
	uint64_t layered = p->allocated[SRAM_WEIGHTS] + p->allocated[SRAM_KV];
	uint64_t vocab = p->allocated[SRAM_VOCAB];

	return (struct region_memory){
		.layers = m->n_layers, .layer = layered / m->n_layers,
		.end = m->tied ? vocab : vocab / 2, .vocab = vocab,
		.common = p->total - layered - vocab };
}

/* Whether n regions with `bytes` bytes a core have room for the model. */
static bool fits(const struct region_memory *r, int n, uint64_t bytes)
{
	int n_ends = n > 1 ? 2 : 1, n_inner = n - n_ends;
	uint64_t at_end = r->common + (n > 1 ? r->end : r->vocab);
	uint64_t layer = r->layer ? r->layer : 1;

	if (bytes < at_end)
		return false;
	return n_ends * ((bytes - at_end) / layer) +
	       n_inner * ((bytes - r->common) / layer) >= (uint64_t)r->layers;
}

/* The fewest bytes a core with which n regions have room for the model. */
static uint64_t min_bytes(const struct region_memory *r, int n)
{
	uint64_t low = 0, high = r->common + r->vocab + r->layers * r->layer;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (fits(r, n, middle))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The fewest regions with room for the model, given the bytes of a core; 0: it
 * does not even fit with one layer in each. */
static int min_regions(const struct region_memory *r, double bytes)
{
	for (int n = 1; n <= r->layers; n++)
		if (bytes >= 0 && fits(r, n, (uint64_t)bytes))
			return n;
	return 0;
}

int account_regions(const struct sram_peak *p, const struct model *m,
                    double bytes)
{
	struct region_memory r = region_memory_of(p, m);

	return min_regions(&r, bytes);
}

uint64_t account_bytes(const struct sram_peak *p, const struct model *m,
                       int regions)
{
	struct region_memory r = region_memory_of(p, m);

	return min_bytes(&r, regions);
}

int account_regions_held(const struct device *d, int rows, int cols)
{
	double n = floor(d->rows / rows) * floor(d->cols / cols);

	return n < INT_MAX ? (int)n : INT_MAX;
}

static void find_regions(struct phase_account *p, const struct inference *w)
{
	const struct device *d = w->ledger.device;

	p->regions_held = account_regions_held(d, p->grid.rows, p->grid.cols);
	p->regions_needed = account_regions(&p->peak, w->model,
	                                    device_usable_sram(d));
	p->core_bytes = account_bytes(&p->peak, w->model, p->regions);
}

static void make_phase(struct account *a, enum phase which, int tokens,
                       struct rxc grid, int regions)
{
	struct phase_account *p = &a->phase[which];
	const struct ledger *l = &a->inference->ledger;

	*p = (struct phase_account){ .tokens = tokens, .grid = grid,
	                             .regions = regions,
	                             .total = ledger_total(l, which),
	                             .peak = l->peak[which],
	                             .paths = ledger_paths(l, which, NOPS) };
	p->seconds = account_seconds(l, &p->total);
	if (tokens > 0 && p->seconds > 0)
		p->tokens_per_s = tokens / p->seconds;
	p->energy = account_energy(l, &p->total);
	if (!grid.rows)
		return;
	p->cores_busy = cores_busy(&p->total, grid);
	find_regions(p, a->inference);
}

__attribute__((format(printf, 2, 3)))
static void violate(struct account *a, const char *fmt, ...)
{
	va_list ap;

	if (a->n_violations == ACCOUNT_VIOLATIONS)
		return;
	va_start(ap, fmt);
	vsnprintf(a->violation[a->n_violations++].text,
	          sizeof a->violation->text, fmt, ap);
	va_end(ap);
}

/* The kind of data with the most bytes. */
static enum sram largest(const struct sram_peak *p)
{
	enum sram max = 0;

	for (int i = 1; i < NSRAM; i++)
		if (p->allocated[i] > p->allocated[max])
			max = i;
	return max;
}

/* Row 0 has the largest blocks of a partition; but without rebalancing the new
 * tokens' KV entries all go to the last row. */
static int fullest_row(const struct account *a, enum phase p)
{
	const struct inference *w = a->inference;

	return p == PHASE_DECODE && w->kv_policy == KV_CONCAT
	       ? w->decode.rows - 1 : 0;
}

static void check_phase(struct account *a, enum phase which)
{
	const struct phase_account *p = &a->phase[which];
	const struct device *d = a->inference->ledger.device;
	const char *phase = phase_name(which);

	if (p->core_bytes > device_usable_sram(d))
		violate(a,
		        "M: %s, %s: core (%d,0) holds %llu bytes of %.0f, "
		        "most of it %s",
		        phase, op_name(p->peak.op), fullest_row(a, which),
		        (unsigned long long)p->core_bytes,
		        device_usable_sram(d), sram_name(largest(&p->peak)));
	if (!p->grid.rows)
		return;
	if (p->regions > p->regions_held)
		violate(a, "P: %s: %d regions of %dx%d cores, the wafer of "
		        "%.0fx%.0f holds %d", phase, p->regions, p->grid.rows,
		        p->grid.cols, d->rows, d->cols, p->regions_held);
	if (p->paths > d->routes)
		violate(a, "R: %s: core (0,0) needs %d router paths, the "
		        "device has %.0f", phase, p->paths, d->routes);
}

/* Reports each operator that alone needs more router paths than there are. */
static void check_routes(struct account *a, enum phase which)
{
	const struct ledger *l = &a->inference->ledger;

	for (int op = 0; op < NOPS; op++) {
		int paths = ledger_paths(l, which, op);

		if (paths > l->device->routes)
			violate(a, "R: %s, %s: core (0,0) needs %d router "
			        "paths, the device has %.0f",
			        phase_name(which), op_name(op), paths,
			        l->device->routes);
	}
}

/* Bytes of decode's largest exchange buffers (one message in, one out) if each
 * row of cores had the keys and values of `row` tokens. Only the scores, last
 * in the list, depend on it. */
static uint64_t exchange_bytes(const struct inference *w, const struct heads *h,
                               uint64_t row)
{
	uint64_t scores = cost_words(&w->ledger, h->group * row);
	uint64_t others = decode_max_words(w);

	return 8 * (scores > others ? scores : others);
}

/* Decode's memory if each row of cores had the keys and values of `row` tokens:
 * replaces the request's KV cache, scores and exchange buffers. */
static struct region_memory region_memory_with(const struct account *a,
                                               uint64_t row)
{
	const struct inference *w = a->inference;
	const struct ledger *l = &w->ledger;
	struct heads h = heads_of(w->model, w->decode.cols);
	struct sram_peak p = a->phase[PHASE_DECODE].peak;
	uint64_t score = cost_bytes(l, h.group * heads_max(&h));
	uint64_t scores = score * kvcache_max(&w->cache, w->cache.max_tokens);

	p.total -= p.allocated[SRAM_KV] + p.allocated[SRAM_BUFFERS] + scores;
	p.allocated[SRAM_KV] = 0;
	struct region_memory r = region_memory_of(&p, w->model);

	r.layer += row * cost_bytes(l, 2 * (uint64_t)partition_max(&h.kv));
	r.common += row * score + exchange_bytes(w, &h, row);
	return r;
}

/* The tokens for which a row of cores has room, with decode's regions or, if
 * these are too few, with the fewest that hold the model. */
static uint64_t longest_row(const struct account *a)
{
	double bytes = device_usable_sram(a->inference->ledger.device);
	struct region_memory r = region_memory_with(a, 1);
	int n = min_regions(&r, bytes);
	uint64_t low = 0, high = n ? (uint64_t)bytes + 1 : 1;

	if (n < a->phase[PHASE_DECODE].regions)
		n = a->phase[PHASE_DECODE].regions;
	/* low tokens fit, high tokens do not. */
	while (low + 1 < high) {
		uint64_t middle = low + (high - low) / 2;

		r = region_memory_with(a, middle);
		if (fits(&r, n, (uint64_t)bytes))
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Shifting fills all rows evenly; concatenation fills only the last row, after
 * its part of the prompt. */
static void find_longest(struct account *a)
{
	struct partition prompt =
		partition_of(a->prompt_tokens, a->inference->decode.rows);
	int64_t row = longest_row(a), rows = prompt.parts;

	a->longest_shift = row * rows - a->prompt_tokens;
	a->longest_concat = row - partition_size(&prompt, prompt.parts - 1);
	if (a->longest_shift < 0)
		a->longest_shift = 0;
	if (a->longest_concat < 0)
		a->longest_concat = 0;
}

/* Bytes of the fullest core that a phase saves by its regions. The transition
 * moves the weights to decode's regions, so it saves what decode saves. */
static uint64_t saved(const struct account *a, enum phase p)
{
	const struct phase_account *from =
		&a->phase[p == PHASE_TRANSITION ? PHASE_DECODE : p];

	return from->grid.rows ? from->peak.total - from->core_bytes : 0;
}

void account_make(struct account *a, const struct inference *w,
                  int prompt_tokens, int new_tokens)
{
	const struct rxc none = { 0, 0 };
	const struct rxc prefill = w->prefill.laid, decode = w->decode.laid;

	*a = (struct account){ .inference = w, .prompt_tokens = prompt_tokens,
	                       .new_tokens = new_tokens };
	make_phase(a, PHASE_LOAD, 0, none, 0);
	make_phase(a, PHASE_PREFILL, prompt_tokens, prefill,
	           w->prefill_regions);
	make_phase(a, PHASE_TRANSITION, 0, none, 0);
	make_phase(a, PHASE_DECODE, new_tokens - 1, decode,
	           w->decode_regions);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		a->seconds += a->phase[p].seconds;
	if (a->seconds > 0)
		a->tokens_per_s_request = new_tokens / a->seconds;
	a->phase[PHASE_TRANSITION].core_bytes =
		a->phase[PHASE_TRANSITION].peak.total -
		saved(a, PHASE_TRANSITION);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		check_phase(a, p);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		check_routes(a, p);
	if (new_tokens > 1 && !w->account_only)
		find_longest(a);
}

static struct verdict at_most(double figure, double limit)
{
	return (struct verdict){ true, figure <= limit, figure, limit };
}

bool account_plmr(const struct ledger *l, enum phase p, enum op op,
                  struct rxc grid, uint64_t bytes, struct verdict v[NPLMR])
{
	const struct device *d = l->device;
	const struct charge *c = &l->row[p][op];
	double sides = grid.rows + grid.cols;

	if (!c->cycles)
		return false;
	double busy = cores_busy(c, grid);

	v[PLMR_P] = (struct verdict){ c->busiest > 0, busy >= BUSY_ENOUGH,
	                              busy, BUSY_ENOUGH };
	v[PLMR_L] = at_most((c->path_hops * d->hop_cycles +
	                     c->stages * d->stage_cycles) / c->runs,
	                    LATENCY_ALLOWED * (sides * d->hop_cycles +
	                                       sqrt(sides) *
	                                       d->stage_cycles));
	v[PLMR_M] = at_most(bytes, device_usable_sram(d));
	v[PLMR_R] = at_most(ledger_paths(l, p, op), d->routes);
	return true;
}

/* Peak of an operator on the fullest core of one region, bytes. Early in the
 * transition a core may hold less than decode's regions save in the end: the
 * result is then limited to the transition's peak. */
static uint64_t operator_bytes(const struct account *a, enum phase p,
                               enum op op)
{
	uint64_t bytes = a->inference->ledger.sram[p][op], less = saved(a, p);
	uint64_t max = a->phase[p].core_bytes;

	if (bytes >= less)
		return bytes - less;
	return bytes < max ? bytes : max;
}

bool account_verdict(const struct account *a, enum phase p, enum op op,
                     struct verdict v[NPLMR])
{
	const struct grid *g = p == PHASE_DECODE ? &a->inference->decode
	                                         : &a->inference->prefill;

	return account_plmr(&a->inference->ledger, p, op,
	                    g->laid, operator_bytes(a, p, op), v);
}
