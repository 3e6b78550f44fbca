#include "config.h"
#include "slab.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

static struct box box_of(const struct layout *l, struct range ys,
                         struct range xs)
{
	return (struct box){ part_range(&l->k, l->transposed ? xs : ys),
	                     part_range(&l->n, l->transposed ? ys : xs) };
}

struct box layout_box(const struct layout *l, int row, int col)
{
	return box_of(l, line_cores(&l->grid->y, row),
	              line_cores(&l->grid->x, col));
}

struct box layout_own_box(const struct layout *l)
{
	return box_of(l, l->grid->y.mine, l->grid->x.mine);
}

void slab_init(struct slab *s, const struct layout *layouts, int n)
{
	const struct layout *l = layouts;
	struct box own = layout_own_box(l);

	*s = (struct slab){ .type = WL_F32, .grid = l->grid, .k = l->k,
	                    .axis = l->transposed ? AXIS_X : AXIS_Y };
	for (int i = 0; i < n; i++) {
		s->width += range_size(layout_own_box(&layouts[i]).n);
		s->width_all += layouts[i].n.n;
	}
	if (!l->grid->dry)
		s->data = wl_calloc(range_size(own.k) * s->width,
		                    sizeof *s->data);
}

void slab_fini(struct slab *s)
{
	free(s->data);
	memset(s, 0, sizeof *s);
}

size_t slab_put(struct slab *s, const struct layout *from, const float *data,
                size_t at)
{
	struct box own = layout_own_box(from);
	size_t width = range_size(own.n);

	for (int k = 0; s->data && k < range_size(own.k); k++)
		memcpy(s->data + k * s->width + at, data + k * width,
		       width * sizeof *data);
	return at + width;
}

/* Sum over items i of |core of i in a - core of i in b|, and how many items
 * stay where they are. */
static uint64_t drift(const struct line *l, const struct part *a,
                      const struct part *b, uint64_t *stay, uint64_t *far)
{
	uint64_t sum = 0;

	*stay = *far = 0;
	for (int i = 0; i < a->n; i++) {
		uint64_t hops = line_hops(l, part_owner(a, i),
		                          part_owner(b, i));

		sum += hops;
		*stay += hops == 0;
		*far = hops > *far ? hops : *far;
	}
	return sum;
}

/* k stays on its axis and n on the other. */
static struct charge straight_charge(const struct layout *from,
                                     const struct layout *to)
{
	struct grid *g = from->grid;
	struct line *kl = from->transposed ? &g->x : &g->y;
	struct line *nl = from->transposed ? &g->y : &g->x;
	uint64_t k_stay, n_stay, k_far, n_far;
	uint64_t k_hops = drift(kl, &from->k, &to->k, &k_stay, &k_far);
	uint64_t n_hops = drift(nl, &from->n, &to->n, &n_stay, &n_far);
	uint64_t k = from->k.n, n = from->n.n;

	return (struct charge){ .calls = 1, .words = k * n - k_stay * n_stay,
	                        .word_hops = k_hops * n + n_hops * k,
	                        .path_hops = k_far + n_far };
}

/* Sum over all i of a and j of b of the hops between their cores. */
static uint64_t cross_hops(const struct line *l, const struct part *a,
                           const struct part *b, uint64_t *far)
{
	uint64_t sum = 0;

	*far = 0;
	for (int i = 0; i < a->parts; i++)
		for (int j = 0; j < b->parts; j++) {
			uint64_t pairs = (uint64_t)part_size(a, i) *
			                 part_size(b, j);
			uint64_t hops = line_hops(l, i, j);

			sum += pairs * hops;
			if (pairs && hops > *far)
				*far = hops;
		}
	return sum;
}

/* Number of items i with core y of one partition and core x of the other. */
static uint64_t both(const struct part *p, int a, const struct part *q, int b)
{
	struct range r = range_meet(part_range(p, (struct range){ a, a + 1 }),
	                            part_range(q, (struct range){ b, b + 1 }));

	return range_size(r);
}

/* k and n change axes: element (k, n) goes from core (y(k), x(n)) of one
 * layout to core (y(n), x(k)) of the other (or the reverse). */
static struct charge turned_charge(const struct layout *from,
                                   const struct layout *to)
{
	struct grid *g = from->grid;
	const struct part *on_y = from->transposed ? &from->n : &from->k;
	const struct part *on_x = from->transposed ? &from->k : &from->n;
	const struct part *to_y = from->transposed ? &to->k : &to->n;
	const struct part *to_x = from->transposed ? &to->n : &to->k;
	uint64_t x_far, y_far, stay = 0;
	struct charge c = { .calls = 1 };

	c.word_hops = cross_hops(&g->x, on_x, to_x, &x_far) +
	              cross_hops(&g->y, on_y, to_y, &y_far);
	c.path_hops = x_far + y_far;
	/* on_y and to_x cut the same dimension, on_x and to_y the other. */
	for (int y = 0; y < on_y->parts && y < to_y->parts; y++)
		for (int x = 0; x < on_x->parts && x < to_x->parts; x++)
			stay += both(on_y, y, to_x, x) * both(on_x, x, to_y, y);
	c.words = (uint64_t)from->k.n * from->n.n - stay;
	return c;
}

/* What rank column `col` of the row's ranks holds between the two moves: all
 * that the row had of what belongs in that column. */
static struct box middle_box(const struct layout *from,
                             const struct layout *to, int row, int col)
{
	const struct range all = { 0, 1 << 30 };
	struct box had = layout_box(from, row, 0),
		   goes = layout_box(to, 0, col);

	if (from->transposed)
		had.k = all;
	else
		had.n = all;
	if (to->transposed)
		goes.n = (struct range){ 0, to->n.n };
	else
		goes.k = (struct range){ 0, to->k.n };
	return (struct box){ range_meet(had.k, goes.k),
	                     range_meet(had.n, goes.n) };
}

float *relayout(const struct layout *from, const struct layout *to,
                float *data)
{
	struct grid *g = from->grid;
	struct charge c = from->transposed == to->transposed
		? straight_charge(from, to) : turned_charge(from, to);
	int rows = g->y.nranks, cols = g->x.nranks;
	struct box a[rows + cols], b[rows + cols];

	ledger_charge(g->ledger, &c);
	if (g->dry)
		return NULL;
	for (int j = 0; j < cols; j++) {
		a[j] = layout_box(from, g->y.rank, j);
		b[j] = middle_box(from, to, g->y.rank, j);
	}
	data = line_relay_boxes(&g->x, a, b, data);
	for (int i = 0; i < rows; i++) {
		a[i] = middle_box(from, to, i, g->x.rank);
		b[i] = layout_box(to, i, g->x.rank);
	}
	return line_relay_boxes(&g->y, a, b, data);
}
