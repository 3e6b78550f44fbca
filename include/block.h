/* How a dimension is cut over a line of cores, and a core grid over ranks:
 * blocks whose sizes differ by at most one unit, larger blocks first. Pure
 * arithmetic. */
#ifndef WL_BLOCK_H
#define WL_BLOCK_H

/* n items in whole units of `unit` items, over `parts` blocks. Blocks may be
 * empty. n is a multiple of unit. */
struct part {
	int n;
	int unit;
	int parts;
};

/* A partition of n items one by one. */
static inline struct part part_of(int n, int parts)
{
	return (struct part){ n, 1, parts };
}

/* First item of block i; part_start(p, p->parts) is n. */
static inline int part_start(const struct part *p, int i)
{
	int units = p->n / p->unit, q = units / p->parts, r = units % p->parts;

	return (i * q + (i < r ? i : r)) * p->unit;
}

static inline int part_size(const struct part *p, int i)
{
	int units = p->n / p->unit, q = units / p->parts, r = units % p->parts;

	return (q + (i < r)) * p->unit;
}

/* The block that holds item (0 <= item < n). */
static inline int part_owner(const struct part *p, int item)
{
	int units = p->n / p->unit, q = units / p->parts, r = units % p->parts;
	int u = item / p->unit;

	return u < r * (q + 1) ? u / (q + 1) : r + (u - r * (q + 1)) / q;
}

/* Size of the largest block. */
static inline int part_max(const struct part *p)
{
	return part_size(p, 0);
}

/* A half-open range of items. */
struct range {
	int lo, hi;
};

static inline int range_size(struct range r)
{
	return r.hi > r.lo ? r.hi - r.lo : 0;
}

static inline struct range range_meet(struct range a, struct range b)
{
	return (struct range){ a.lo > b.lo ? a.lo : b.lo,
	                       a.hi < b.hi ? a.hi : b.hi };
}

/* Items of blocks [b.lo, b.hi). */
static inline struct range part_range(const struct part *p, struct range b)
{
	return (struct range){ part_start(p, b.lo), part_start(p, b.hi) };
}

#endif
