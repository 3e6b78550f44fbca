/* Every move along rows and columns of cores, on random core grids over every
 * rank grid, against a slow serial computation on the whole line that each
 * rank does for itself. Sums must have the very bits of the stated order:
 * (own + higher side) + lower side, groups and roots of the tree. */
/* ranks: 1 4 6 9 16 */
/* full-ranks: 64 */
#include "config.h"
#include "line.h"
#include "slab.h"
#include "tiles.h"

#include <stdlib.h>

#include "fail.h"
#include "lab.h"

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static float *floats(size_t n)
{
	return wl_calloc(n, sizeof(float));
}

/* The lines across the axis that this rank holds. */
static struct range across(const struct grid *g, enum axis axis)
{
	return axis == AXIS_X ? g->y.mine : g->x.mine;
}

static enum axis throw_axis(struct lab *lab)
{
	return dice_throw(&lab->dice, 0, 1) ? AXIS_X : AXIS_Y;
}

static bool is_mine(const struct line *l, int core)
{
	return core >= l->mine.lo && core < l->mine.hi;
}

/* ---- the ring shift ---- */

/* The ring told as a list: 0 2 4 ... 5 3 1. */
static void list_ring(int n, int *ring)
{
	int k = 0;

	for (int p = 0; p < n; p += 2)
		ring[k++] = p;
	for (int p = n - 1 - n % 2; p > 0; p -= 2)
		ring[k++] = p;
}

/* Tiles of which the whole grid's places are known: block[q * n + p] is the
 * block that core p of line q holds. */
struct known {
	struct tiles t;
	int n, lines;
	int *ring, *block;
};

static float tile_word(const struct lab *lab, int q, int block, int i)
{
	return made_uniform(made_key(lab->key, q, block), i);
}

static float *known_tile(const struct known *k, int q, int p)
{
	return k->t.axis == AXIS_X ? tiles_at(&k->t, q, p)
	                           : tiles_at(&k->t, p, q);
}

static void known_init(struct lab *lab, struct known *k, struct grid *g)
{
	enum axis axis = throw_axis(lab);
	int n = grid_line(g, axis)->n, lines = grid_lines(g, axis);
	int unit = dice_throw(&lab->dice, 1, 2);
	struct part ring = { unit * dice_throw(&lab->dice, 0, 3 * n), unit, n };
	int across_all = dice_throw(&lab->dice, 0, 2 * lines);
	struct part fixed = part_of(across_all, lines);

	*k = (struct known){ .n = n, .lines = lines };
	k->ring = wl_malloc(n, sizeof *k->ring);
	k->block = wl_malloc((size_t)n * lines, sizeof *k->block);
	list_ring(n, k->ring);
	for (int i = 0; i < n * lines; i++)
		k->block[i] = i % n;
	tiles_init(&k->t, g, axis, ring, fixed);
	for (int q = across(g, axis).lo; q < across(g, axis).hi; q++)
		for (int p = 0; p < n; p++) {
			int words = part_size(&ring, p) * part_size(&fixed, q);

			for (int i = 0; i < words && is_mine(grid_line(g, axis),
			     p); i++)
				known_tile(k, q, p)[i] =
					tile_word(lab, q, p, i);
		}
}

static void known_fini(struct known *k)
{
	tiles_fini(&k->t);
	free(k->ring);
	free(k->block);
}

/* Whether all own tiles are the blocks that they should be. */
static void check_known(struct lab *lab, const struct known *k)
{
	const struct tiles *t = &k->t;
	struct range lines = across(t->grid, t->axis);
	struct range mine = grid_line(t->grid, t->axis)->mine;

	for (int q = lines.lo; q < lines.hi; q++)
		for (int p = mine.lo; p < mine.hi; p++) {
			int b = k->block[q * k->n + p];
			int ring = part_size(&t->ring, b);
			int fixed = part_size(&t->fixed, q), wrong = 0;
			int y = t->axis == AXIS_X ? q : p;
			int x = t->axis == AXIS_X ? p : q;

			CHECK(lab, tiles_block(t, q, p) == b);
			CHECK(lab, tiles_ring_extent(t, y, x) == ring);
			CHECK(lab, tiles_fixed_extent(t, y, x) == fixed);
			CHECK(lab, tiles_size(t, q, p) ==
			           (size_t)ring * fixed);
			for (int i = 0; i < ring * fixed; i++)
				wrong += tiles_at(t, y, x)[i] !=
				         tile_word(lab, q, b, i);
			CHECK(lab, wrong == 0);
		}
}

