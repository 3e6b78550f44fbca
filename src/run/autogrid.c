#include "config.h"
#include "autogrid.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "host/host.h"
#include "host/progress.h"
#include "report/account.h"
#include "trial.h"

/* The largest side to try. */
#define LARGEST_SIDE 4096
/* Seconds between two progress lines. */
#define PATIENCE 1.5

/* Why a grid was ruled out; the names are keys in reports. */
enum { STOP_WAFER, STOP_MEMORY, STOP_ROUTES, STOP_SLOWER, NSTOPS };

static const char *const stop_names[NSTOPS] = {
	"need more regions than the wafer holds",
	"do not hold one layer",
	"need more router paths",
	"are slower",
};

/* The infeasible grids that lack least, for the error message. */
struct closest {
	bool any;
	enum phase phase;
	int prefill, decode; /* sides; equal if one phase alone is infeasible */
	struct shortfall lack;
};

struct search {
	const struct dry_request *request;
	struct auto_result *result;
	int largest;              /* side */
	struct trial *prefill, *decode; /* [n], feasible sides */
	int n_prefill, n_decode;
	int pairs;                /* tried */
	uint64_t min;             /* cycles of best; UINT64_MAX: none yet */
	struct dry_request best;
	struct closest nearest[NPHASES]; /* prefill, decode: of single sides;
	                                    transition: of pairs */
	bool quiet;
	struct progress progress;
};

/* --- Progress --- */

__attribute__((format(printf, 2, 3)))
static void say(struct search *s, const char *fmt, ...)
{
	double now = host_seconds();
	va_list ap;

	if (s->quiet || !progress_due(&s->progress, now))
		return;
	va_start(ap, fmt);
	fputs("waferllm: grids: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (s->min < UINT64_MAX)
		fprintf(stderr, ", best so far %dx%d and %dx%d",
		        s->best.prefill.rows, s->best.prefill.cols,
		        s->best.decode.rows, s->best.decode.cols);
	fprintf(stderr, ", %.0f s\n", now - s->progress.start);
	fflush(stderr);
}

/* --- Sides --- */

/* *n becomes other if that lacks less. */
static void keep_closest(struct closest *n, const struct closest *other)
{
	if (!n->any || shortfall_less(&other->lack, &n->lack))
		*n = *other;
}

/* Whether a side is feasible for the phase alone; counts it if it is not. */
static bool is_feasible(struct search *s, enum phase phase,
                        const struct trial *t)
{
	const struct shortfall *lack = &t->lack;
	const struct closest this = { true, phase, t->side, t->side, *lack };

	if (shortfall_none(lack))
		return true;
	keep_closest(&s->nearest[phase], &this);
	s->result->stopped[!lack->bytes ? STOP_ROUTES : lack->regions
	                   ? STOP_WAFER : STOP_MEMORY].count++;
	return false;
}

/* Orders sides by their cycles. */
static int compare(const void *a, const void *b)
{
	const struct trial *x = a, *y = b;
	uint64_t i = x->cycles + x->unskew, j = y->cycles + y->unskew;

	return i != j ? (i > j) - (i < j) : x->side - y->side;
}

/* Tries every side for prefill; returns the number of feasible ones, which it
 * sorts by their lower bounds. */
static int try_prefill(struct search *s)
{
	for (int side = 1; side <= s->largest; side++) {
		struct trial *t = &s->prefill[s->n_prefill];

		trial_prefill_min(t, s->request, side, s->largest);
		s->result->tried++;
		s->n_prefill += is_feasible(s, PHASE_PREFILL, t);
		say(s, "prefill, %d of %d sides", side, s->largest);
	}
	qsort(s->prefill, s->n_prefill, sizeof *s->prefill, compare);
	return s->n_prefill;
}

/* Tries every side for decode; returns the number of feasible ones, which it
 * sorts by their cycles. */
static int try_decode(struct search *s)
{
	for (int side = 1; side <= s->largest; side++) {
		struct trial *t = &s->decode[s->n_decode];

		trial_decode_min(t, s->request, side, s->largest);
		s->result->tried++;
		if (is_feasible(s, PHASE_DECODE, t)) {
			trial_decode(t, s->request, s->largest);
			s->n_decode += is_feasible(s, PHASE_DECODE, t);
		}
		say(s, "decode, %d of %d sides", side, s->largest);
	}
	qsort(s->decode, s->n_decode, sizeof *s->decode, compare);
	return s->n_decode;
}

/* --- Pairs --- */

/* Whether no phase of the pair lacks anything. */
static bool pair_is_feasible(struct search *s, const struct trial_pair *pair)
{
	const struct dry_request *r = &pair->request;

	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct closest this = { true, p, r->prefill.rows,
		                              r->decode.rows, pair->lack[p] };

		if (shortfall_none(&this.lack))
			continue;
		keep_closest(&s->nearest[PHASE_TRANSITION], &this);
		return false;
	}
	return true;
}

