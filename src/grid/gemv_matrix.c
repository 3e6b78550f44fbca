#include "config.h"
#include "grid/gemv_matrix.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/huge.h"
#include "device/cost.h"
#include "simd/convert.h"
#include "simd/vec.h"

/* Columns of all matrices on one line of cores. */
static int line_width(const struct layout *layouts, int n, int line)
{
	int width = 0;

	for (int i = 0; i < n; i++)
		width += partition_size(&layouts[i].n, line);
	return width;
}

/* Elements in the SRAM of the core that has most. */
static uint64_t core_elements(const struct gemv_matrix *m)
{
	return (uint64_t)partition_max(&m->k) * m->width_max;
}

/* The part of some rows and columns that is in one panel of one core line. */
struct piece {
	char *data;          /* its first row */
	size_t pitch;        /* bytes from one row to the next */
	int row, rows;       /* first row, counted from k.lo; rows */
	size_t column;       /* first column, counted from `column` */
	size_t bytes;        /* of a row */
};

/* Visits all pieces of rows k and columns [column, column + n), both counted
 * from this rank's first. */
static void each_piece(const struct gemv_matrix *m, struct range k,
                       size_t column, size_t n,
                       void (*visit)(void *ctx, const struct piece *p),
                       void *ctx)
{
	size_t size = wl_type_size(m->type);

	for (int row = k.lo; row < k.hi;) {
		int line = partition_owner(&m->k, m->own.lo + row);
		struct range b = gemv_matrix_rows(m, line);
		int end = b.hi < k.hi ? b.hi : k.hi;

		for (size_t j = column; j < column + n;) {
			size_t first = j - j % VEC_PANEL, next;
			size_t width = vec_panel_width(m->width, first);

			next = first + width < column + n ? first + width
			                                  : column + n;
			visit(ctx, &(struct piece){
				(char *)gemv_matrix_block(m, line) +
				(first * range_size(b) + (row - b.lo) * width +
				 j - first) * size,
				width * size, row - k.lo, end - row,
				j - column, (next - j) * size });
			j = next;
		}
		row = end;
	}
}

/* Sets the columns to 0 that fill up the last panel. */
static void clear_piece(void *ctx, const struct piece *p)
{
	(void)ctx;
	for (int i = 0; i < p->rows; i++)
		memset(p->data + i * p->pitch, 0, p->bytes);
}

static void clear_padding(struct gemv_matrix *m)
{
	struct range all = { 0, range_size(m->own) };

	each_piece(m, all, m->width, m->pitch - m->width, clear_piece, NULL);
}

void gemv_matrix_init(struct gemv_matrix *m, const struct layout *layouts,
                      int n, enum wl_type type, enum sram sram)
{
	const struct layout *l = layouts;
	struct ledger *ledger = l->grid->ledger;
	const struct box own = layout_own_box(l);

	*m = (struct gemv_matrix){ .type = type, .grid = l->grid, .k = l->k,
	                          .axis = l->transposed ? AXIS_X : AXIS_Y,
	                          .sram = sram };
	for (int i = 0; i < n; i++) {
		m->width += range_size(layout_own_box(&layouts[i]).n);
		m->width_all += layouts[i].n.n;
	}
	m->width_max = line_width(layouts, n, 0);
	for (int i = 0; i < l->n.parts; i++)
		m->wire.all += cost_words(ledger, line_width(layouts, n, i));
	m->wire.max = cost_words(ledger, m->width_max);
	ledger_alloc(ledger, sram, cost_bytes(ledger, core_elements(m)));
	if (l->grid->dry)
		return;
	m->own = own.k;
	m->pitch = vec_panel_pitch(m->width);
	m->data = huge_malloc((size_t)range_size(own.k) * m->pitch,
	                      wl_type_size(type));
	clear_padding(m);
}

void gemv_matrix_retire(struct gemv_matrix *m)
{
	if (m->grid && !m->retired)
		ledger_free(m->grid->ledger, m->sram,
		            cost_bytes(m->grid->ledger, core_elements(m)));
	m->retired = true;
}

void gemv_matrix_fini(struct gemv_matrix *m)
{
	gemv_matrix_retire(m);
	huge_free(m->data);
	memset(m, 0, sizeof *m);
}

struct range gemv_matrix_rows(const struct gemv_matrix *m, int line)
{
	struct range r =
		partition_range(&m->k, (struct range){ line, line + 1 });

	return (struct range){ r.lo - m->own.lo, r.hi - m->own.lo };
}

const void *gemv_matrix_block(const struct gemv_matrix *m, int line)
{
	return (char *)m->data + gemv_matrix_rows(m, line).lo * m->pitch *
	       wl_type_size(m->type);
}

/* A dense block that is copied to, or from (out), a matrix. */
struct copy {
	char *block;
	size_t pitch;        /* bytes of its rows */
	size_t size;         /* bytes of an element */
	bool out;
};

static void copy_piece(void *ctx, const struct piece *p)
{
	const struct copy *c = ctx;

	matrix_view_rows(p->data, p->pitch,
	                 c->block + p->row * c->pitch + p->column * c->size,
	                 c->pitch, p->rows, p->bytes, c->out);
}

void gemv_matrix_copy(const struct gemv_matrix *m, struct range k,
                      size_t column, size_t n, void *rows, size_t pitch,
                      bool out)
{
	struct copy c = { rows, pitch, wl_type_size(m->type), out };

	each_piece(m, k, column, n, copy_piece, &c);
}

void gemv_matrix_column(const struct gemv_matrix *m, size_t column, float *to)
{
	size_t n = range_size(m->own), size = wl_type_size(m->type);
	char stored[n * size + 1];

	gemv_matrix_copy(m, (struct range){ 0, n }, column, 1, stored, size,
	                 true);
	wl_to_f32(to, stored, m->type, n);
}

static void copy_box(const struct matrix_view *v, struct box what, void *block,
                     bool out)
{
	const struct gemv_matrix *m = v->matrix;
	struct range k = { what.k.lo - m->own.lo, what.k.hi - m->own.lo };
	size_t n = range_size(what.n);

	gemv_matrix_copy(m, k, v->column + (what.n.lo - v->own.n.lo), n, block,
	                 n * v->size, out);
}

struct matrix_view gemv_matrix_view(struct gemv_matrix *m,
                                    const struct layout *l, size_t column)
{
	return (struct matrix_view){ layout_own_box(l), wl_type_size(m->type),
		                     copy_box, m, column };
}
