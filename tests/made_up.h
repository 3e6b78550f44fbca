/* Made-up numbers for tests, the same on every rank and in every run: a
 * stream (struct dice) for shapes and choices, and numbers that depend only on
 * a key and an index, so that any rank can compute those of another one. */
#ifndef WL_MADE_UP_H
#define WL_MADE_UP_H

#include <math.h>
#include <stdint.h>

/* The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t made_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* A key made of up to three numbers. */
static inline uint64_t made_key(uint64_t a, uint64_t b, uint64_t c)
{
	return made_mix(made_mix(made_mix(a) + b) + c);
}

/* Uniform over (-1, 1). */
static inline float made_uniform(uint64_t key, uint64_t i)
{
	int32_t u = (int32_t)(made_mix(key + i) >> 40);

	return (float)(2 * u + 1 - (1 << 24)) / (1 << 24);
}

/* Numbers of very different magnitudes: their sum depends on its order. */
static inline float made_wild(uint64_t key, uint64_t i)
{
	int power = (int)(made_mix(~key ^ i) % 12);

	return ldexpf(made_uniform(key, i), power);
}

struct dice {
	uint64_t key, thrown;
};

/* lo <= result <= hi. */
static inline int dice_throw(struct dice *d, int lo, int hi)
{
	uint64_t n = (uint64_t)(hi - lo) + 1;

	return lo + (int)(made_key(d->key, d->thrown++, 0) % n);
}

#endif
