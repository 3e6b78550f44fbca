/* Random numbers that are a function of a key and an index alone, so that
 * every rank can have any of them. Pure arithmetic. */
#ifndef WL_UNIFORM_H
#define WL_UNIFORM_H

#include <stdint.h>

/* The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a
 * bijection whose outputs for a counter pass as random. */
static inline uint64_t uniform_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Number i of the key: uniform over (-limit, limit), on 2^24 values symmetric
 * about zero. */
static inline float uniform_at(uint64_t key, uint64_t i, float limit)
{
	int32_t u = uniform_mix(key + (i + 1) * 0x9e3779b97f4a7c15u) >> 40;

	return (2 * u + 1 - (1 << 24)) * (limit / (1 << 24));
}

#endif
