/* Logits -> the next token, on the leader. Greedy choice for temperature 0;
 * otherwise temperature, then top-k, then top-p, in this order. */
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

/* A number in [0,1) that depends on seed and step alone: the step-th output
 * of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) started at seed, its top 53
 * bits over 2^53. */
double sampler_uniform(uint64_t seed, uint64_t step);

/* Index of the largest of n logits, ties to the lowest index. Here and below
 * NaN counts as minus infinity. */
int sampler_argmax(const float *logits, int n);

/* Chooses token number step (0 = the first new one) from logits[n], which it
 * leaves alone. Deterministic: candidates are ordered by (logit descending,
 * id ascending), sums run in that order in double. Not collective. */
int sampler_choose(struct sampler *s, const float *logits, int n,
                   uint64_t step);

void sampler_fini(struct sampler *s);

#endif