/* Moves the blocks of every line one step; returns what it should cost. */
static struct charge step_known(struct known *k, const signed char *steps)
{
	struct charge c = { .calls = 1 };

	for (int q = 0; q < k->lines; q++) {
		int step = steps ? steps[q] : 1, now[k->n];
		int *block = k->block + q * k->n;

		for (int i = 0; i < k->n; i++) {
			int p = k->ring[i];
			int to = k->ring[(i + step + k->n) % k->n];
			uint64_t hops = abs(to - p);
			uint64_t words = (uint64_t)part_size(&k->t.ring,
			        block[p]) * part_size(&k->t.fixed, q);

			now[to] = block[p];
			c.words += hops ? words : 0;
			c.word_hops += hops * words;
			c.path_hops = hops > c.path_hops ? hops : c.path_hops;
		}
		memcpy(block, now, sizeof now);
	}
	return c;
}

/* Patterns 0 and 1: all one way, the other; 2 and 3: every line its own. */
static void throw_steps(struct lab *lab, int pattern, int lines,
                        signed char *steps)
{
	for (int q = 0; q < lines; q++)
		steps[q] = pattern == 0 ? 1 : pattern == 1 ? -1
		           : dice_throw(&lab->dice, -1, 1);
}

static void try_shift(struct lab *lab, struct grid *g)
{
	struct known k;

	lab_next(lab);
	known_init(lab, &k, g);
	for (int i = 0; i < 5; i++) {
		signed char steps[k.lines], *given = i == 4 ? NULL : steps;
		struct tiles_shift s;

		throw_steps(lab, i, k.lines, steps);
		tiles_shift_start(&s, &k.t, given);
		/* Tiles may be read on their way. */
		check_known(lab, &k);
		tiles_shift_finish(&s);
		struct charge want = step_known(&k, given);
		struct charge got = lab_charged(lab);

		check_known(lab, &k);
		CHECK(lab, lab_same_charge(&got, &want));
	}
	known_fini(&k);
}

/* Core number i of the ring on line q gets block number i + shift. */
static void turn_known(struct known *k, const int *shift)
{
	for (int q = 0; q < k->lines; q++)
		for (int i = 0; i < k->n; i++)
			k->block[q * k->n + k->ring[i]] =
				k->ring[(i + shift[q]) % k->n];
}

static void try_skew(struct lab *lab, struct grid *g)
{
	struct known k;

	lab_next(lab);
	known_init(lab, &k, g);
	int rings[k.lines], skewed[k.lines], home[k.lines];

	list_ring(k.lines, rings);
	for (int i = 0; i < k.lines; i++) {
		skewed[rings[i]] = i;
		home[i] = 0;
	}
	/* From some odd position, to show that it is brought in from there. */
	signed char steps[k.lines];
	struct tiles_shift s;

	throw_steps(lab, 2, k.lines, steps);
	tiles_shift_start(&s, &k.t, steps);
	tiles_shift_finish(&s);
	lab_charged(lab);
	tiles_skew(&k.t);
	turn_known(&k, skewed);
	check_known(lab, &k);
	CHECK(lab, (int)lab_charged(lab).calls <= k.n / 2);
	tiles_skew(&k.t);
	CHECK(lab, lab_charged(lab).calls == 0);
	tiles_unskew(&k.t);
	CHECK(lab, (int)lab_charged(lab).calls <= k.n / 2);
	turn_known(&k, home);
	check_known(lab, &k);
	tiles_set_skewed(&k.t);
	for (int q = 0; q < k.lines; q++)
		for (int i = 0; i < k.n; i++)
			CHECK(lab, tiles_block(&k.t, q, k.ring[i]) ==
			           k.ring[(i + skewed[q]) % k.n]);
	known_fini(&k);
}

