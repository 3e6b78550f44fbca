/* What bench can run: each kernel's operands, its run, its truth. */
#include "config.h"
#include "bench/bench.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "base/uniform.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/products/gemmt.h"
#include "mpi_kernels/products/gemv.h"
#include "mpi_kernels/ref.h"

/* ---- operands and truth ---- */

float bench_element(int operand, int64_t at)
{
	return uniform_at(uniform_mix(operand + 1), at, 1);
}

/* Rows x columns of an operand with that many columns in all. */
static float *box_of(int operand, struct box box, int columns)
{
	size_t n = (size_t)range_size(box.k) * range_size(box.n);
	float *data = wl_malloc(n, sizeof *data), *to = data;

	for (int64_t i = box.k.lo; i < box.k.hi; i++)
		for (int j = box.n.lo; j < box.n.hi; j++)
			*to++ = bench_element(operand, i * columns + j);
	return data;
}

/* The error of a value, and its part of the terms' magnitudes. */
static double part_of_terms(double value, double truth, double magnitude)
{
	double part = fabs(value - truth) / (magnitude + FLT_MIN);

	return isfinite(value) ? part : INFINITY;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* A sum of n rounded products may be off by n roundings of the sum of their
 * magnitudes (Higham, Accuracy and Stability, section 3.1). */
static double allowed_for(int64_t n)
{
	return (n + 4) * (FLT_EPSILON / 2);
}

static void make_absolute(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = fabsf(x[i]);
}

double bench_gemm_error(const struct bench *b, struct range rows,
                        struct range columns, float (*c)(void *of, int row,
                        int column), void *of, double *allowed)
{
	int m = range_size(rows), n = range_size(columns), k = b->k;
	float *x = box_of(0, (struct box){ rows, { 0, k } }, k);
	float *w = box_of(1, (struct box){ { 0, k }, columns }, b->n);
	double *truth = wl_malloc((size_t)m * n, sizeof *truth);
	double *terms = wl_malloc((size_t)m * n, sizeof *terms), worst = 0;

	ref_gemm(m, n, k, x, w, truth);
	make_absolute(x, (size_t)m * k);
	make_absolute(w, (size_t)k * n);
	ref_gemm(m, n, k, x, w, terms);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			size_t at = (size_t)i * n + j;

			worst = larger(worst, part_of_terms(
				c(of, rows.lo + i, columns.lo + j), truth[at],
				terms[at]));
		}
	free(terms);
	free(truth);
	free(w);
	free(x);
	*allowed = allowed_for(k);
	return worst;
}

/* ---- gemm ---- */

/* How a dimension that products sum over is cut on the bench's grid. */
static struct partition inner_part(const struct bench *b, int n, int parts)
{
	return (struct partition){ n, 1, parts, grid_uneven(&b->grid) };
}

/* Fills tiles of an operand of which `ring` is the column or the row; all
 * columns of the whole operand: columns. */
static void fill(struct tiles *t, int operand, bool ring_is_column,
                 int columns)
{
	struct range lines = tiles_own_lines(t);

	for (int q = lines.lo; t->tile && q < lines.hi; q++)
		for (int p = t->path->local.lo; p < t->path->local.hi; p++) {
			int b = tiles_block(t, q, p);
			struct range ring = partition_range(
				&t->ring, (struct range){ b, b + 1 });
			struct range line = partition_range(
				&t->fixed, (struct range){ q, q + 1 });
			struct box box = { ring_is_column ? line : ring,
			                   ring_is_column ? ring : line };
			float *data = box_of(operand, box, columns);

			memcpy(*tiles_slot(t, q, p), data,
			       tiles_elements_at(t, q, p) * sizeof *data);
			free(data);
		}
}

static struct bench_algorithm gemm_algorithm(size_t i)
{
	const struct gemm_algorithm *a = gemm_at(i);

	return (struct bench_algorithm){ a->name, NULL, a->help };
}

static void gemm_open(struct bench *b)
{
	struct grid *g = &b->grid;
	struct partition rows = partition_of(b->m, g->rows);
	struct partition columns = partition_of(b->n, g->cols);

	tiles_init(&b->a, g, AXIS_X, inner_part(b, b->k, g->cols), rows,
	           SRAM_ACTIVATIONS);
	gemm_weights_init(gemm_at(b->choice), &b->b, g, WL_F32,
	                  inner_part(b, b->k, g->rows), columns, SRAM_WEIGHTS);
	tiles_init(&b->c, g, AXIS_X, columns, rows, SRAM_ACTIVATIONS);
	fill(&b->a, 0, true, b->k);
	fill(&b->b, 1, false, b->n);
}

