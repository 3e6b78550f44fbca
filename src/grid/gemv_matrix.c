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
		width += partition_size(&layouts[i].n, line);
	return width;
}

/* Elements that the fullest core holds. */
static uint64_t core_elements(const struct gemv_matrix *s)
{
	return (uint64_t)partition_max(&s->k) * s->width_max;
}

/* Calls visit for the parts of these rows (as gemv_matrix_copy has them) and columns
 * that lie in one panel of one core line: where the first row of it lies. */
struct piece {
	char *at;
	size_t pitch;        /* bytes to the next row */
	int rows, row;       /* the first one's index among those asked for */
	size_t column, bytes; /* the first one's index likewise; of a row */
};

static void each_piece(const struct gemv_matrix *s, struct range k,
                       size_t column, size_t n,
                       void (*visit)(void *ctx, const struct piece *p),
                       void *ctx)
{
	size_t size = wl_type_size(s->type);

	for (int row = k.lo; row < k.hi;) {
		int line = partition_owner(&s->k, s->own.lo + row);
		struct range b = gemv_matrix_rows(s, line);
		int end = b.hi < k.hi ? b.hi : k.hi;

		for (size_t j = column; j < column + n;) {
			size_t first = j - j % VEC_PANEL, next;
			size_t width = vec_panel_width(s->width, first);

			next = first + width < column + n ? first + width
			                                  : column + n;
			visit(ctx, &(struct piece){
				(char *)gemv_matrix_block(s, line) +
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

static void clear_margins(struct gemv_matrix *s)
{
	struct range all = { 0, range_size(s->own) };

	each_piece(s, all, s->width, s->pitch - s->width, clear_piece, NULL);
}

void gemv_matrix_init(struct gemv_matrix *s, const struct layout *layouts,
                      int n, enum wl_type type, enum sram sram)
{
	const struct layout *l = layouts;
	const struct ledger *account = l->grid->ledger;
	const struct box own = layout_own_box(l);

	*s = (struct gemv_matrix){ .type = type, .grid = l->grid, .k = l->k,
	                    .axis = l->transposed ? AXIS_X : AXIS_Y,
	                    .sram = sram };
	for (int i = 0; i < n; i++) {
		s->width += range_size(layout_own_box(&layouts[i]).n);
		s->width_all += layouts[i].n.n;
	}
	s->width_max = line_width(layouts, n, 0);
	for (int i = 0; i < l->n.parts; i++)
		s->wire.all += cost_words(account, line_width(layouts, n, i));
	s->wire.max = cost_words(account, s->width_max);
	ledger_alloc(l->grid->ledger, sram,
	            cost_bytes(account, core_elements(s)));
	if (l->grid->dry)
		return;
	s->own = own.k;
	s->pitch = vec_panel_pitch(s->width);
	s->data = huge_malloc((size_t)range_size(own.k) * s->pitch,
	                       wl_type_size(type));
	clear_margins(s);
}

void gemv_matrix_retire(struct gemv_matrix *s)
{
	if (s->grid && !s->retired)
		ledger_free(s->grid->ledger, s->sram,
		               cost_bytes(s->grid->ledger, core_elements(s)));
	s->retired = true;
}

void gemv_matrix_fini(struct gemv_matrix *s)
{
	gemv_matrix_retire(s);
	huge_free(s->data);
	memset(s, 0, sizeof *s);
}

struct range gemv_matrix_rows(const struct gemv_matrix *s, int line)
{
	struct range r =
		partition_range(&s->k, (struct range){ line, line + 1 });

	return (struct range){ r.lo - s->own.lo, r.hi - s->own.lo };
}

const void *gemv_matrix_block(const struct gemv_matrix *s, int line)
{
	return (char *)s->data + gemv_matrix_rows(s, line).lo * s->pitch *
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

	matrix_view_rows(p->at, p->pitch,
	           c->rows + p->row * c->pitch + p->column * c->size, c->pitch,
	           p->rows, p->bytes, c->out);
}

void gemv_matrix_copy(const struct gemv_matrix *s, struct range k,
                      size_t column, size_t n, void *rows, size_t pitch,
                      bool out)
{
	struct copy c = { rows, pitch, wl_type_size(s->type), out };

	each_piece(s, k, column, n, copy_piece, &c);
}

void gemv_matrix_column(const struct gemv_matrix *s, size_t column, float *to)
{
	size_t n = range_size(s->own), size = wl_type_size(s->type);
	char stored[n * size + 1];

	gemv_matrix_copy(s, (struct range){ 0, n }, column, 1, stored, size,
	                 true);
	wl_to_f32(to, stored, s->type, n);
}

static void store_copy(const struct matrix_view *t, struct box what,
                       void *block, bool out)
{
	const struct gemv_matrix *s = t->matrix;
	size_t n = range_size(what.n);

	gemv_matrix_copy(s, (struct range){ what.k.lo - s->own.lo,
	                             what.k.hi - s->own.lo },
	          t->column + (what.n.lo - t->own.n.lo), n, block,
	          n * t->size, out);
}

struct matrix_view gemv_matrix_view(struct gemv_matrix *s,
                                    const struct layout *l, size_t column)
{
	return (struct matrix_view){ layout_own_box(l), wl_type_size(s->type),
	                       store_copy, s, column };
}