/* ---- sums ---- */

/* Word i of core p's vector on one line. Pairs for ARGMAX: few values, so
 * that there are ties, now and then no number, and ids in no order. */
static float line_word(const struct lab *lab, enum line_op op, int line, int p,
                       int i)
{
	uint64_t key = made_key(lab->key, line, p);
	int32_t id;
	float word;

	if (op != LINE_ARGMAX)
		return made_wild(key, i);
	if (i % 2 == 0)
		return made_mix(key + i) % 20 ? (float)(made_mix(key ^ i) % 3)
		                              : NAN;
	id = (int32_t)(made_mix(key ^ i) % 1000000);
	memcpy(&word, &id, sizeof word);
	return word;
}

static enum line_op throw_op(struct lab *lab)
{
	return (enum line_op)dice_throw(&lab->dice, LINE_ADD, LINE_ARGMAX);
}

/* acc = acc op x for one word, or one pair. */
static void combine_word(enum line_op op, float *acc, const float *x)
{
	int32_t a, b;

	if (op == LINE_ADD)
		*acc += *x;
	else if (op == LINE_MAX)
		*acc = fmaxf(*acc, *x);
	else {
		memcpy(&a, &acc[1], sizeof a);
		memcpy(&b, &x[1], sizeof b);
		/* A NaN counts as the largest of all. */
		float top = isnan(acc[0]) ? INFINITY : acc[0];
		float other = isnan(x[0]) ? INFINITY : x[0];

		if (other > top || (other == top && b < a))
			memcpy(acc, x, 2 * sizeof *x);
	}
}

/* Sums the words v[core[0..m)] to member number r: own, the higher side added
 * up from its far end, then the lower side likewise. v: pairs per core. */
static void sum_chain(enum line_op op, float v[][2], const int *core, int m,
                      int r)
{
	float high[2], low[2], *own = v[core[r]];

	memcpy(high, v[core[m - 1]], sizeof high);
	memcpy(low, v[core[0]], sizeof low);
	for (int i = m - 2; i > r; i--)
		combine_word(op, high, v[core[i]]);
	for (int i = 1; i < r; i++)
		combine_word(op, low, v[core[i]]);
	if (r < m - 1)
		combine_word(op, own, high);
	if (r > 0)
		combine_word(op, own, low);
}

/* The words of all cores of a line at place i (for ARGMAX an even one). */
static void line_words(const struct lab *lab, enum line_op op, int line, int i,
                       int n, float v[][2])
{
	for (int p = 0; p < n; p++) {
		v[p][0] = line_word(lab, op, line, p, i);
		v[p][1] = line_word(lab, op, line, p, i + 1);
	}
}

/* The parts of a line's move: every parallel line one part. */
struct cut {
	struct line *l;
	struct line_parts parts;
	int first, last, lines;
	size_t *words;
	int *root;
	size_t own;          /* words of this rank's lines */
};

static void cut_init(struct lab *lab, struct cut *c, struct grid *g,
                     enum line_op op)
{
	enum axis axis = throw_axis(lab);
	struct range mine = across(g, axis);

	*c = (struct cut){ .l = grid_line(g, axis),
	                   .lines = grid_lines(g, axis) };
	c->first = dice_throw(&lab->dice, 0, c->l->n - 1);
	c->last = dice_throw(&lab->dice, c->first, c->l->n - 1);
	c->words = wl_malloc(c->lines, sizeof *c->words);
	c->root = wl_malloc(c->lines, sizeof *c->root);
	for (int i = 0; i < c->lines; i++) {
		c->words[i] = dice_throw(&lab->dice, 0, 3) *
		              (op == LINE_ARGMAX ? 2 : 1);
		c->root[i] = dice_throw(&lab->dice, c->first, c->last);
		if (i >= mine.lo && i < mine.hi)
			c->own += c->words[i];
	}
	c->parts = (struct line_parts){ c->lines, mine, c->words, c->root };
}

static void cut_fini(struct cut *c)
{
	free(c->words);
	free(c->root);
}

