/* Chooses the next token from the logits, on the leader. At temperature 0 the
 * choice is greedy; otherwise temperature, top-k and top-p apply, in this
 * order. Not collective; nothing here fails. */
#ifndef WL_SAMPLER_H
#define WL_SAMPLER_H

#include <stdint.h>

struct sampler {
	double temperature; /* 0: greedy */
	int top_k;          /* 0: off */
	double top_p;       /* 1: off */
	uint64_t seed;
	/* scratch, [capacity] candidates; owned, see sampler_fini */
	void *scratch;
	int capacity;
};

/* A number in [0,1) that depends on seed and step alone: the top 53 bits, over
 * 2^53, of output number `step` of SplitMix64 started at seed (Steele, Lea,
 * Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). */
double sampler_uniform(uint64_t seed, uint64_t step);

/* Index of the largest of n logits; ties go to the lowest index. Here and below
 * NaN counts as minus infinity. */
int sampler_argmax(const float *logits, int n);

/* Chooses generated token number `step` (0: the first) from logits[n]. The
 * result is deterministic: candidates are sorted by (logit descending, id
 * ascending) and sums run in that order in double. */
int sampler_choose(struct sampler *s, const float *logits, int n,
                   uint64_t step);

void sampler_fini(struct sampler *s);

#endif
