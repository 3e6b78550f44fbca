#include "config.h"
#include "grid/gemv_matrix.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/huge.h"
#include "device/cost.h"
#include "simd/convert.h"
#include "simd/vec.h"

/* The columns of all matrices on one line of cores. */
static int line_width(const struct layout *layouts, int n, int line)
{
	int width = 0;

	for (int i = 0; i < n; i++)
		width += part_size(&layouts[i].n, line);
	return width;
}

/* Elements that the fullest core holds. */
static uint64_t core_elements(const struct slab *s)
{
	return (uint64_t)part_max(&s->k) * s->width_most;
}

/* Calls visit for the parts of these rows (as slab_copy has them) and columns
 * that lie in one panel of one core line: where the first row of it lies. */
struct piece {
	char *at;
	size_t pitch;        /* bytes to the next row */
	int rows, row;       /* the first one's index among those asked for */
	size_t column, bytes; /* the first one's index likewise; of a row */
};

static void each_piece(const struct slab *s, struct range k, size_t column,
                       size_t n, void (*visit)(void *ctx,
                                               const struct piece *p),
                       void *ctx)
{
	size_t size = wl_type_size(s->type);

	for (int row = k.lo; row < k.hi;) {
		int line = part_owner(&s->k, s->own.lo + row);
		struct range b = slab_rows(s, line);
		int end = b.hi < k.hi ? b.hi : k.hi;

		for (size_t j = column; j < column + n;) {
			size_t first = j - j % VEC_PANEL, next;
			size_t width = vec_panel_width(s->width, first);

			next = first + width < column + n ? first + width
			                                  : column + n;
			visit(ctx, &(struct piece){
				(char *)slab_block(s, line) +
				(first * range_size(b) + (row - b.lo) * width +
				 j - first) * size,
				width * size, end - row, row - k.lo,
				j - column, (next - j) * size });
			j = next;
		}
		row = end;
	}
}

/* The columns that make the last panel whole are 0. */
static void clear_piece(void *ctx, const struct piece *p)
{
	(void)ctx;
	for (int i = 0; i < p->rows; i++)
		memset(p->at + i * p->pitch, 0, p->bytes);
}

static void clear_margins(struct slab *s)
{
	struct range all = { 0, range_size(s->own) };

	each_piece(s, all, s->width, s->pitch - s->width, clear_piece, NULL);
}

void slab_init(struct slab *s, const struct layout *layouts, int n,
               enum wl_type type, enum sram sram)
{
	const struct layout *l = layouts;
	const struct ledger *account = l->grid->ledger;
	const struct box own = layout_own_box(l);

	*s = (struct slab){ .type = type, .grid = l->grid, .k = l->k,
	                    .axis = l->transposed ? AXIS_X : AXIS_Y,
	                    .sram = sram };
	for (int i = 0; i < n; i++) {
		s->width += range_size(layout_own_box(&layouts[i]).n);
		s->width_all += layouts[i].n.n;
	}
	s->width_most = line_width(layouts, n, 0);
	for (int i = 0; i < l->n.parts; i++)
		s->wire.all += cost_words(account, line_width(layouts, n, i));
	s->wire.most = cost_words(account, s->width_most);
	ledger_hold(l->grid->ledger, sram,
	            cost_bytes(account, core_elements(s)));
	if (l->grid->dry)
		return;
	s->own = own.k;
	s->pitch = vec_panel_pitch(s->width);
	s->data = large_malloc((size_t)range_size(own.k) * s->pitch,
	                       wl_type_size(type));
	clear_margins(s);
}

void slab_retire(struct slab *s)
{
	if (s->grid && !s->retired)
		ledger_release(s->grid->ledger, s->sram,
		               cost_bytes(s->grid->ledger, core_elements(s)));
	s->retired = true;
}

void slab_fini(struct slab *s)
{
	slab_retire(s);
	large_free(s->data);
	memset(s, 0, sizeof *s);
}

struct range slab_rows(const struct slab *s, int line)
{
	struct range r = part_range(&s->k, (struct range){ line, line + 1 });

	return (struct range){ r.lo - s->own.lo, r.hi - s->own.lo };
}

const void *slab_block(const struct slab *s, int line)
{
	return (char *)s->data + slab_rows(s, line).lo * s->pitch *
	       wl_type_size(s->type);
}

/* Rows that are copied to or from a slab. */
struct copy {
	char *rows;
	size_t pitch, size;
	bool out;
};

static void copy_piece(void *ctx, const struct piece *p)
{
	const struct copy *c = ctx;

	store_rows(p->at, p->pitch,
	           c->rows + p->row * c->pitch + p->column * c->size, c->pitch,
	           p->rows, p->bytes, c->out);
}

void slab_copy(const struct slab *s, struct range k, size_t column, size_t n,
               void *rows, size_t pitch, bool out)
{
	struct copy c = { rows, pitch, wl_type_size(s->type), out };

	each_piece(s, k, column, n, copy_piece, &c);
}

void slab_column(const struct slab *s, size_t column, float *to)
{
	size_t n = range_size(s->own), size = wl_type_size(s->type);
	char stored[n * size + 1];

	slab_copy(s, (struct range){ 0, n }, column, 1, stored, size, true);
	wl_to_f32(to, stored, s->type, n);
}

static void store_copy(const struct store *t, struct box what, void *block,
                       bool out)
{
	const struct slab *s = t->matrix;
	size_t n = range_size(what.n);

	slab_copy(s, (struct range){ what.k.lo - s->own.lo,
	                             what.k.hi - s->own.lo },
	          t->column + (what.n.lo - t->own.n.lo), n, block,
	          n * t->size, out);
}

struct store slab_store(struct slab *s, const struct layout *l, size_t column)
{
	return (struct store){ layout_own_box(l), wl_type_size(s->type),
	                       store_copy, s, column };
}