static size_t cut_words_all(const struct cut *c)
{
	size_t words = 0;

	for (int i = 0; i < c->lines; i++)
		words += c->words[i];
	return words;
}

static bool same_bits(const float *a, const float *b, size_t n)
{
	return memcmp(a, b, n * sizeof *a) == 0;
}

/* Checks the own cores' vectors of one line after a reduction: sums on the
 * root, all else as before. at: the line's place in a vector. */
static void check_reduced(struct lab *lab, const struct cut *c,
                          enum line_op op, int line, size_t at,
                          const float *value, size_t stride)
{
	int base = line_base(c->l, c->first), size = op == LINE_ARGMAX ? 2 : 1;
	int core[c->l->n];
	float v[c->l->n][2];

	for (int p = c->first; p <= c->last; p++)
		core[p - c->first] = p;
	for (size_t i = 0; i < c->words[line]; i += size) {
		line_words(lab, op, line, i, c->l->n, v);
		sum_chain(op, v, core, c->last - c->first + 1,
		          c->root[line] - c->first);
		for (int p = base; p <= c->last && is_mine(c->l, p); p++)
			CHECK(lab, same_bits(v[p], value + (p - base) * stride +
			                     at + i, size));
	}
}

static struct charge reduce_cost(const struct cut *c)
{
	struct charge sum = { .calls = 1 };

	for (int i = 0; i < c->lines; i++)
		for (int p = c->first; p <= c->last; p++) {
			uint64_t way = c->words[i] ? abs(p - c->root[i]) : 0;

			/* A core passes the sum of its side one link on. */
			sum.words += p == c->root[i] ? 0 : c->words[i];
			sum.word_hops += p == c->root[i] ? 0 : c->words[i];
			if (way > sum.path_hops)
				sum.path_hops = way;
		}
	return sum;
}

static void try_reduce(struct lab *lab, struct grid *g)
{
	enum line_op op = throw_op(lab);
	struct cut c;

	lab_next(lab);
	cut_init(lab, &c, g, op);
	size_t stride = c.own + dice_throw(&lab->dice, 0, 2), at = 0;
	int base = line_base(c.l, c.first);
	float *value = floats(stride * range_size(c.l->mine));

	for (int q = c.parts.mine.lo; q < c.parts.mine.hi; q++) {
		for (int p = base; p <= c.last && is_mine(c.l, p); p++)
			for (size_t i = 0; i < c.words[q]; i++)
				value[(p - base) * stride + at + i] =
					line_word(lab, op, q, p, i);
		at += c.words[q];
	}
	line_reduce(c.l, c.first, c.last, &c.parts, op, value, stride);
	at = 0;
	for (int q = c.parts.mine.lo; q < c.parts.mine.hi; q++) {
		check_reduced(lab, &c, op, q, at, value, stride);
		at += c.words[q];
	}
	struct charge want = reduce_cost(&c), got = lab_charged(lab);

	CHECK(lab, lab_same_charge(&got, &want));
	free(value);
	cut_fini(&c);
}

static void try_multicast(struct lab *lab, struct grid *g)
{
	struct cut c;

	lab_next(lab);
	cut_init(lab, &c, g, LINE_ADD);
	int lo = larger(c.first, c.l->mine.lo);
	bool touches = lo <= c.last && is_mine(c.l, lo);
	float *data = floats(c.own), *to = data;

	for (int q = c.parts.mine.lo; q < c.parts.mine.hi; q++)
		for (size_t i = 0; i < c.words[q]; i++)
			*to++ = is_mine(c.l, c.root[q])
				? line_word(lab, LINE_ADD, q, 0, i) : -99;
	line_multicast(c.l, c.first, c.last, &c.parts, data);
	to = data;
	for (int q = c.parts.mine.lo; q < c.parts.mine.hi; q++)
		for (size_t i = 0; i < c.words[q]; i++)
			CHECK(lab, *to++ == (touches
			      ? line_word(lab, LINE_ADD, q, 0, i) : -99));
	uint64_t span = c.last - c.first, words = span ? cut_words_all(&c) : 0;
	struct charge want = { .calls = 1, .words = words,
	                       .word_hops = words * span,
	                       .path_hops = words ? span : 0 };
	struct charge got = lab_charged(lab);

	CHECK(lab, lab_same_charge(&got, &want));
	free(data);
	cut_fini(&c);
}

