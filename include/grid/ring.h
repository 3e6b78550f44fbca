/* Two rings through the n cores of a line. Arithmetic only.
 *
 * RING_INTERLEAVE is that of Algorithm 1 of WaferLLM (OSDI'25): no edge is
 * longer than two hops, 0 -> 2 -> 4 -> ... -> 5 -> 3 -> 1 -> 0. One core makes
 * a ring without edges, two cores one of one-hop edges.
 *
 * RING_NATURAL is that of Cannon's algorithm: 0 -> 1 -> 2 -> ... -> n-1 -> 0,
 * whose last edge goes back along the whole line. */
#ifndef WL_RING_H
#define WL_RING_H

enum ring_kind { RING_INTERLEAVE, RING_NATURAL };

/* The position of core p of n on the interleaved ring. */
static inline int ring_pos(int p, int n)
{
	return p % 2 == 0 ? p / 2 : n - (p + 1) / 2;
}

/* The core at ring position k of n, 0 <= k < n. */
static inline int ring_core(int k, int n)
{
	return k <= (n - 1) / 2 ? 2 * k : 2 * (n - k) - 1;
}

/* The core to which the tile of core p goes in one step: its successor on the
 * ring (step +1) or its predecessor (-1). */
static inline int ring_next(int p, int step, int n)
{
	return ring_core((ring_pos(p, n) + step + n) % n, n);
}

/* The same for either ring. */
static inline int ring_pos_of(enum ring_kind kind, int p, int n)
{
	return kind == RING_NATURAL ? p : ring_pos(p, n);
}

static inline int ring_core_of(enum ring_kind kind, int k, int n)
{
	return kind == RING_NATURAL ? k : ring_core(k, n);
}

static inline int ring_next_of(enum ring_kind kind, int p, int step, int n)
{
	return ring_core_of(kind, (ring_pos_of(kind, p, n) + step + n) % n, n);
}

#endif