/* A has to be aligned; B, the weights, comes so. */
static void gemm_run(struct bench *b)
{
	gemm_align(gemm_at(b->choice), &b->a);
	gemm_at(b->choice)->run(&(struct gemm){ &b->a, &b->b, &b->c });
}

static void close_tiles(struct bench *b)
{
	tiles_fini(&b->c);
	tiles_fini(&b->b);
	tiles_fini(&b->a);
}

static float element_of_c(void *of, int row, int column)
{
	const struct tiles *c = of;
	int y = partition_owner(&c->fixed, row),
	    x = partition_owner(&c->ring, column);

	return tiles_at(c, y, x)[(row - partition_start(&c->fixed, y)) *
	                         partition_size(&c->ring, x) + column -
	                         partition_start(&c->ring, x)];
}

static double gemm_error(const struct bench *b, double *allowed)
{
	const struct grid *g = &b->grid;

	return bench_gemm_error(b, partition_range(&b->c.fixed, g->y.local),
	                        partition_range(&b->c.ring, g->x.local),
	                        element_of_c, (void *)&b->c, allowed);
}

static double gemm_operations(const struct bench *b)
{
	return 2.0 * b->m * b->k * b->n;
}

/* ---- gemm-t: the same operands, B as its transpose lies ---- */

static struct bench_algorithm gemmt_algorithm(size_t i)
{
	const struct gemmt_algorithm *a = gemmt_at(i);

	return (struct bench_algorithm){ a->name, NULL, a->help };
}

static void gemmt_open(struct bench *b)
{
	struct grid *g = &b->grid;
	struct partition rows = partition_of(b->m, g->rows);
	struct partition inner = partition_of(b->k, g->cols);

	tiles_init(&b->a, g, AXIS_X, inner, rows, SRAM_ACTIVATIONS);
	tiles_init_on(&b->b, g, AXIS_Y, gemmt_at(b->choice)->ring, WL_F32,
	              inner_part(b, b->n, gemm_blocks(g)), inner,
	              SRAM_ACTIVATIONS);
	tiles_init(&b->c, g, AXIS_X, inner_part(b, b->n, g->cols), rows,
	           SRAM_ACTIVATIONS);
	fill(&b->a, 0, true, b->k);
	fill(&b->b, 1, true, b->n);
}

static void run_gemmt(struct bench *b)
{
	gemmt_run(&(struct gemmt){ &b->a, &b->b, &b->c });
}

/* ---- gemv and allreduce: the sum is what differs ---- */

static struct bench_algorithm sum_algorithm(size_t i)
{
	const struct allreduce *a = allreduce_at(i);

	return (struct bench_algorithm){ a->name, a->alias, a->help };
}

static void set_sums(struct bench *b)
{
	struct line *lines[] = { &b->grid.x, &b->grid.y };

	for (int i = 0; i < 2; i++)
		lines[i]->allreduce = allreduce_at(b->choice);
}

static void gemv_open(struct bench *b)
{
	struct grid *g = &b->grid;
	struct layout l = { g, partition_of(b->k, g->rows),
		            partition_of(b->n, g->cols), false };
	struct box own = layout_own_box(&l);

	set_sums(b);
	gemv_matrix_init(&b->w, &l, 1, WL_F32, SRAM_WEIGHTS);
	if (g->dry)
		return;
	float *data = box_of(1, own, b->n);

	struct matrix_view w = gemv_matrix_view(&b->w, &l, 0);

	matrix_view_put(&w, data);
	free(data);
	b->x = box_of(0, (struct box){ { 0, 1 }, own.k }, 0);
	b->y = wl_calloc(b->w.width, sizeof *b->y);
}

static void gemv_run(struct bench *b)
{
	gemv_tree(&b->w, b->x, b->y);
}

static void gemv_close(struct bench *b)
{
	gemv_matrix_fini(&b->w);
	free(b->x);
	free(b->y);
	b->x = b->y = NULL;
}

struct vector {
	const float *y;
	int first;
};

static float element_of_y(void *of, int row, int column)
{
	const struct vector *v = of;

	(void)row;
	return v->y[column - v->first];
}

