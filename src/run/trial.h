/* What a square core grid costs one phase of a request, tried by itself: of
 * what a phase takes, all but a few bytes depends on its own grid alone. For
 * the search of --grid auto. Not collective. */
#ifndef WL_TRIAL_H
#define WL_TRIAL_H

#include "dry_request.h"
#include "report/account.h"

/* What a device lacks: bytes a core on as many regions as it has room for, and
 * router paths. The fewest regions that would do (0: no number of them), and
 * those that it holds. */
struct shortfall {
	uint64_t bytes;
	int paths;
	int regions, regions_held;
};

/* A side of a phase's grid. */
struct trial {
	int side;
	bool exact;          /* else bounds, which are never above what a whole
	                        run of the phase comes to */
	uint64_t cycles;     /* of the phase in one region */
	uint64_t unskew;     /* prefill: cycles of the transition that depend
	                        on its side alone; decode: 0 */
	int paths;           /* router paths */
	/* Bytes of the fullest core as the phase begins, and at its fullest
	 * moment, beside the largest grid of the other phase: then it is least.
	 */
	uint64_t allocated[NSRAM];
	struct sram_peak peak;
	struct shortfall lack;
};

/* Bounds of a side for prefill; then all of it. largest: the longest side of
 * either phase that is tried. */
void trial_prefill_min(struct trial *t, const struct dry_request *r,
                         int side, int largest);
void trial_prefill(struct trial *t, const struct dry_request *r, int largest);

/* The same for decode: the bound of its memory is that of the last step. */
void trial_decode_min(struct trial *t, const struct dry_request *r,
                        int side, int largest);
void trial_decode(struct trial *t, const struct dry_request *r, int largest);

/* Two sides together. */
struct trial_pair {
	struct dry_request request;   /* on them, with the fewest regions */
	uint64_t transition;          /* cycles */
	uint64_t hand_overs[NPHASES]; /* cycles, by phase */
	struct shortfall lack[NPHASES];
};

/* Cycles of the transition that come, at least, to a side's unskew. */
uint64_t trial_relayout_min(const struct dry_request *r, int prefill,
                              int decode);

/* Tries the transition between two sides, and what each phase takes beside the
 * other; d NULL: the request has no decode. Bounds where p is one. */
void trial_pair(struct trial_pair *pair, const struct dry_request *r,
                const struct trial *p, const struct trial *d);

bool shortfall_none(const struct shortfall *s);
/* Whether a is nearer to none than b: bytes first, then paths. */
bool shortfall_less(const struct shortfall *a, const struct shortfall *b);

#endif