/* Whether the account of the whole request has no violation. */
static bool account_agrees(const struct dry_request *r, uint64_t cycles)
{
	uint64_t sum = 0;
	struct account a;
	struct inference w;

	dry_request_run(&w, r);
	account_make(&a, &w, r->prompt_tokens, r->new_tokens);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		sum += a.phase[p].total.cycles;
	WL_ASSERT(w.ledger.overflow || sum == cycles);
	(void)cycles;
	bool ok = !a.n_violations && !w.ledger.overflow;

	inference_fini(&w);
	return ok;
}

/* Whether a pair is better than the best so far: faster; or as fast, with a
 * smaller prefill grid, or the same and a smaller decode grid. */
static bool better(const struct search *s, uint64_t cycles,
                   const struct dry_request *r)
{
	int prefill = r->prefill.rows - s->best.prefill.rows;
	int decode = r->decode.rows - s->best.decode.rows;

	if (cycles != s->min)
		return cycles < s->min;
	return prefill < 0 || (prefill == 0 && decode < 0);
}

/* Replaces the bounds of a side for prefill by exact figures. */
static void run_prefill(struct search *s, struct trial *p)
{
	trial_prefill(p, s->request, s->largest);
	is_feasible(s, PHASE_PREFILL, p);
}

static uint64_t pair_cycles(const struct trial_pair *pair,
                            const struct trial *p, const struct trial *d)
{
	return p->cycles + (d ? d->cycles : 0) + pair->transition +
	       pair->hand_overs[PHASE_PREFILL] +
	       pair->hand_overs[PHASE_DECODE];
}

/* Tries a pair, and makes it the best if it is. Stops as soon as its bounds
 * show that it cannot be. */
static void try_pair(struct search *s, struct trial *p, const struct trial *d)
{
	struct trial_pair pair;
	uint64_t cycles;

	s->pairs++;
	trial_pair(&pair, s->request, p, d);
	cycles = pair_cycles(&pair, p, d);
	if (cycles > s->min || !pair_is_feasible(s, &pair))
		return;
	if (!p->exact) {
		run_prefill(s, p);
		trial_pair(&pair, s->request, p, d);
		cycles = pair_cycles(&pair, p, d);
	}
	if (!pair_is_feasible(s, &pair) || !better(s, cycles, &pair.request) ||
	    !account_agrees(&pair.request, cycles))
		return;
	s->min = cycles;
	s->best = pair.request;
}

/* Whether a pair may become the best, by the lower bounds of its phases. */
static bool may_win(const struct search *s, const struct trial *p,
                    const struct trial *d)
{
	return shortfall_none(&p->lack) &&
	       p->cycles + p->unskew + (d ? d->cycles : 0) <= s->min;
}

/* The same, with a lower bound of the transition between them. */
static bool pair_may_win(const struct search *s, const struct trial *p,
                         const struct trial *d)
{
	uint64_t between = trial_relayout_min(s->request, p->side, d->side);

	return p->cycles + p->unskew + between + d->cycles <= s->min;
}

/* The side of decode with the smallest bound of cycles together with p. Trying
 * a good pair early rules out many others. */
static const struct trial *most_promising(const struct search *s,
                                          const struct trial *p)
{
	const struct trial *best = NULL;
	uint64_t min = UINT64_MAX;

	for (int j = 0; j < s->n_decode && s->decode[j].cycles < min; j++) {
		const struct trial *d = &s->decode[j];
		uint64_t cycles = d->cycles + trial_relayout_min(
			s->request, p->side, d->side);

		if (cycles >= min)
			continue;
		min = cycles;
		best = d;
	}
	return best;
}

/* Tries p with each side of decode that may win, the most promising first. The
 * sides are sorted by cycles: the first that cannot win ends the loop. */
static void try_decode_with(struct search *s, struct trial *p)
{
	const struct trial *first;

	if (!may_win(s, p, s->decode))
		return;
	first = most_promising(s, p);
	try_pair(s, p, first);
	for (int j = 0; j < s->n_decode; j++) {
		const struct trial *d = &s->decode[j];

		if (!may_win(s, p, d))
			break;
		if (d != first && pair_may_win(s, p, d))
			try_pair(s, p, d);
		say(s, "%d pairs", s->pairs);
	}
}

/* Tries all pairs that may become the best. The sides of prefill are sorted by
 * their lower bounds: the first that cannot win ends the loop. */
static void try_pairs(struct search *s)
{
	for (int i = 0; i < s->n_prefill; i++) {
		struct trial *p = &s->prefill[i];

		if (!may_win(s, p, s->decode))
			break;
		/* No pair yet: find out first whether the side is feasible. */
		if (s->min == UINT64_MAX)
			run_prefill(s, p);
		try_decode_with(s, p);
	}
}

/* --- The result --- */

