#include "config.h"
#include "text/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/uniform.h"

struct candidate {
	float logit;
	int id;
	double weight; /* unnormalized probability; the best one has 1 */
};

double sampler_uniform(uint64_t seed, uint64_t step)
{
	/* SplitMix64 adds a constant to its state before each output, so the
	 * state at any step can be computed directly. */
	uint64_t z = uniform_mix(seed + (step + 1) *
	                         UINT64_C(0x9e3779b97f4a7c15));

	return (z >> 11) * 0x1p-53;
}

/* NaN has no order; it ranks as minus infinity, which is never chosen. */
static float ranked(float logit)
{
	return isnan(logit) ? -INFINITY : logit;
}

int sampler_argmax(const float *logits, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (ranked(logits[i]) > ranked(logits[best]))
			best = i;
	return best;
}

/* Logit descending, id ascending: a total order, so that the result does not
 * depend on how qsort treats ties. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* All n candidates, sorted; owned by s (s->scratch). */
static struct candidate *order(struct sampler *s, const float *logits, int n)
{
	struct candidate *c;

	if (s->capacity < n) {
		s->scratch = wl_realloc(s->scratch, n, sizeof *c);
		s->capacity = n;
	}
	c = s->scratch;
	for (int i = 0; i < n; i++)
		c[i] = (struct candidate){ ranked(logits[i]), i, 0 };
	qsort(c, n, sizeof *c, compare);
	return c;
}

/* Computes the weights of c[0..k) and their sum, *total. Returns the number of
 * nonzero weights, which come first since c is sorted. */
static int weigh(struct candidate *c, int k, double temperature, double *total)
{
	int used = 0;

	*total = 0;
	for (int i = 0; i < k; i++) {
		double gap = (double)c[i].logit - c[0].logit;

		/* Equal infinities would give a NaN gap. An infinite gap
		 * means weight 0 even at an infinite temperature. */
		if (c[i].logit == c[0].logit)
			c[i].weight = 1;
		else if (isinf(gap))
			c[i].weight = 0;
		else
			c[i].weight = exp(gap / temperature);
		*total += c[i].weight;
		used += c[i].weight > 0;
	}
	return used;
}

/* Length, at least 1, of the shortest prefix whose weights sum to limit or
 * more; k if none does. *sum is the sum of its weights. */
static int prefix(const struct candidate *c, int k, double limit, double *sum)
{
	int i = 0;

	*sum = c[0].weight;
	while (i + 1 < k && *sum < limit)
		*sum += c[++i].weight;
	return i + 1;
}

int sampler_choose(struct sampler *s, const float *logits, int n,
                   uint64_t step)
{
	struct candidate *c;
	double total, mark, sum;
	int k = n;

	WL_ASSERT(n > 0 && s->temperature >= 0);
	if (s->temperature == 0)
		return sampler_argmax(logits, n);
	c = order(s, logits, n);
	if (s->top_k > 0 && s->top_k < n)
		k = s->top_k;
	k = weigh(c, k, s->temperature, &total);
	if (s->top_p < 1)
		k = prefix(c, k, s->top_p * total, &total);
	/* Take the first candidate whose running sum exceeds the mark. */
	mark = sampler_uniform(s->seed, step) * total;
	sum = c[0].weight;
	for (int i = 0; i + 1 < k; i++) {
		if (mark < sum)
			return c[i].id;
		sum += c[i + 1].weight;
	}
	return c[k - 1].id;
}

void sampler_fini(struct sampler *s)
{
	free(s->scratch);
	s->scratch = NULL;
	s->capacity = 0;
}
