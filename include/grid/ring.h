/* The INTERLEAVE ring of WaferLLM's Algorithm 1 (OSDI'25): the n cores of a
 * line, joined into one ring of which no edge is longer than two hops:
 * 0 -> 2 -> 4 -> ... -> 5 -> 3 -> 1 -> 0. Pure arithmetic; 1 and 2 cores are
 * rings too (of no edge and of one-hop edges). And Cannon's: 0 -> 1 -> 2 ->
 * ... -> n-1 -> 0, whose last edge leads all the way home. */
#ifndef WL_RING_H
#define WL_RING_H

enum ring_kind { RING_INTERLEAVE, RING_NATURAL };

/* Ring position of core p of n. */
static inline int ring_pos(int p, int n)
{
	return p % 2 == 0 ? p / 2 : n - (p + 1) / 2;
}

/* The core at ring position k of n, 0 <= k < n. */
static inline int ring_core(int k, int n)
{
	return k <= (n - 1) / 2 ? 2 * k : 2 * (n - k) - 1;
}

/* The core that p's tile goes to in one step; step is +1 (towards the ring
 * successor) or -1. */
static inline int ring_next(int p, int step, int n)
{
	return ring_core((ring_pos(p, n) + step + n) % n, n);
}

/* The same of either kind. */
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