static double gemv_error(const struct bench *b, double *allowed)
{
	struct partition columns = partition_of(b->n, b->grid.cols);
	struct range own = partition_range(&columns, b->grid.x.local);
	struct vector v = { b->y, own.lo };

	return bench_gemm_error(b, (struct range){ 0, 1 }, own, element_of_y,
	                        &v, allowed);
}

static double gemv_operations(const struct bench *b)
{
	return 2.0 * b->k * b->n;
}

/* Word i of the vector on core (y, x). */
static float vector_word(const struct bench *b, int y, int x, int i)
{
	return bench_element(0, ((int64_t)y * b->grid.cols + x) *
	                        b->options->words + i);
}

static void allreduce_open(struct bench *b)
{
	struct grid *g = &b->grid;
	size_t rows = grid_height(g), words = b->options->words;
	float *to;

	set_sums(b);
	b->stride = rows * words;
	if (g->dry)
		return;
	to = b->x = wl_malloc(b->stride * grid_width(g), sizeof *b->x);
	b->y = wl_calloc(b->stride, sizeof *b->y);
	for (int x = g->x.local.lo; x < g->x.local.hi; x++)
		for (int y = g->y.local.lo; y < g->y.local.hi; y++)
			for (size_t i = 0; i < words; i++)
				*to++ = vector_word(b, y, x, (int)i);
}

static void allreduce_run(struct bench *b)
{
	struct grid *g = &b->grid;
	struct line_segment all = {
		0, g->cols - 1, b->x, b->stride, b->stride, b->y,
		cost_lines(g->rows, b->options->words) };

	line_allreduce(&g->x, 1, &all, LINE_ADD);
}

static void allreduce_close(struct bench *b)
{
	free(b->x);
	free(b->y);
	b->x = b->y = NULL;
}

static double allreduce_error(const struct bench *b, double *allowed)
{
	const struct grid *g = &b->grid;
	const float *got = b->y;
	double worst = 0;

	for (int y = g->y.local.lo; y < g->y.local.hi; y++)
		for (int i = 0; i < b->options->words; i++) {
			double sum = 0, terms = 0;

			for (int x = 0; x < g->cols; x++) {
				double word = vector_word(b, y, x, i);

				sum += word;
				terms += fabs(word);
			}
			worst = larger(worst, part_of_terms(*got++, sum,
			                                    terms));
		}
	*allowed = allowed_for(g->cols);
	return worst;
}

static double allreduce_operations(const struct bench *b)
{
	return (double)(b->grid.cols - 1) * b->grid.rows * b->options->words;
}

/* ---- shift: tiles handed on from core to core, towards column 0 ---- */

static size_t one(void)
{
	return 1;
}

static struct bench_algorithm relay_algorithm(size_t i)
{
	(void)i;
	return (struct bench_algorithm){
		"relay", NULL,
		"each core takes the whole tile in and sends it on"
	};
}

static struct partition shift_columns(const struct bench *b)
{
	return partition_of(b->n, b->grid.cols);
}

/* Words of a column of cores on this rank, each with room for the largest
 * tile. */
static size_t column_words(const struct bench *b)
{
	struct partition rows = partition_of(b->m, b->grid.rows);
	struct partition columns = shift_columns(b);

	return (size_t)range_size(partition_range(&rows, b->grid.y.local)) *
	       partition_max(&columns);
}

/* Word i of what column x has at first, in this rank's rows. */
static float shift_word(const struct bench *b, int x, size_t i)
{
	struct partition rows = partition_of(b->m, b->grid.rows), columns =
		shift_columns(b);
	int width = partition_size(&columns, x), wide = partition_max(&columns);
	int row = partition_start(&rows, b->grid.y.local.lo) + (int)(i / wide);

	return (int)(i % wide) < width
	       ? bench_element(0, (int64_t)row * b->n +
	                          partition_start(&columns, x) + i % wide) : 0;
}

static void shift_open(struct bench *b)
{
	const struct grid *g = &b->grid;

	b->stride = column_words(b);
	if (g->dry)
		return;
	b->x = wl_malloc(b->stride * grid_width(g), sizeof *b->x);
	for (int x = g->x.local.lo; x < g->x.local.hi; x++)
		for (size_t i = 0; i < b->stride; i++)
			b->x[(x - g->x.local.lo) * b->stride + i] =
				shift_word(b, x, i);
	b->y = wl_malloc(b->stride, sizeof *b->y);
}