/* ---- the tree ---- */

/* The tree on the cores first.., m of them: groups, their roots, the top. */
enum { MOST_CORES = 128 };

struct tree {
	int first, m, groups;
	int start[MOST_CORES + 1], root[MOST_CORES];
	int top; /* number of the top's group */
};

static struct tree plan_tree(int first, int m)
{
	struct tree t = { .first = first, .m = m };

	t.groups = (int)lround(sqrt(m));
	for (int i = 0; i <= t.groups; i++)
		t.start[i] = first + i * m / t.groups;
	for (int i = 0; i < t.groups; i++)
		t.root[i] = t.start[i] + (t.start[i + 1] - t.start[i]) / 2;
	t.top = t.groups / 2;
	return t;
}

/* The tree's sum of one word (pair) of every core; v is used up. */
static const float *sum_tree(const struct tree *t, enum line_op op,
                             float v[][2])
{
	int core[MOST_CORES];

	for (int p = 0; p < MOST_CORES; p++)
		core[p] = p;
	for (int i = 0; i < t->groups; i++)
		sum_chain(op, v, core + t->start[i],
		          t->start[i + 1] - t->start[i],
		          t->root[i] - t->start[i]);
	sum_chain(op, v, t->root, t->groups, t->top);
	return v[t->root[t->top]];
}

static void add_tree_cost(struct charge *sum, const struct tree *t,
                          uint64_t words)
{
	int depth = 0, span = 0, top = t->root[t->top];
	uint64_t path = larger(top - t->first, t->first + t->m - 1 - top);

	for (int i = 0; i < t->groups && words; i++) {
		for (int p = t->start[i]; p < t->start[i + 1]; p++) {
			depth = larger(depth, abs(p - t->root[i]));
			sum->words += p == t->root[i] ? 0 : words;
			sum->word_hops += p == t->root[i] ? 0 : words;
		}
		span = larger(span, abs(top - t->root[i]));
		if (i == t->top)
			continue;
		/* On to the next root on the way to the top. */
		int next = i < t->top ? i + 1 : i - 1;

		sum->words += words;
		sum->word_hops += words * abs(t->root[next] - t->root[i]);
	}
	path += depth + span;
	if (t->m > 1 && words) {
		sum->words += words;
		sum->word_hops += words * (t->m - 1);
	}
	if (words && path > sum->path_hops)
		sum->path_hops = path;
}

/* Segments of a line that share end cores or leave gaps. */
enum { MOST_SEGMENTS = 8 };

struct allreduce {
	struct line *l;
	struct range mine;       /* own parallel lines */
	int lines, n;
	enum line_op op;
	struct line_segment segment[MOST_SEGMENTS];
	int words[MOST_SEGMENTS];  /* of one line's vector; a line across with
	                              an odd number has one word (pair) more */
};

static int vector_words(const struct allreduce *a, int s, int line)
{
	return a->words[s] + (a->op == LINE_ARGMAX ? 2 : 1) * (line % 2);
}

static void segment_init(struct lab *lab, struct allreduce *a, int s)
{
	struct line_segment *seg = &a->segment[s];
	int base = line_base(a->l, seg->first);
	size_t at = 0;

	a->words[s] = dice_throw(&lab->dice, 0, 2) *
	              (a->op == LINE_ARGMAX ? 2 : 1);
	for (int q = 0; q < a->lines; q++) {
		seg->words_all += vector_words(a, s, q);
		if (q >= a->mine.lo && q < a->mine.hi)
			seg->words += vector_words(a, s, q);
	}
	seg->stride = seg->words + dice_throw(&lab->dice, 0, 2);
	seg->value = floats(seg->stride * range_size(a->l->mine));
	seg->result = floats(seg->words);
	for (int q = a->mine.lo; q < a->mine.hi; q++) {
		int n = vector_words(a, s, q);

		for (int p = base; p <= seg->last && is_mine(a->l, p); p++)
			for (int i = 0; i < n; i++)
				seg->value[(p - base) * seg->stride + at + i] =
					line_word(lab, a->op, q * 8 + s, p, i);
		at += n;
	}
}