/* Orders sides by what they lack. */
static int compare_lacks(const void *a, const void *b)
{
	const struct trial *x = a, *y = b;

	if (shortfall_less(&x->lack, &y->lack))
		return -1;
	return shortfall_less(&y->lack, &x->lack) ? 1 : x->side - y->side;
}

/* Finds the side of prefill that lacks least, for the error message. Bounds of
 * all sides come first, so that only the closest need exact figures. */
static void find_nearest(struct search *s)
{
	struct closest *nearest = &s->nearest[PHASE_PREFILL];

	for (int i = 0; i < s->largest; i++)
		trial_prefill_min(&s->prefill[i], s->request, i + 1,
		                  s->largest);
	qsort(s->prefill, s->largest, sizeof *s->prefill, compare_lacks);
	nearest->any = false;
	for (int i = 0; i < s->largest; i++) {
		struct trial *t = &s->prefill[i];

		if (nearest->any && !shortfall_less(&t->lack, &nearest->lack))
			break;
		trial_prefill(t, s->request, s->largest);
		keep_closest(nearest, &(struct closest){ true, PHASE_PREFILL,
		                                      t->side, t->side,
		                                      t->lack });
		say(s, "none is feasible; looking for the closest");
	}
}

/* "lacks 12 bytes a core (it needs 3 regions, the wafer holds 2)" */
static const char *lack_text(const struct shortfall *lack, char *text,
                             size_t size)
{
	char bytes[100] = "", paths[60] = "";

	if (lack->bytes && lack->regions)
		snprintf(bytes, sizeof bytes, "%llu bytes a core (it needs %d "
		         "regions, the wafer holds %d)",
		         (unsigned long long)lack->bytes, lack->regions,
		         lack->regions_held);
	else if (lack->bytes)
		snprintf(bytes, sizeof bytes, "%llu bytes a core",
		         (unsigned long long)lack->bytes);
	if (lack->paths)
		snprintf(paths, sizeof paths, "%s%d router paths",
		         lack->bytes ? " and " : "", lack->paths);
	snprintf(text, size, "lacks %s%s", bytes, paths);
	return text;
}

static int refuse(const struct search *s, enum phase phase,
                  struct wl_error *err)
{
	const struct closest *n = &s->nearest[phase];
	const char *device = s->request->device->name;
	char text[200];

	lack_text(&n->lack, text, sizeof text);
	if (phase != PHASE_TRANSITION)
		return wl_error_set(err, "option --grid auto: no grid on %s "
		                    "holds the model in %s: the best, %dx%d, "
		                    "%s", device, phase_name(phase),
		                    n->prefill, n->prefill, text);
	return wl_error_set(err, "option --grid auto: no pair of grids on %s "
	                    "holds the model: the best, %dx%d and %dx%d, %s in "
	                    "%s", device, n->prefill, n->prefill, n->decode,
	                    n->decode, text, phase_name(n->phase));
}

/* 0, or -1 and err if there is no feasible pair. */
static int search(struct search *s, struct wl_error *err)
{
	bool prefill = try_prefill(s) > 0, alone = false;

	if (prefill && s->request->new_tokens > 1 && !try_decode(s))
		return refuse(s, PHASE_DECODE, err);
	if (prefill)
		try_pairs(s);
	if (s->min < UINT64_MAX)
		return 0;
	for (int i = 0; i < s->n_prefill; i++)
		alone |= shortfall_none(&s->prefill[i].lack);
	if (alone)
		return refuse(s, PHASE_TRANSITION, err);
	find_nearest(s);
	return refuse(s, PHASE_PREFILL, err);
}

int autogrid_choose(struct dry_request *r, struct auto_result *result,
                    bool quiet, struct wl_error *err)
{
	const struct device *d = r->device;
	double largest = fmin(fmin(d->rows, d->cols), LARGEST_SIDE);
	struct search s = { .request = r, .result = result, .quiet = quiet,
	                    .largest = (int)largest, .min = UINT64_MAX };
	int slower;

	*result = (struct auto_result){ .n_stopped = NSTOPS };
	for (int i = 0; i < NSTOPS; i++)
		result->stopped[i].why = stop_names[i];
	progress_start_each(&s.progress, PATIENCE);
	s.prefill = wl_malloc(s.largest, sizeof *s.prefill);
	if (r->new_tokens > 1)
		s.decode = wl_malloc(s.largest, sizeof *s.decode);
	int rc = search(&s, err);

	free(s.prefill);
	free(s.decode);
	if (rc)
		return rc;
	/* All feasible sides but those of the best pair are slower; without
	 * decode the best has one side. */
	slower = result->tried - (r->new_tokens > 1 ? 2 : 1);
	for (int i = 0; i < NSTOPS; i++)
		slower -= result->stopped[i].count;
	result->stopped[STOP_SLOWER].count = slower;
	*r = s.best;
	return 0;
}