/* One step: each column's tiles to the lower neighbour; the last has none. */
static void shift_step(struct bench *b)
{
	struct line *l = &b->grid.x;
	size_t words = b->stride, last = (grid_width(&b->grid) - 1) * words;
	bool below = l->rank > 0, above = l->rank + 1 < l->nranks;

	if (!b->x)
		return;
	memset(b->y, 0, words * sizeof *b->y);
	line_pass_down(l, below ? b->x : NULL, above ? b->y : NULL, words);
	memmove(b->x, b->x + words, last * sizeof *b->x);
	memcpy(b->x + last, b->y, words * sizeof *b->x);
}

static void shift_run(struct bench *b)
{
	struct grid *g = &b->grid;
	struct partition rows = partition_of(b->m, g->rows);
	struct partition columns = shift_columns(b);
	struct wire_words tiles = cost_parts(&b->ledger, &rows,
	                                     partition_max(&columns));

	for (int i = 0; i < b->options->hops && g->cols > 1; i++) {
		line_charge_pass(&g->x, 0, g->cols - 1, tiles);
		shift_step(b);
	}
}

static double shift_error(const struct bench *b, double *allowed)
{
	const struct grid *g = &b->grid;
	int hops = g->cols > 1 ? b->options->hops : 0;
	double wrong = 0;

	for (int x = g->x.local.lo; x < g->x.local.hi; x++)
		for (size_t i = 0; i < b->stride; i++) {
			int64_t from = (int64_t)x + hops;
			float want = from < g->cols
			             ? shift_word(b, (int)from, i) : 0;

			wrong += b->x[(x - g->x.local.lo) * b->stride + i] !=
			         want;
		}
	*allowed = FLT_MIN; /* none may be wrong */
	return wrong;
}

/* ---- the table ---- */

static const struct bench_kernel kernels[] = {
	{ .name = "gemm", .sizes = "mkn", .blocks = true, .scalapack = true,
	  .count = gemm_count, .algorithm = gemm_algorithm,
	  .usual = "meshgemm", .open = gemm_open, .run = gemm_run,
	  .close = close_tiles, .error = gemm_error,
	  .operations = gemm_operations },
	{ .name = "gemm-t", .sizes = "mkn", .blocks = true,
	  .count = gemmt_count, .algorithm = gemmt_algorithm,
	  .usual = "meshgemm-t", .open = gemmt_open, .run = run_gemmt,
	  .close = close_tiles, .error = gemm_error,
	  .operations = gemm_operations },
	{ .name = "gemv", .sizes = "kn",
	  .count = allreduce_count, .algorithm = sum_algorithm,
	  .usual = "ktree", .open = gemv_open, .run = gemv_run,
	  .close = gemv_close, .error = gemv_error,
	  .operations = gemv_operations },
	{ .name = "allreduce", .sizes = "", .words = true,
	  .count = allreduce_count, .algorithm = sum_algorithm,
	  .usual = "ktree", .open = allreduce_open, .run = allreduce_run,
	  .close = allreduce_close, .error = allreduce_error,
	  .operations = allreduce_operations },
	{ .name = "shift", .sizes = "mn", .hops = true,
	  .count = one, .algorithm = relay_algorithm,
	  .usual = "relay", .open = shift_open, .run = shift_run,
	  .close = allreduce_close, .error = shift_error },
};

const struct bench_kernel *bench_kernel_at(size_t i)
{
	return i < sizeof kernels / sizeof *kernels ? &kernels[i] : NULL;
}

void bench_list(char *list, size_t size, const char *separator)
{
	list[0] = '\0';
	for (size_t i = 0; bench_kernel_at(i); i++)
		names_add(list, size, separator, kernels[i].name);
	names_add(list, size, separator, OPTIONS_BENCH_HOST);
}

const struct bench_kernel *bench_kernel_find(const char *name,
                                             struct wl_error *err)
{
	char known[128];

	for (size_t i = 0; name && bench_kernel_at(i); i++)
		if (!strcmp(kernels[i].name, name))
			return &kernels[i];
	bench_list(known, sizeof known, ", ");
	wl_error_set(err, "bench: %s%s%s one of %s", name ? "\"" : "",
	             name ? name : "", name ? "\" is not" : "name a kernel,",
	             known);
	return NULL;
}