static void check_segment(struct lab *lab, const struct allreduce *a, int s)
{
	const struct line_segment *seg = &a->segment[s];
	struct tree t = plan_tree(seg->first, seg->last - seg->first + 1);
	int base = line_base(a->l, seg->first);
	int size = a->op == LINE_ARGMAX ? 2 : 1;
	const float *result = seg->result;
	float v[a->l->n][2];

	if (base > seg->last || !is_mine(a->l, base))
		return;
	for (int q = a->mine.lo; q < a->mine.hi; q++)
		for (int i = 0; i < vector_words(a, s, q); i += size) {
			line_words(lab, a->op, q * 8 + s, i, a->l->n, v);
			CHECK(lab, same_bits(sum_tree(&t, a->op, v), result,
			                     size));
			result += size;
		}
}

static void try_allreduce(struct lab *lab, struct grid *g)
{
	enum axis axis = throw_axis(lab);
	struct allreduce a = { .l = grid_line(g, axis),
	                       .mine = across(g, axis),
	                       .lines = grid_lines(g, axis),
	                       .op = throw_op(lab) };
	struct charge want = { .calls = 1 };
	int first = dice_throw(&lab->dice, 0, a.l->n / 2);

	lab_next(lab);
	while (first < a.l->n && a.n < MOST_SEGMENTS) {
		struct line_segment *s = &a.segment[a.n++];

		s->first = first;
		s->last = dice_throw(&lab->dice, first, a.l->n - 1);
		if (dice_throw(&lab->dice, 0, 2) && s->last > first + 4)
			s->last = first + 4;
		first = s->last + dice_throw(&lab->dice, 0, 3) / 2;
	}
	for (int i = 0; i < a.n; i++) {
		struct line_segment *s = &a.segment[i];
		struct tree t = plan_tree(s->first, s->last - s->first + 1);

		segment_init(lab, &a, i);
		add_tree_cost(&want, &t, s->words_all);
	}
	line_allreduce(a.l, a.n, a.segment, a.op);
	for (int i = 0; i < a.n; i++) {
		check_segment(lab, &a, i);
		free(a.segment[i].value);
		free(a.segment[i].result);
	}
	struct charge got = lab_charged(lab);

	CHECK(lab, lab_same_charge(&got, &want));
}

/* ---- relays ---- */

/* Word i of a message of rank `from` of the line; own: this rank's place on
 * the other axis. */
static float relay_word(const struct lab *lab, int from, int own, int i)
{
	return made_uniform(made_key(lab->key, from, own), i);
}

static int own_place(const struct grid *g, const struct line *l)
{
	return l == &g->x ? g->y.rank : g->x.rank;
}

static void try_pass_down(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	int words = dice_throw(&lab->dice, 1, 5), own = own_place(g, l);
	bool passes[l->nranks + 1]; /* rank i passes to i - 1 */
	float out[5], in[5] = { 0 };

	lab_next(lab);
	for (int i = 0; i <= l->nranks; i++)
		passes[i] = dice_throw(&lab->dice, 0, 1) && i > 0 &&
		            i < l->nranks;
	for (int i = 0; i < words; i++)
		out[i] = relay_word(lab, l->rank, own, i);
	line_pass_down(l, passes[l->rank] ? out : NULL,
	               passes[l->rank + 1] ? in : NULL, words);
	for (int i = 0; i < words; i++)
		CHECK(lab, in[i] == (passes[l->rank + 1]
		      ? relay_word(lab, l->rank + 1, own, i) : 0));
	CHECK(lab, lab_charged(lab).calls == 0);
}

