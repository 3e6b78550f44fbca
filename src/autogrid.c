#include "config.h"
#include "autogrid.h"

#include <string.h>

#include "account.h"
#include "fail.h"

/* Grids of each phase that go into whole requests. */
#define FINALISTS 3
/* The largest side that is tried. */
#define MOST_SIDE 4096
/* Steps of decode that stand for all. */
#define SAMPLES 9

enum { STOP_WAFER, STOP_MEMORY, STOP_SLOWER, NSTOPS };

static const char *const stop_names[NSTOPS] = {
	"need more regions than the wafer holds",
	"do not hold one layer",
	"are slower",
};

/* One grid for one phase. */
struct candidate {
	int side, regions;
	double seconds;
};

struct search {
	struct dry_request *request;
	struct auto_result *result;
	enum phase phase;
	struct candidate best[FINALISTS];
	int n_best;
	int regions[MOST_SIDE + 1]; /* of each side that fits; 0: it was not
	                               tried, or does not */
};

static void stop(struct search *s, int why)
{
	s->result->stopped[why].count++;
}

/* Whether some tile is smaller on side cores than on side - 1. */
static bool gets_smaller(const struct search *s, int side)
{
	const struct model *m = s->request->model;
	const int sizes[] = {
		m->dim, m->hidden_dim, m->vocab_size, model_kv_dim(m) / 2,
		s->request->prompt_tokens + (s->phase == PHASE_DECODE
		                             ? s->request->new_tokens : 0) };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes && side > 1; i++) {
		struct part now = part_of(sizes[i], side);
		struct part before = part_of(sizes[i], side - 1);

		if (part_max(&now) < part_max(&before))
			return true;
	}
	return side == 1;
}

/* The fewest regions, as far as the memory held now tells; 0: it stopped. */
static int regions_of(struct search *s, const struct wafer *w, int side)
{
	const struct device *d = s->request->device;
	const struct sram_peak *p = &w->ledger.peak[w->ledger.phase];
	int held = account_regions_held(d, side, side);
	int n = account_regions(p, w->model, account_room(d));

	if (n && n <= held)
		return n;
	stop(s, n ? STOP_WAFER : STOP_MEMORY);
	return 0;
}

/* Seconds of decode, from steps evenly spaced (trapezoidal rule). */
static double sample_decode(struct wafer *w, const struct dry_request *r)
{
	int steps = r->new_tokens - 1, n = steps < SAMPLES ? steps : SAMPLES;
	double sum = 0, weights = 0;

	for (int i = 0; i < n; i++) {
		double at = n > 1 ? (double)i / (n - 1) : 0;
		double weight = n > 2 && (i == 0 || i == n - 1) ? 0.5 : 1;
		uint64_t before = ledger_total(&w->ledger, PHASE_DECODE).cycles;

		w->cache.tokens = r->prompt_tokens + (int)(at * (steps - 1));
		decode_step(w, 0);
		sum += weight * (ledger_total(&w->ledger, PHASE_DECODE).cycles -
		                 before);
		weights += weight;
	}
	return sum / weights * steps / (1e6 * r->device->clock);
}

/* Runs the phase on w; regions, or 0 when it does not fit. */
static int try_phase(struct search *s, struct wafer *w, struct candidate *c)
{
	const struct dry_request *r = s->request;
	bool decode = s->phase == PHASE_DECODE;

	/* The weights alone say it for small grids, without running. */
	ledger_phase(&w->ledger, s->phase);
	ledger_op(&w->ledger, OP_EMBED);
	if (!decode && !regions_of(s, w, c->side))
		return 0;
	ledger_mute(&w->ledger, decode);
	prefill_run(w, NULL, r->prompt_tokens);
	if (decode) {
		transition_run(w, r->prompt_tokens + r->new_tokens);
		ledger_mute(&w->ledger, false);
		ledger_phase(&w->ledger, PHASE_DECODE);
		ledger_op(&w->ledger, OP_EMBED);
		c->seconds = sample_decode(w, r);
	} else {
		struct charge all = ledger_total(&w->ledger, PHASE_PREFILL);

		c->seconds = account_seconds(&w->ledger, &all);
	}
	return regions_of(s, w, c->side);
}

