/* Counter-based random numbers: each is a function of a key and an index, so
 * that any rank can compute any of them. Pure arithmetic, not collective. */
#ifndef WL_UNIFORM_H
#define WL_UNIFORM_H

#include <stdint.h>

/* The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable
 * Pseudorandom Number Generators, OOPSLA 2014), a bijection that turns a
 * counter into random numbers. */
static inline uint64_t uniform_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Number i of the key's sequence: uniform over (-limit, limit), one of 2^24
 * values symmetric about zero. */
static inline float uniform_at(uint64_t key, uint64_t i, float limit)
{
	int32_t u = uniform_mix(key + (i + 1) * 0x9e3779b97f4a7c15u) >> 40;

	return (2 * u + 1 - (1 << 24)) * (limit / (1 << 24));
}

#endif
