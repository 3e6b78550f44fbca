/* Cost of one phase of a request on a square core grid, for the search of
 * --grid auto. Each phase is tried separately, because all of its cost except a
 * few bytes depends on its own grid only. Not collective. */
#ifndef WL_TRIAL_H
#define WL_TRIAL_H

#include "dry_request.h"
#include "report/account.h"

/* What a device lacks to run a phase on a grid; bytes and paths 0: nothing. */
struct shortfall {
	uint64_t bytes;   /* of a core, with as many regions as possible */
	int paths;        /* router paths */
	int regions;      /* fewest in which the model fits; 0: in none */
	int regions_held; /* most for which the wafer has room */
};

/* One side length tried for a phase. */
struct trial {
	int side;
	bool exact;          /* false: cycles, peak and paths are lower bounds
	                        of a complete run of the phase */
	uint64_t cycles;     /* of the phase in one region */
	uint64_t unskew;     /* prefill: cycles of un-skewing the weights in the
	                        transition; decode: 0 */
	int paths;           /* router paths */
	/* Bytes of the fullest core when the phase begins, and its peak, if the
	 * other phase has the largest grid, which minimizes them. */
	uint64_t allocated[NSRAM];
	struct sram_peak peak;
	struct shortfall lack;
};

/* trial_prefill_min starts a trial of prefill with lower bounds; trial_prefill
 * replaces them by exact figures. largest: the longest side that the search
 * tries. */
void trial_prefill_min(struct trial *t, const struct dry_request *r,
                       int side, int largest);
void trial_prefill(struct trial *t, const struct dry_request *r, int largest);

/* The same for decode; the lower bounds are the figures of the last step. */
void trial_decode_min(struct trial *t, const struct dry_request *r,
                      int side, int largest);
void trial_decode(struct trial *t, const struct dry_request *r, int largest);

/* A prefill and a decode side together. */
struct trial_pair {
	struct dry_request request;   /* on these grids, fewest regions */
	uint64_t transition;          /* cycles */
	uint64_t hand_overs[NPHASES]; /* between regions, cycles by phase */
	struct shortfall lack[NPHASES];
};

/* A lower bound of the transition's cycles between two sides, without
 * unskew. */
uint64_t trial_relayout_min(const struct dry_request *r, int prefill,
                            int decode);

/* Tries the transition between two sides, and each phase's memory given the
 * other's grid. d: NULL if the request has no decode. If p has lower bounds, so
 * has the pair. */
void trial_pair(struct trial_pair *pair, const struct dry_request *r,
                const struct trial *p, const struct trial *d);

/* Whether nothing is lacking. */
bool shortfall_none(const struct shortfall *s);
/* Whether a lacks less than b: compares bytes, then paths. */
bool shortfall_less(const struct shortfall *a, const struct shortfall *b);

#endif