static void try_gather(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	struct part p = part_of(dice_throw(&lab->dice, 0, 3 * l->n), l->n);
	struct range own = part_range(&p, l->mine);
	int place = own_place(g, l);
	bool takes_part = dice_throw(&lab->dice, 0, 3) != place % 4;
	float *mine = floats(range_size(own)), *all = floats(p.n);
	struct charge want = { .calls = 1 };

	lab_next(lab);
	for (int i = own.lo; i < own.hi; i++)
		mine[i - own.lo] = relay_word(lab, 0, place, i);
	line_gather(l, &p, takes_part ? mine : NULL, all);
	for (int i = 0; i < p.n; i++) {
		uint64_t hops = part_owner(&p, i);

		CHECK(lab, all[i] == (takes_part && l->rank == 0
		                      ? relay_word(lab, 0, place, i) : 0));
		want.words += hops > 0;
		want.word_hops += hops;
		if (hops > want.path_hops)
			want.path_hops = hops;
	}
	struct charge got = lab_charged(lab);

	CHECK(lab, lab_same_charge(&got, &want));
	free(all);
	free(mine);
}

static void try_route(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	/* At times more rows than travel together. */
	int most = dice_throw(&lab->dice, 0, 3) ? 12 : 600;
	int n = dice_throw(&lab->dice, 0, most), place = own_place(g, l);
	size_t words = (place + dice_throw(&lab->dice, 0, 2)) % 3;
	uint64_t all = 7;
	int from[600], to[600];
	float *rows = floats(n * words), *row[600];
	struct charge want = { .calls = 1 };

	lab_next(lab);
	for (int r = 0; r < n; r++) {
		from[r] = dice_throw(&lab->dice, 0, l->n - 1);
		to[r] = dice_throw(&lab->dice, 0, l->n - 1);
		row[r] = is_mine(l, from[r]) || is_mine(l, to[r])
		         ? rows + r * words : NULL;
		for (size_t i = 0; i < words && is_mine(l, from[r]); i++)
			rows[r * words + i] = relay_word(lab, r, place, i);
		uint64_t hops = larger(to[r], l->n - 1 - to[r]);

		want.words += hops ? all : 0;
		want.word_hops += hops * all;
		if (hops > want.path_hops)
			want.path_hops = hops;
	}
	line_route(l, n, from, to, row, words, all);
	for (int r = 0; r < n; r++)
		for (size_t i = 0; i < words && is_mine(l, to[r]); i++)
			CHECK(lab, rows[r * words + i] ==
			           relay_word(lab, r, place, i));
	struct charge got = lab_charged(lab);

	CHECK(lab, lab_same_charge(&got, &want));
	free(rows);
}

static float matrix_word(const struct lab *lab, int own, int k, int n)
{
	return made_uniform(made_key(lab->key, own, k), n);
}

/* Cuts a k x n matrix into boxes at random places along k or n. */
static void throw_boxes(struct lab *lab, int k, int n, int boxes,
                        struct box *box)
{
	bool by_k = dice_throw(&lab->dice, 0, 1);
	int lo = 0, end = by_k ? k : n;

	for (int i = 0; i < boxes; i++) {
		int hi = i == boxes - 1 ? end
		         : dice_throw(&lab->dice, lo, lo + (end - lo) / 2);

		box[i] = (struct box){ { 0, k }, { 0, n } };
		*(by_k ? &box[i].k : &box[i].n) = (struct range){ lo, hi };
		lo = hi;
	}
}

static size_t box_size(const struct box *b)
{
	return (size_t)range_size(b->k) * range_size(b->n);
}

static float *fill_box(const struct lab *lab, const struct box *b, int own)
{
	float *data = floats(box_size(b)), *to = data;

	for (int k = b->k.lo; k < b->k.hi; k++)
		for (int n = b->n.lo; n < b->n.hi; n++)
			*to++ = matrix_word(lab, own, k, n);
	return data;
}

static void check_box(struct lab *lab, const struct box *b, int own,
                      const float *data)
{
	float *want = fill_box(lab, b, own);

	CHECK(lab, same_bits(data, want, box_size(b)));
	free(want);
}

static void try_relay_boxes(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	int k = dice_throw(&lab->dice, 1, 20);
	int n = dice_throw(&lab->dice, 1, 20);
	int own = own_place(g, l);
	struct box from[l->nranks], to[l->nranks];

	lab_next(lab);
	throw_boxes(lab, k, n, l->nranks, from);
	throw_boxes(lab, k, n, l->nranks, to);
	float *data = line_relay_boxes(l, from, to,
	                               fill_box(lab, &from[l->rank], own));

	check_box(lab, &to[l->rank], own, data);
	CHECK(lab, lab_charged(lab).calls == 0);
	free(data);
}