/* Keeps c among the best, in order; counts what falls out. */
static void keep(struct search *s, struct candidate c)
{
	int i = s->n_best;

	if (i == FINALISTS) {
		stop(s, STOP_SLOWER);
		if (c.seconds >= s->best[--i].seconds)
			return;
	} else
		s->n_best++;
	for (; i > 0 && s->best[i - 1].seconds > c.seconds; i--)
		s->best[i] = s->best[i - 1];
	s->best[i] = c;
}

static void try_sides(struct search *s)
{
	const struct device *d = s->request->device;
	int most = d->rows < d->cols ? d->rows : d->cols;

	most = most < MOST_SIDE ? most : MOST_SIDE;
	for (int side = 1; side <= most; side++) {
		struct dry_request r = *s->request;
		struct candidate c = { .side = side };
		struct wafer w;

		if (!gets_smaller(s, side))
			continue;
		s->result->tried++;
		r.prefill = r.decode = (struct rxc){ side, side };
		r.prefill_regions = r.decode_regions = 1;
		dry_request_start(&w, &r);
		c.regions = try_phase(s, &w, &c);
		wafer_fini(&w);
		s->regions[side] = c.regions;
		if (c.regions)
			keep(s, c);
	}
}

/* The fastest whole request so far that the device can do. */
struct contest {
	struct dry_request best;
	double least; /* seconds; below 0: none yet */
};

static void try_pair(struct contest *c, const struct search *prefill, int p,
                     const struct search *decode, int d)
{
	struct dry_request now = *prefill->request;
	struct account a;
	struct wafer w;

	now.prefill = (struct rxc){ p, p };
	now.prefill_regions = prefill->regions[p];
	now.decode = (struct rxc){ d, d };
	now.decode_regions = decode->regions[d];
	if (!now.prefill_regions || !now.decode_regions)
		return;
	dry_request_run(&w, &now);
	account_make(&a, &w, now.prompt_tokens, now.new_tokens);
	wafer_fini(&w);
	/* Both phases fit: what is left is the way between them. */
	if (a.n_violations > 0 && c->least >= 0)
		return;
	if (c->least < 0 || a.seconds < c->least) {
		c->least = a.seconds;
		c->best = now;
	}
}

/* Whole requests on the best grids of both phases, and on one grid for both,
 * which makes the way between them short; the fastest goes to r. */
static void try_pairs(struct dry_request *r, const struct search *prefill,
                      const struct search *decode)
{
	struct contest c = { .least = -1 };

	for (int i = 0; i < prefill->n_best; i++)
		for (int j = 0; j < decode->n_best; j++)
			try_pair(&c, prefill, prefill->best[i].side, decode,
			         decode->best[j].side);
	for (int i = 0; i < prefill->n_best; i++)
		try_pair(&c, prefill, prefill->best[i].side, decode,
		         prefill->best[i].side);
	for (int j = 0; j < decode->n_best; j++)
		try_pair(&c, prefill, decode->best[j].side, decode,
		         decode->best[j].side);
	*r = c.best;
}

int autogrid_choose(struct dry_request *r, struct auto_result *result,
                    struct wl_error *err)
{
	struct search prefill = { .request = r, .result = result,
	                          .phase = PHASE_PREFILL };
	struct search decode = { .request = r, .result = result,
	                         .phase = PHASE_DECODE };

	*result = (struct auto_result){ .n_stopped = NSTOPS };
	for (int i = 0; i < NSTOPS; i++)
		result->stopped[i].why = stop_names[i];
	try_sides(&prefill);
	if (r->new_tokens > 1)
		try_sides(&decode);
	else
		decode = prefill;
	if (!prefill.n_best || !decode.n_best)
		return wl_error_set(err, "option --grid auto: no grid on %s "
		                    "holds the model in %s", r->device->name,
		                    phase_name(prefill.n_best ? PHASE_DECODE
		                                              : PHASE_PREFILL));
	try_pairs(r, &prefill, &decode);
	return 0;
}
