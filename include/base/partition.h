/* Partitions of a dimension over a line of cores, and of a core grid over
 * ranks: blocks whose sizes differ by at most one unit, larger blocks first or,
 * on request, interleaved evenly. Pure arithmetic, not collective. */
#ifndef WL_PARTITION_H
#define WL_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

/* n items, in units of `unit` items, over `parts` blocks; n is a multiple of
 * unit. Blocks may be empty. */
struct partition {
	int n;
	int unit;
	int parts;
	bool dispersed; /* larger blocks are interleaved evenly with the
	                others, so that s consecutive blocks of a partition into
	                s * p blocks make up one block of a partition into p.
	                Block 0 is still a largest one. */
};

/* A partition of n items in units of one, larger blocks first. */
static inline struct partition partition_of(int n, int parts)
{
	return (struct partition){ n, 1, parts, false };
}

/* First item of block i; partition_start(p, p->parts) is n. */
static inline int partition_start(const struct partition *p, int i)
{
	int units = p->n / p->unit, q = units / p->parts, r = units % p->parts;

	if (p->dispersed)
		return (int)(((int64_t)i * units + p->parts - 1) / p->parts) *
		       p->unit;
	return (i * q + (i < r ? i : r)) * p->unit;
}

static inline int partition_size(const struct partition *p, int i)
{
	int units = p->n / p->unit, q = units / p->parts, r = units % p->parts;

	if (p->dispersed)
		return partition_start(p, i + 1) - partition_start(p, i);
	return (q + (i < r)) * p->unit;
}

/* The block that contains item (0 <= item < n). */
static inline int partition_owner(const struct partition *p, int item)
{
	int units = p->n / p->unit, q = units / p->parts, r = units % p->parts;
	int u = item / p->unit;

	if (p->dispersed)
		return (int)((int64_t)u * p->parts / units);
	return u < r * (q + 1) ? u / (q + 1) : r + (u - r * (q + 1)) / q;
}

/* Size of the largest block. */
static inline int partition_max(const struct partition *p)
{
	return partition_size(p, 0);
}

/* Number of blocks that are one unit larger than the others; 0: all are
 * equal. */
static inline int partition_larger(const struct partition *p)
{
	return p->n / p->unit % p->parts;
}

/* A grid of rows x cols; rows == 0: none. */
struct rxc {
	int rows, cols;
};

/* The items [lo, hi). */
struct range {
	int lo, hi;
};

static inline int range_size(struct range r)
{
	return r.hi > r.lo ? r.hi - r.lo : 0;
}

static inline struct range range_intersect(struct range a, struct range b)
{
	return (struct range){ a.lo > b.lo ? a.lo : b.lo,
	                       a.hi < b.hi ? a.hi : b.hi };
}

/* A rectangle of a matrix: rows k, columns n. */
struct box {
	struct range k, n;
};

static inline struct box box_intersect(struct box a, struct box b)
{
	return (struct box){ range_intersect(a.k, b.k),
		             range_intersect(a.n, b.n) };
}

static inline uint64_t box_elements(struct box b)
{
	return (uint64_t)range_size(b.k) * range_size(b.n);
}

/* The items of blocks [b.lo, b.hi). */
static inline struct range partition_range(const struct partition *p,
                                           struct range b)
{
	return (struct range){ partition_start(p, b.lo),
		               partition_start(p, b.hi) };
}

#endif