static struct layout throw_layout(struct lab *lab, struct grid *g, int k,
                                  int n, int unit)
{
	bool turned = dice_throw(&lab->dice, 0, 1);

	return (struct layout){
		g, { k, unit, turned ? g->cols : g->rows },
		{ n, unit, turned ? g->rows : g->cols }, turned };
}

/* Element by element, over x and then over y. */
static struct charge relayout_cost(const struct layout *from,
                                   const struct layout *to)
{
	struct charge c = { .calls = 1 };
	int far_x = 0, far_y = 0;

	for (int k = 0; k < from->k.n; k++)
		for (int n = 0; n < from->n.n; n++) {
			int k0 = part_owner(&from->k, k);
			int n0 = part_owner(&from->n, n);
			int k1 = part_owner(&to->k, k);
			int n1 = part_owner(&to->n, n);
			int dx = abs((from->transposed ? k0 : n0) -
			             (to->transposed ? k1 : n1));
			int dy = abs((from->transposed ? n0 : k0) -
			             (to->transposed ? n1 : k1));

			c.words += dx + dy > 0;
			c.word_hops += dx + dy;
			far_x = larger(far_x, dx);
			far_y = larger(far_y, dy);
		}
	c.path_hops = far_x + far_y;
	return c;
}

static void try_relayout(struct lab *lab, struct grid *g)
{
	struct grid other;
	int unit = dice_throw(&lab->dice, 1, 2);
	int k = unit * dice_throw(&lab->dice, 1, 20);
	int n = unit * dice_throw(&lab->dice, 1, 20);

	lab_next(lab);
	grid_init(&other, g->y.nranks + dice_throw(&lab->dice, 0, 5),
	          g->x.nranks + dice_throw(&lab->dice, 0, 5), g->y.nranks,
	          g->x.nranks, g->y.rank, g->x.rank, lab->noc, &lab->ledger);
	struct layout from = throw_layout(lab, g, k, n, unit);
	struct layout to = throw_layout(lab, &other, k, n, unit);
	struct box old = layout_own_box(&from), new = layout_own_box(&to);
	float *data = relayout(&from, &to, fill_box(lab, &old, 0));

	check_box(lab, &new, 0, data);
	struct charge want = relayout_cost(&from, &to);
	struct charge got = lab_charged(lab);

	CHECK(lab, lab_same_charge(&got, &want));
	free(data);
	grid_fini(&other);
}

static void (*const moves[])(struct lab *lab, struct grid *g) = {
	try_shift, try_skew, try_reduce, try_multicast, try_allreduce,
	try_pass_down, try_gather, try_route, try_relay_boxes, try_relayout,
};

/* All moves on core grids of many sizes over one rank grid, the smallest and
 * the least square first. */
static void try_rank_grid(struct lab *lab, int rows, int cols, int grids)
{
	lab_open(lab, MPI_COMM_WORLD, rows, cols);
	for (int i = 0; i < grids; i++) {
		struct grid g;
		int more_rows = dice_throw(&lab->dice, 0, i < 9 ? i : 9);
		int more_cols = dice_throw(&lab->dice, 0, i < 9 ? i : 9);

		grid_init(&g, rows + more_rows, cols + more_cols, rows, cols,
		          lab->mesh.row, lab->mesh.col, lab->noc, &lab->ledger);
		for (size_t m = 0; m < sizeof moves / sizeof *moves; m++)
			moves[m](lab, &g);
		grid_fini(&g);
	}
	lab_close(lab);
}

int main(int argc, char **argv)
{
	struct lab lab = { .dice.key = 2 };
	int size;

	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (int rows = 1; rows <= size; rows++)
		if (size % rows == 0)
			try_rank_grid(&lab, rows, size / rows,
			              size > 16 ? 10 : 60);
	int failed = lab_verdict(&lab, "mpi_line");

	MPI_Finalize();
	return failed;
}
