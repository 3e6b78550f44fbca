/* The mesh kernels against the one-core reference, then the KV cache, the
 * redistribution of rows, the whole model, and damaged weights, which loading
 * must refuse. Every result on the rank mesh must also have the same bits as on
 * one rank with the same core grid: a token never depends on the number of
 * ranks. */
/* ranks: 1 4 6 9 16 */
/* full-ranks: 64 */
/* timeout: 300 */
#define _GNU_SOURCE /* memmem */
#include "config.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/attention.h"
#include "simd/convert.h"
#include "mpi_kernels/products/gemm.h"
#include "mpi_kernels/products/gemmt.h"
#include "mpi_kernels/products/gemv.h"
#include "mpi_kernels/norm.h"
#include "mpi_kernels/ref.h"
#include "mpi_kernels/moves/shift.h"
#include "src/inference/redistribute.h"
#include "inference/inference.h"

#include <float.h>
#include <stdlib.h>

#include "base/error.h"
#include "lab.h"
#include "made_model.h"

static int larger(int a, int b)
{
	return a > b ? a : b;
}

/* Numbers that tell what was never written. */
static float *blanks(size_t n)
{
	float *a = wl_malloc(n, sizeof *a);

	for (size_t i = 0; i < n; i++)
		a[i] = NAN;
	return a;
}

static float *made_floats(const struct lab *lab, int what, size_t n)
{
	float *a = wl_malloc(n, sizeof *a);

	for (size_t i = 0; i < n; i++)
		a[i] = made_uniform(made_key(lab->key, what, 0), i);
	return a;
}

static double *made_doubles(const float *from, size_t n)
{
	double *a = wl_malloc(n, sizeof *a);

	for (size_t i = 0; i < n; i++)
		a[i] = from[i];
	return a;
}

static float *magnitudes(const float *from, size_t n)
{
	float *a = wl_malloc(n, sizeof *a);

	for (size_t i = 0; i < n; i++)
		a[i] = fabsf(from[i]);
	return a;
}

static enum wl_type throw_type(struct lab *lab)
{
	return (enum wl_type)dice_throw(&lab->dice, WL_F32, WL_BF16);
}

/* A sum of n rounded products may be off by n roundings of the sum of their
 * magnitudes (Higham, Accuracy and Stability, section 3.1); FLT_EPSILON is
 * twice a rounding. */
static double sum_error(int n, double magnitude)
{
	return (n + 4) * FLT_EPSILON * magnitude + FLT_MIN;
}

/* The same core grid over the ranks' mesh and, whole, on each rank alone; and
 * what a kernel charged on each. */
struct pair {
	struct grid g[2];
	struct charge charge[2];
	struct mesh self;
	struct noc *noc;
};

static void pair_init(struct lab *lab, struct pair *p, int rows, int cols)
{
	const struct mesh *m = &lab->mesh;

	lab->ledger.type = throw_type(lab);
	lab_charged(lab);
	mesh_init(&p->self, MPI_COMM_SELF, 1, 1);
	p->noc = noc_new(p->self.cart, p->self.crowded, true);
	grid_init(&p->g[0], rows, cols, m->rows, m->cols, m->row, m->col,
	          lab->noc, &lab->ledger);
	grid_init(&p->g[1], rows, cols, 1, 1, 0, 0, p->noc, &lab->ledger);
}

/* The account does not depend on the number of ranks. */
static void check_charges(struct lab *lab, const struct pair *p)
{
	CHECK(lab, p->charge[1].cycles > 0 && p->charge[1].sram_bytes > 0);
	CHECK(lab, lab_same_charge(&p->charge[0], &p->charge[1]));
}

static void pair_fini(struct pair *p)
{
	grid_fini(&p->g[1]);
	grid_fini(&p->g[0]);
	noc_free(p->noc);
	mesh_fini(&p->self);
}

/* This rank's part of a result on the mesh must have the same bits as that part
 * of the result on one rank. */
static void check_bits(struct lab *lab, size_t n, float *const out[2])
{
	for (size_t i = 0; i < n; i++) {
		CHECK(lab, !isnan(out[1][i]));
		CHECK(lab, isnan(out[0][i]) ||
		           memcmp(&out[0][i], &out[1][i], sizeof **out) == 0);
	}
}

/* Storage order of a matrix and of its tiles. */
struct form {
	int ring, fixed;     /* strides in the whole matrix */
	bool ring_inside;    /* a tile's ring dimension is the contiguous one */
};

/* Copies this rank's tiles, at their current places, from or to the matrix. */
static void copy_tiles(const struct tiles *t, struct form f, float *whole,
                       bool to_tiles)
{
	struct range lines = tiles_own_lines(t), places = t->path->local;

	for (int q = lines.lo; q < lines.hi; q++)
		for (int p = places.lo; p < places.hi; p++) {
			int b = tiles_block(t, q, p);
			int rings = partition_size(&t->ring, b);
			int fixeds = partition_size(&t->fixed, q);
			char *tile = *tiles_slot(t, q, p);

			for (int i = 0; i < rings * fixeds; i++,
			     tile += wl_type_size(t->type)) {
				int r = f.ring_inside ? i % rings : i / fixeds;
				int c = f.ring_inside ? i / rings : i % fixeds;
				float *at = whole +
				            (partition_start(&t->ring, b) + r) *
				                    f.ring +
				            (partition_start(&t->fixed, q) +
				             c) * f.fixed;

				if (to_tiles)
					wl_from_f32(tile, at, t->type, 1);
				else
					wl_to_f32(at, tile, t->type, 1);
			}
		}
}

/* Whether the tiles, at their current places, equal the matrix. */
static void check_tiles(struct lab *lab, const struct tiles *t, struct form f,
                        const float *whole, size_t n)
{
	float *now = blanks(n);

	copy_tiles(t, f, now, false);
	for (size_t i = 0; i < n; i++)
		CHECK(lab, isnan(now[i]) || now[i] == whole[i]);
	free(now);
}

/* ---- products ---- */

struct gemm_case {
	const struct gemm_algorithm *alg;
	enum wl_type type;   /* of B */
	bool by_rows;        /* Megatron's: B's rows lie on x, whole */
	int m, n, k, unit;
	float *a, *b;
};

static void gemm_on(struct lab *lab, struct grid *g, const struct gemm_case *c,
                    float *out)
{
	const struct form fa = { 1, c->k, true }, fb = { c->n, 1, false };
	const struct form fc = { 1, c->n, true };
	struct partition m = partition_of(c->m, g->rows),
			 n = partition_of(c->n, g->cols);
	bool spread = grid_uneven(g) && !c->alg->whole;
	struct partition on_x = { c->k, c->unit, g->cols, spread };
	struct partition on_y = { c->k, c->unit, g->rows, spread };
	struct tiles ta, tb, tc;

	tiles_init(&ta, g, AXIS_X, on_x, m, SRAM_ACTIVATIONS);
	if (c->by_rows)
		tiles_init_on(&tb, g, AXIS_X, RING_INTERLEAVE, c->type, on_x,
		              partition_of(c->n, 1), SRAM_WEIGHTS);
	else
		gemm_weights_init(c->alg, &tb, g, c->type, on_y, n,
		                  SRAM_WEIGHTS);
	tiles_init(&tc, g, AXIS_X, n, m, SRAM_ACTIVATIONS);
	copy_tiles(&ta, fa, c->a, true);
	gemm_align(c->alg, &ta);
	copy_tiles(&tb, fb, c->b, true);
	for (int i = 0; i < 2; i++) /* old content must not matter */
		c->alg->run(&(struct gemm){ &ta, &tb, &tc });
	copy_tiles(&tc, fc, out, false);
	/* Both operands are where they were, ready for the next product. */
	CHECK(lab, !c->alg->skewed || (tiles_skewed(&ta) &&
	                               tiles_skewed(&tb)));
	for (int q = 0; q < g->rows; q++)
		CHECK(lab, tiles_block(&tc, q, 0) == 0);
	check_tiles(lab, &ta, fa, c->a, (size_t)c->m * c->k);
	check_tiles(lab, &tb, fb, c->b, (size_t)c->k * c->n);
	tiles_fini(&ta);
	tiles_fini(&tb);
	tiles_fini(&tc);
}

static void check_product(struct lab *lab, int m, int n, int k, const float *a,
                          const float *b, const float *got)
{
	size_t size = (size_t)m * n;
	double *want = wl_malloc(size, sizeof *want);
	double *max = wl_malloc(size, sizeof *max);
	float *abs_a = magnitudes(a, (size_t)m * k);
	float *abs_b = magnitudes(b, (size_t)k * n);

	ref_gemm(m, n, k, a, b, want);
	ref_gemm(m, n, k, abs_a, abs_b, max);
	for (size_t i = 0; i < size; i++)
		CHECK(lab, lab_near(lab, got[i], want[i],
		                    sum_error(k, max[i])));
	free(abs_b);
	free(abs_a);
	free(max);
	free(want);
}

static void try_gemm_by(struct lab *lab, struct rxc grid,
                        const struct gemm_algorithm *alg, bool by_rows)
{
	int unit = dice_throw(&lab->dice, 1, 3);
	struct gemm_case c = { .alg = alg, .by_rows = by_rows,
	                       .type = throw_type(lab),
	                       .m = dice_throw(&lab->dice, 1, 20),
	                       .n = dice_throw(&lab->dice, 1, 20),
	                       .k = unit * dice_throw(&lab->dice, 1, 20),
	                       .unit = unit };
	size_t size = (size_t)c.m * c.n;
	float *out[2] = { blanks(size), blanks(size) };
	struct pair p;

	lab_next(lab);
	c.a = made_floats(lab, 0, (size_t)c.m * c.k);
	c.b = made_floats(lab, 1, (size_t)c.k * c.n);
	wl_round(c.b, c.type, (size_t)c.k * c.n);
	pair_init(lab, &p, grid.rows, grid.cols);
	for (int i = 0; i < 2; i++) {
		gemm_on(lab, &p.g[i], &c, out[i]);
		p.charge[i] = lab_charged(lab);
	}
	check_charges(lab, &p);
	check_bits(lab, size, out);
	check_product(lab, c.m, c.n, c.k, c.a, c.b, out[1]);
	pair_fini(&p);
	free(c.a);
	free(c.b);
	free(out[0]);
	free(out[1]);
}

static void try_gemm(struct lab *lab)
{
	struct rxc grid = lab_grid(lab);
	int alg = dice_throw(&lab->dice, 0, (int)gemm_count() - 1);

	try_gemm_by(lab, grid, gemm_at(alg), false);
}

/* Megatron's two, on a line. */
static void try_line_gemm(struct lab *lab)
{
	struct rxc line = { 1, lab->mesh.cols + dice_throw(&lab->dice, 0, 9) };

	if (lab->mesh.rows > 1)
		return;
	try_gemm_by(lab, line, &gemm_megatron, false);
	try_gemm_by(lab, line, &gemm_megatron, true);
}

/* C = A B^T, B [n][k]. */
struct gemmt_case {
	const struct gemmt_algorithm *alg;
	int m, n, k, unit;
	bool spread;         /* k, which may lie as it likes */
	float *a, *b;
};

static void gemmt_on(struct lab *lab, struct grid *g,
                     const struct gemmt_case *c, float *out)
{
	const struct form fa = { 1, c->k, true }, fb = { c->k, 1, true };
	const struct form fc = { 1, c->n, true };
	struct partition m = partition_of(c->m, g->rows);
	struct partition k = { c->k, 1, g->cols, c->spread };
	struct partition n = { c->n, c->unit, g->cols, grid_uneven(g) },
			 blocks = n;
	struct tiles ta, tb, tc;

	blocks.parts = gemm_blocks(g);
	tiles_init(&ta, g, AXIS_X, k, m, SRAM_ACTIVATIONS);
	tiles_init_on(&tb, g, AXIS_Y, c->alg->ring, WL_F32, blocks, k,
	              SRAM_WEIGHTS);
	tiles_init(&tc, g, AXIS_X, n, m, SRAM_ACTIVATIONS);
	copy_tiles(&ta, fa, c->a, true);
	copy_tiles(&tb, fb, c->b, true);
	for (int i = 0; i < 2; i++) /* old content must not matter */
		gemmt_run(&(struct gemmt){ &ta, &tb, &tc });
	copy_tiles(&tc, fc, out, false);
	/* All tiles are at home, and the operands are unchanged. */
	for (int q = 0; q < g->cols; q++)
		for (int p = 0; p < blocks.parts; p++)
			CHECK(lab, tiles_block(&tb, q, p) == p);
	for (int q = 0; q < g->rows; q++)
		CHECK(lab, tiles_block(&ta, q, 0) == 0 &&
		           tiles_block(&tc, q, 0) == 0);
	check_tiles(lab, &ta, fa, c->a, (size_t)c->m * c->k);
	check_tiles(lab, &tb, fb, c->b, (size_t)c->n * c->k);
	tiles_fini(&ta);
	tiles_fini(&tb);
	tiles_fini(&tc);
	lab_check_empty(lab);
}

static void try_gemmt(struct lab *lab)
{
	struct rxc grid = lab_grid(lab);
	int unit = dice_throw(&lab->dice, 1, 3);
	struct gemmt_case c = { .alg = gemmt_at(dice_throw(&lab->dice, 0,
	                                        (int)gemmt_count() - 1)),
	                        .m = dice_throw(&lab->dice, 1, 20),
	                        .n = unit * dice_throw(&lab->dice, 1, 20),
	                        .k = dice_throw(&lab->dice, 1, 20),
	                        .spread = dice_throw(&lab->dice, 0, 1),
	                        .unit = unit };
	size_t size = (size_t)c.m * c.n;
	float *out[2] = { blanks(size), blanks(size) }, *turned;
	struct pair p;

	lab_next(lab);
	c.a = made_floats(lab, 0, (size_t)c.m * c.k);
	c.b = made_floats(lab, 1, (size_t)c.n * c.k);
	turned = wl_malloc((size_t)c.n * c.k, sizeof *turned);
	for (int i = 0; i < c.n; i++)
		for (int j = 0; j < c.k; j++)
			turned[j * c.n + i] = c.b[i * c.k + j];
	pair_init(lab, &p, grid.rows, grid.cols);
	for (int i = 0; i < 2; i++) {
		gemmt_on(lab, &p.g[i], &c, out[i]);
		p.charge[i] = lab_charged(lab);
	}
	check_charges(lab, &p);
	check_bits(lab, size, out);
	check_product(lab, c.m, c.n, c.k, c.a, turned, out[1]);
	pair_fini(&p);
	free(turned);
	free(c.a);
	free(c.b);
	free(out[0]);
	free(out[1]);
}

/* Matrices [k][n[i]] side by side in one gemv_matrix. */
struct gemv_case {
	int k, unit, matrices, n[3];
	enum wl_type type;
	bool transposed;
	float *x, *w[3];
};

static void gemv_on(struct grid *g, const struct gemv_case *c, float *out)
{
	struct layout l[3];
	struct gemv_matrix s;
	size_t at = 0;

	for (int i = 0; i < c->matrices; i++)
		l[i] = (struct layout){
			g,
			{ c->k, c->unit, c->transposed ? g->cols : g->rows,
			  false },
			partition_of(c->n[i],
			             c->transposed ? g->rows : g->cols),
			c->transposed
		};
	gemv_matrix_init(&s, l, c->matrices, c->type, SRAM_WEIGHTS);
	struct box own = layout_own_box(l);
	float *y = blanks(s.width), *from = y;

	for (int i = 0; i < c->matrices; i++) {
		own = layout_own_box(&l[i]);
		size_t size = wl_type_size(c->type);
		char *data = wl_malloc((size_t)range_size(own.k) *
		                       range_size(own.n), size), *to = data;

		for (int k = own.k.lo; k < own.k.hi; k++)
			for (int n = own.n.lo; n < own.n.hi; n++, to += size)
				wl_from_f32(to, &c->w[i][k * c->n[i] + n],
				            c->type, 1);
		struct matrix_view store = gemv_matrix_view(&s, &l[i], at);

		matrix_view_put(&store, data);
		at += range_size(own.n);
		free(data);
	}
	gemv_tree(&s, c->x + own.k.lo, y);
	for (int i = 0; i < c->matrices; i++) {
		own = layout_own_box(&l[i]);
		for (int n = own.n.lo; n < own.n.hi; n++)
			out[n] = *from++;
		out += c->n[i];
	}
	free(y);
	gemv_matrix_fini(&s);
}

static void try_gemv(struct lab *lab)
{
	int rows = lab->mesh.rows + dice_throw(&lab->dice, 0, 7);
	int cols = lab->mesh.cols + dice_throw(&lab->dice, 0, 7);
	int unit = dice_throw(&lab->dice, 1, 3), all = 0;
	struct gemv_case c = { .unit = unit, .type = throw_type(lab),
	                       .k = unit * dice_throw(&lab->dice, 1, 30),
	                       .matrices = dice_throw(&lab->dice, 1, 3),
	                       .transposed = dice_throw(&lab->dice, 0, 1) };
	struct pair p;

	lab_next(lab);
	c.x = made_floats(lab, 9, c.k);
	for (int i = 0; i < c.matrices; i++) {
		c.n[i] = dice_throw(&lab->dice, 1, 30);
		c.w[i] = made_floats(lab, i, (size_t)c.k * c.n[i]);
		wl_round(c.w[i], c.type, (size_t)c.k * c.n[i]);
		all += c.n[i];
	}
	float *out[2] = { blanks(all), blanks(all) }, *y = out[1];

	pair_init(lab, &p, rows, cols);
	for (int i = 0; i < 2; i++) {
		gemv_on(&p.g[i], &c, out[i]);
		p.charge[i] = lab_charged(lab);
	}
	check_charges(lab, &p);
	check_bits(lab, all, out);
	for (int i = 0; i < c.matrices; i++) {
		check_product(lab, 1, c.n[i], c.k, c.x, c.w[i], y);
		y += c.n[i];
		free(c.w[i]);
	}
	pair_fini(&p);
	free(c.x);
	free(out[0]);
	free(out[1]);
}

/* argmax against a linear search. The elements have few different values, so
 * that there are ties; some cases are all minus infinity, some have a NaN. */
static void try_argmax(struct lab *lab)
{
	enum axis axis = dice_throw(&lab->dice, 0, 1) ? AXIS_X : AXIS_Y;
	int rows = lab->mesh.rows + dice_throw(&lab->dice, 0, 7);
	int cols = lab->mesh.cols + dice_throw(&lab->dice, 0, 7);
	int n = dice_throw(&lab->dice, 1, 40);
	int kinds = dice_throw(&lab->dice, 0, 6);
	struct partition part = partition_of(n, axis == AXIS_X ? cols : rows);
	float x[40];
	int best = 0;
	struct pair p;

	lab_next(lab);
	for (int i = 0; i < n; i++) {
		x[i] = kinds ? -(float)(made_mix(lab->key + i) % kinds)
		             : -INFINITY;
		best = x[i] > x[best] ? i : best;
	}
	if (dice_throw(&lab->dice, 0, 5) == 0) {
		x[dice_throw(&lab->dice, 0, n - 1)] = NAN;
		best = -1;
	}
	pair_init(lab, &p, rows, cols);
	for (int i = 0; i < 2; i++) {
		struct range own = partition_range(&part,
		                              grid_line(&p.g[i], axis)->local);

		CHECK(lab, argmax_vector(&p.g[i], axis, &part, x + own.lo) ==
		           best);
		p.charge[i] = lab_charged(lab);
	}
	check_charges(lab, &p);
	pair_fini(&p);
}

/* ---- norms ---- */

/* One row by the reference. A square's sum is off by its n roundings, halved
 * by the root; the rest are a few roundings of the result. */
static void check_norm(struct lab *lab, int n, double eps, const float *x,
                       const float *weight, const float *got)
{
	double *in = made_doubles(x, n), *want = wl_malloc(n, sizeof *want);

	ref_norm(n, eps, in, weight, want);
	for (int i = 0; i < n; i++)
		CHECK(lab, lab_near(lab, got[i], want[i],
		                    sum_error(n, fabs(want[i]))));
	free(want);
	free(in);
}

static void norm_vector_on(struct grid *g, enum axis axis, int n,
                           const float *x, const float *weight, float *out)
{
	struct line *l = grid_line(g, axis);
	struct partition part = partition_of(n, l->n);
	struct range own = partition_range(&part, l->local);

	norm_vector(g, axis, &part, 1e-3, x + own.lo, weight + own.lo,
	            out + own.lo);
}

static void norm_tiles_on(struct grid *g, int m, int n, float *x,
                          const float *weight, float *out)
{
	const struct form f = { 1, n, true };
	struct partition rows = partition_of(m, g->rows),
			 columns = partition_of(n, g->cols);
	struct tiles in, normed;

	tiles_init(&in, g, AXIS_X, columns, rows, SRAM_ACTIVATIONS);
	tiles_init(&normed, g, AXIS_X, columns, rows, SRAM_ACTIVATIONS);
	copy_tiles(&in, f, x, true);
	norm_tiles(&in, 1e-3, weight + partition_start(&columns, g->x.local.lo),
	           &normed);
	copy_tiles(&normed, f, out, false);
	tiles_fini(&in);
	tiles_fini(&normed);
}

static void try_norm(struct lab *lab)
{
	enum axis axis = dice_throw(&lab->dice, 0, 1) ? AXIS_X : AXIS_Y;
	int n = dice_throw(&lab->dice, 1, 50);
	int m = dice_throw(&lab->dice, 0, 12); /* 0: a vector */
	size_t size = (size_t)(m ? m : 1) * n;
	float *out[2] = { blanks(size), blanks(size) };
	struct pair p;

	lab_next(lab);
	float *x = made_floats(lab, 0, size), *weight = made_floats(lab, 1, n);

	pair_init(lab, &p, lab->mesh.rows + dice_throw(&lab->dice, 0, 7),
	          lab->mesh.cols + dice_throw(&lab->dice, 0, 7));
	for (int i = 0; i < 2; i++) {
		if (m)
			norm_tiles_on(&p.g[i], m, n, x, weight, out[i]);
		else
			norm_vector_on(&p.g[i], axis, n, x, weight, out[i]);
		p.charge[i] = lab_charged(lab);
	}
	check_charges(lab, &p);
	check_bits(lab, size, out);
	for (size_t i = 0; i < size; i += n)
		check_norm(lab, n, 1e-3, x + i, weight, out[1] + i);
	pair_fini(&p);
	free(x);
	free(weight);
	free(out[0]);
	free(out[1]);
}

/* ---- attention ---- */

struct attention_case {
	struct model m;
	int tokens;
	float *q, *k, *v;
};

/* The score of query head r of KV head g, token i against token j, and the
 * sum of its products' magnitudes. */
static double score_of(const struct attention_case *c, int g, int r, int i,
                       int j, double *magnitude)
{
	int hd = c->m.head_dim, kv = model_kv_dim(&c->m);
	int group = model_group(&c->m);
	double sum = 0;

	*magnitude = 0;
	for (int ch = g * hd; ch < (g + 1) * hd; ch++) {
		double term = (double)c->q[(i * kv + ch) * group + r] *
		              c->k[j * kv + ch] / sqrt(hd);

		sum += term;
		*magnitude += fabs(term);
	}
	return sum;
}

/* One core's tile of one head, in the layout of attention.h. */
static void check_score_tile(struct lab *lab, const struct scores *s,
                             const struct attention_case *c, int g, int y,
                             int x, const float *tile)
{
	const struct heads *h = &s->heads;
	int columns = heads_last(h, g) - heads_first(h, g) + 1;
	struct range rows =
		partition_range(&s->tokens, (struct range){ y, y + 1 });

	for (int r = 0; r < h->group; r++)
		for (int i = rows.lo; i < rows.hi; i++)
			for (int j = 0; j < c->tokens; j++) {
				int b = partition_owner(&s->tokens, j);
				double size;
				double want = score_of(c, g, r, i, j, &size);
				bool seen = j <= i;

				if (heads_first(h, g) + b % columns != x)
					continue;
				CHECK(lab, seen ? lab_near(lab, *tile, want,
				           sum_error(h->head_dim, size))
				           : *tile == -INFINITY);
				tile++;
			}
}

static void check_scores(struct lab *lab, const struct scores *s,
                         const struct attention_case *c)
{
	const struct grid *g = s->grid;
	int height = grid_height(g), width = grid_width(g);

	for (int i = 0; i < s->heads.n_kv * height * width; i++) {
		int x = g->x.local.lo + i % width;
		int y = g->y.local.lo + i / width % height;
		int head = i / width / height;

		if (s->tile[i])
			check_score_tile(lab, s, c, head, y, x, s->tile[i]);
		else
			CHECK(lab, x < heads_first(&s->heads, head) ||
			           x > heads_last(&s->heads, head));
	}
}

static void attention_on(struct lab *lab, struct grid *g,
                         const struct attention_case *c, float *out)
{
	int kv = model_kv_dim(&c->m), qd = model_q_dim(&c->m);
	const struct form fq = { 1, qd, true }, fk = { kv, 1, true };
	const struct form fv = { kv, 1, false };
	struct heads h = heads_of(&c->m, g->cols);
	struct partition tokens = partition_of(c->tokens, g->rows);
	struct tiles q, k, v, o;
	struct scores s;

	tiles_init(&q, g, AXIS_X, h.q, tokens, SRAM_ACTIVATIONS);
	tiles_init(&o, g, AXIS_X, h.q, tokens, SRAM_ACTIVATIONS);
	tiles_init(&k, g, AXIS_Y, tokens, h.kv, SRAM_KV);
	tiles_init(&v, g, AXIS_Y, tokens, h.kv, SRAM_KV);
	copy_tiles(&q, fq, c->q, true);
	copy_tiles(&k, fk, c->k, true);
	copy_tiles(&v, fv, c->v, true);
	scores_init(&s, g, &h, WL_F32, tokens);
	attention_scores(&s, &q, &k);
	check_scores(lab, &s, c);
	attention_softmax(&s);
	attention_values(&s, &v, &o);
	copy_tiles(&o, fq, out, false);
	/* At home again, and complete. */
	for (int x = 0; x < g->cols; x++)
		CHECK(lab, tiles_line_skew(&k, x) == 0 &&
		           tiles_line_skew(&v, x) == 0);
	check_tiles(lab, &k, fk, c->k, (size_t)c->tokens * kv);
	check_tiles(lab, &v, fv, c->v, (size_t)c->tokens * kv);
	scores_fini(&s);
	tiles_fini(&q);
	tiles_fini(&k);
	tiles_fini(&v);
	tiles_fini(&o);
}

/* Against the reference. A score is off by at most d; that changes weights by
 * the factor 1 + 2d at most (twice: numerator and sum), and the sums over the
 * tokens add their roundings. Values are below 1. */
static void check_attention(struct lab *lab, const struct attention_case *c,
                            const float *got)
{
	size_t kvs = (size_t)c->tokens * model_kv_dim(&c->m);
	size_t qs = (size_t)c->tokens * model_q_dim(&c->m);
	double *q = made_doubles(c->q, qs), *k = made_doubles(c->k, kvs);
	double *v = made_doubles(c->v, kvs);
	double *want = wl_malloc(qs, sizeof *want);
	/* Queries are below 8, keys below 1. */
	double d = sum_error(c->m.head_dim, 8 * sqrt(c->m.head_dim));

	ref_attention(&c->m, c->tokens, q, k, v, want);
	for (size_t i = 0; i < qs; i++)
		CHECK(lab, lab_near(lab, got[i], want[i],
		                    2 * d + sum_error(2 * c->tokens + 8, 1)));
	free(want);
	free(v);
	free(k);
	free(q);
}

static void try_attention(struct lab *lab)
{
	int rows = lab->mesh.rows + dice_throw(&lab->dice, 0, 4);
	int cols = lab->mesh.cols + dice_throw(&lab->dice, 0, 4);
	struct attention_case c = { .m = made_shape(&lab->dice),
	                            .tokens = dice_throw(&lab->dice, 1, 20) };
	size_t kvs = (size_t)c.tokens * model_kv_dim(&c.m);
	size_t qs = (size_t)c.tokens * model_q_dim(&c.m);
	float *out[2] = { blanks(qs), blanks(qs) };
	struct pair p;

	lab_next(lab);
	c.q = made_floats(lab, 0, qs);
	c.k = made_floats(lab, 1, kvs);
	c.v = made_floats(lab, 2, kvs);
	for (size_t i = 0; i < qs; i++) /* a softmax that is far from flat */
		c.q[i] *= 8;
	pair_init(lab, &p, rows, cols);
	for (int i = 0; i < 2; i++) {
		attention_on(lab, &p.g[i], &c, out[i]);
		p.charge[i] = lab_charged(lab);
	}
	check_charges(lab, &p);
	check_bits(lab, qs, out);
	check_attention(lab, &c, out[1]);
	pair_fini(&p);
	free(c.q);
	free(c.k);
	free(c.v);
	free(out[0]);
	free(out[1]);
}

/* ---- the KV cache over ranks ---- */

enum { CACHE_LAYERS = 2, CACHE_TOKENS = 40 };

static float cache_word(int layer, int token, int channel)
{
	return layer + 4 * token + 256 * channel;
}

/* This rank's channels of tokens [t.lo, t.hi): k, and v = -k. */
static void cache_entry(const struct kvcache *c, int layer, struct range t,
                        float *k, float *v)
{
	struct range own = partition_range(&c->kv, c->grid->x.local);

	for (int token = t.lo; token < t.hi; token++)
		for (int ch = own.lo; ch < own.hi; ch++) {
			*k = cache_word(layer, token, ch);
			*v++ = -*k++;
		}
}

/* The expected element of a layer's keys or values. */
static float cached(const struct kvcache *c, void *const *which, int layer,
                    size_t at)
{
	float x;

	wl_to_f32(&x, kvcache_at(c, which, layer, at), c->type, 1);
	return x;
}

static void check_cache(struct lab *lab, const struct kvcache *c, int layer)
{
	struct range own = kvcache_tokens(c, c->grid->y.local);
	int first = partition_start(&c->kv, c->grid->x.local.lo);

	CHECK(lab, range_size(own) <= c->capacity);
	for (int t = own.lo; t < own.hi; t++)
		for (size_t ch = 0; ch < c->channels; ch++) {
			size_t at = kvcache_place(c, t);
			float want = cache_word(layer, t, first + ch);

			wl_round(&want, c->type, 1);
			CHECK(lab, cached(c, c->k, layer, ch * c->capacity +
			                  at) == want);
			CHECK(lab, cached(c, c->v, layer, at * c->channels +
			                  ch) == -want);
		}
}

static void try_cache(struct lab *lab)
{
	const struct mesh *m = &lab->mesh;
	struct model shape = made_shape(&lab->dice);
	struct grid g;
	struct kvcache c;
	int rows = m->rows + dice_throw(&lab->dice, 0, 5);
	int cols = m->cols + dice_throw(&lab->dice, 0, 3);
	int prompt = dice_throw(&lab->dice, 1, 20);

	lab_next(lab);
	grid_init(&g, rows, cols, m->rows, m->cols, m->row, m->col, lab->noc,
	          &lab->ledger);
	struct heads h = heads_of(&shape, cols);

	kvcache_init(&c, &g, &h, throw_type(lab), CACHE_LAYERS, CACHE_TOKENS,
	             KV_SHIFT);
	float *k = blanks((CACHE_TOKENS + 1) * c.channels);
	float *v = blanks((CACHE_TOKENS + 1) * c.channels);

	kvcache_start(&c, prompt);
	for (int i = 0; i < CACHE_LAYERS; i++) {
		cache_entry(&c, i, kvcache_tokens(&c, g.y.local), k, v);
		kvcache_fill(&c, i, k, v);
		check_cache(lab, &c, i);
	}
	for (int t = prompt; t < CACHE_TOKENS; t++) {
		kvcache_advance(&c);
		for (int i = 0; i < CACHE_LAYERS; i++) {
			cache_entry(&c, i, (struct range){ t, t + 1 }, k, v);
			kvcache_append(&c, i, k, v);
			check_cache(lab, &c, i);
		}
	}
	free(v);
	free(k);
	kvcache_fini(&c);
	grid_fini(&g);
}

/* ---- redistribution of rows ---- */

/* The bytes of element (k, n), whatever its type. */
static uint32_t spread_element(const struct lab *lab, int k, int n)
{
	return (uint32_t)made_key(lab->key, k, n);
}

static void fill_rows(const struct lab *lab, struct range rows, int cols,
                      size_t size, char *to)
{
	for (int k = rows.lo; k < rows.hi; k++)
		for (int n = 0; n < cols; n++, to += size) {
			uint32_t e = spread_element(lab, k, n);

			memcpy(to, &e, size);
		}
}

/* Whether a dense block holds rows k and columns n. */
static bool is_block(const struct lab *lab, struct range k, struct range n,
                     size_t size, const char *at, size_t pitch)
{
	for (int i = k.lo; i < k.hi; i++, at += pitch)
		for (int j = n.lo; j < n.hi; j++) {
			uint32_t e = spread_element(lab, i, j);

			if (memcmp(at + (j - n.lo) * size, &e, size))
				return false;
		}
	return true;
}

static void check_target(struct lab *lab, const struct target *t, size_t size)
{
	struct box own = layout_own_box(&t->layout);
	const struct tiles *tiles = t->tiles;

	if (t->gemv) {
		struct matrix_view store =
			gemv_matrix_view(t->gemv, &t->layout, 0);
		char *data = wl_malloc(box_elements(own), size);

		matrix_view_get(&store, data);
		CHECK(lab, is_block(lab, own.k, own.n, size, data,
		                    range_size(own.n) * size));
		free(data);
		return;
	}
	struct range lines = tiles_own_lines(tiles);

	for (int q = lines.lo; q < lines.hi; q++)
		for (int p = tiles->path->local.lo; p < tiles->path->local.hi;
		     p++) {
			int b = tiles_block(tiles, q, p);
			struct range k = partition_range(&tiles->ring,
				(struct range){ b, b + 1 });
			struct range n = partition_range(&tiles->fixed,
				(struct range){ q, q + 1 });

			CHECK(lab, is_block(lab, k, n, size,
			                    *tiles_slot(tiles, q, p),
			                    range_size(n) * size));
		}
}

/* Loads one matrix in rounds; in some of them a rank has no rows to read. */
static void spread_matrix(struct lab *lab, struct redistribution *s,
                          const struct target *t, size_t size)
{
	struct partition share = partition_of(t->layout.k.n, s->size);
	int max_rows = dice_throw(&lab->dice, 1, partition_max(&share) + 1);
	struct range rows;
	void *to;
	int read = 0;

	redistribute_begin(s, t, max_rows);
	while (redistribute_next(s, &rows, &to)) {
		fill_rows(lab, rows, t->layout.n.n, size, to);
		CHECK(lab, range_size(rows) <= max_rows);
		read += range_size(rows);
	}
	CHECK(lab, read == partition_size(&share, s->rank));
}

static void try_spread(struct lab *lab)
{
	int k = dice_throw(&lab->dice, 1, 60);
	int n = dice_throw(&lab->dice, 1, 40);
	int form = dice_throw(&lab->dice, 0, 2);
	enum wl_type type = dice_throw(&lab->dice, 0, WL_NTYPES - 1);
	const struct gemm_algorithm *alg = gemm_at(
		dice_throw(&lab->dice, 0, (int)gemm_count() - 1));
	struct rxc side = lab_grid(lab);
	struct redistribution s;
	struct grid g;
	struct gemv_matrix gemv = { 0 };
	struct tiles tiles = { 0 };

	lab_next(lab);
	grid_init(&g, side.rows, side.cols, lab->mesh.rows, lab->mesh.cols,
	          lab->mesh.row, lab->mesh.col, lab->noc, &lab->ledger);
	struct target t = { .layout = { &g, partition_of(k, side.rows),
	                                partition_of(n, side.cols), false } };

	if (form < 2) {
		t.layout.transposed = form;
		t.layout.k.parts = form ? side.cols : side.rows;
		t.layout.n.parts = form ? side.rows : side.cols;
		t.gemv = &gemv;
		gemv_matrix_init(&gemv, &t.layout, 1, type, SRAM_WEIGHTS);
	} else {
		t.layout.k.dispersed = gemm_disperses(alg, &g);
		t.tiles = &tiles;
		gemm_weights_init(alg, &tiles, &g, type, t.layout.k,
		                  t.layout.n, SRAM_WEIGHTS);
	}
	/* Little room makes the ranks exchange in the midst of a matrix. */
	redistribute_init(&s, &lab->mesh, NULL,
	                  dice_throw(&lab->dice, n * wl_type_size(type), 2000));
	/* The second time into used rows and messages. */
	for (int i = 0; i < 2; i++) {
		spread_matrix(lab, &s, &t, wl_type_size(type));
		redistribute_meet(&s);
		check_target(lab, &t, wl_type_size(type));
		lab_next(lab);
	}
	redistribute_fini(&s);
	gemv_matrix_fini(&gemv);
	tiles_fini(&tiles);
	grid_fini(&g);
}

/* ---- the whole model ---- */

enum { MOST_PROMPT = 20, NEW_TOKENS = 10 };

struct request {
	struct made_model made;
	char path[256];
	struct rxc prefill, decode;
	const struct gemm_algorithm *gemm;
	const struct allreduce *allreduce;
	bool line;
	int prompt;
	int ids[MOST_PROMPT + NEW_TOKENS]; /* decoded ones are given too */
};

static void no_progress(void *ctx, int done, int all)
{
	(void)ctx;
	(void)done;
	(void)all;
}

static int load_wafer(struct inference *w, const struct mesh *mesh,
                      const char *path, bool verify, struct wl_error *err)
{
	struct checkpoint *c = checkpoint_open(path, mesh->control, err);
	int rc = c ? weights_load(&w->weights, c, mesh, verify, no_progress,
	                          NULL, err) : -1;

	checkpoint_close(c);
	return rc;
}

/* Serves the request on a mesh: logits [1 + NEW_TOKENS][V] after the prompt
 * and each new token (on the leader), and the greedy choices. */
static int serve(const struct request *r, const struct mesh *mesh,
                 float *logits, int *choice)
{
	struct wl_error err = { .text = "" };
	struct inference w;

	inference_init(&w, &(struct inference_setup){
		.model = &r->made.model, .mesh = mesh, .prefill = r->prefill,
		.decode = r->decode, .device = &made_device, .type = WL_F32,
		.gemm = r->gemm, .allreduce = r->allreduce, .line = r->line });
	int rc = load_wafer(&w, mesh, r->path, true, &err);

	if (rc && mesh->leader)
		fprintf(stderr, "%s\n", err.text);
	if (!rc) {
		choice[0] = prefill_run(&w, r->ids, r->prompt);
		prefill_gather_logits(&w, logits);
		transition_run(&w, r->prompt + NEW_TOKENS);
		for (int i = 1; i <= NEW_TOKENS; i++) {
			choice[i] = decode_step(&w,
			                        r->ids[r->prompt + i - 1]);
			decode_gather_logits(&w, logits + (size_t)i *
			                     r->made.model.vocab_size);
		}
	}
	inference_fini(&w);
	return rc;
}

/* Logits against the reference. Each of the few layers, and the head, passes
 * the residual stream through sums of up to 300 rounded products, and norms
 * and softmax carry on what error there is; 1e-4 of the largest logit is some
 * 800 FLT_EPSILON (seen: 50). A wrong term, token or channel shows in the
 * first or second digit. */
static void check_logits(struct lab *lab, const struct request *r,
                         const float *got)
{
	int n = r->prompt + NEW_TOKENS, vocab = r->made.model.vocab_size;
	double *want = wl_malloc((size_t)n * vocab, sizeof *want);

	ref_forward(&r->made.model, &r->made.ref, n, r->ids, want);
	for (int i = 0; i <= NEW_TOKENS; i++, got += vocab) {
		const double *row = want + (size_t)(r->prompt - 1 + i) * vocab;
		double max = 0;

		for (int j = 0; j < vocab; j++)
			max = fmax(max, fabs(row[j]));
		for (int j = 0; j < vocab; j++)
			CHECK(lab, lab_near(lab, got[j], row[j], 1e-4 * max));
	}
	free(want);
}

static void check_choices(struct lab *lab, const struct request *r,
                          const float *logits, const int *choice)
{
	int vocab = r->made.model.vocab_size;

	for (int i = 0; i <= NEW_TOKENS; i++, logits += vocab) {
		int best = 0;

		for (int j = 1; j < vocab; j++)
			best = logits[j] > logits[best] ? j : best;
		CHECK(lab, choice[i] == best);
	}
}

/* The leader alone: one rank, and the reference. */
static void compare_alone(struct lab *lab, const struct request *r,
                          const float *logits, const int *choice)
{
	size_t size = (size_t)(1 + NEW_TOKENS) * r->made.model.vocab_size;
	float *again = blanks(size);
	int choice_again[1 + NEW_TOKENS] = { 0 };
	struct mesh self;

	mesh_init(&self, MPI_COMM_SELF, 1, 1);
	CHECK(lab, serve(r, &self, again, choice_again) == 0);
	mesh_fini(&self);
	CHECK(lab, memcmp(again, logits, size * sizeof *again) == 0);
	CHECK(lab, memcmp(choice, choice_again, sizeof choice_again) == 0);
	check_logits(lab, r, logits);
	check_choices(lab, r, logits, choice);
	free(again);
}

static void throw_request(struct lab *lab, struct request *r)
{
	made_model_init(&r->made, &lab->dice);
	r->prefill = lab_grid(lab);
	r->decode = dice_throw(&lab->dice, 0, 2) ? lab_grid(lab) : r->prefill;
	r->line = !dice_throw(&lab->dice, 0, 4) && lab->mesh.rows == 1;
	r->gemm = r->line ? &gemm_megatron : gemm_at(
		dice_throw(&lab->dice, 0, (int)gemm_count() - 1));
	r->allreduce = allreduce_at(dice_throw(&lab->dice, 0,
	                                       (int)allreduce_count() - 1));
	r->prompt = dice_throw(&lab->dice, 1, MOST_PROMPT);
	for (int i = 0; i < r->prompt + NEW_TOKENS; i++)
		r->ids[i] = dice_throw(&lab->dice, 0,
		                       r->made.model.vocab_size - 1);
}

static void try_model(struct lab *lab)
{
	struct request r;
	int choice[1 + NEW_TOKENS] = { 0 }, leaders[1 + NEW_TOKENS];

	lab_next(lab);
	throw_request(lab, &r);
	made_path(r.path);
	float *logits = blanks((size_t)(1 + NEW_TOKENS) *
	                       r.made.model.vocab_size);

	if (lab->mesh.leader)
		CHECK(lab, made_model_write(&r.made, r.path) == 0);
	mesh_join(MPI_COMM_WORLD);
	CHECK(lab, serve(&r, &lab->mesh, logits, choice) == 0);
	memcpy(leaders, choice, sizeof choice);
	MPI_Bcast(leaders, 1 + NEW_TOKENS, MPI_INT, 0, MPI_COMM_WORLD);
	CHECK(lab, memcmp(choice, leaders, sizeof choice) == 0);
	if (lab->mesh.leader) {
		compare_alone(lab, &r, logits, choice);
		unlink(r.path);
	}
	mesh_join(MPI_COMM_WORLD);
	free(logits);
	made_model_fini(&r.made);
}

/* ---- damaged weights ---- */

/* The tensors of a model in file order. */
struct tensor_list {
	struct { enum tensor_kind kind; int layer; } at[2 * T_NKINDS];
	int n;
};

static int list_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct tensor_list *l = ctx;

	l->at[l->n].kind = kind;
	l->at[l->n++].layer = layer;
	return 0;
}

static size_t list_elements(const struct made_model *m,
                            const struct tensor_list *l, int i)
{
	struct tensor_shape s = tensor_shape(&m->model, l->at[i].kind);

	return s.rows * s.cols;
}

/* Puts value somewhere into tensor i. */
static void spoil(struct lab *lab, struct made_model *m,
                  const struct tensor_list *l, int i, float value)
{
	size_t at = dice_throw(&lab->dice, 0, list_elements(m, l, i) - 1);

	m->tensor[l->at[i].layer][l->at[i].kind][at] = value;
}

/* Flips the last bit of an element of tensor i in the file. 0 or -1. */
static int flip(const struct made_model *m, const struct tensor_list *l, int i,
                size_t element, const char *path)
{
	size_t n = list_elements(m, l, i), bytes = n * wl_type_size(m->type);
	unsigned char *raw = wl_malloc(bytes, 1), *all = wl_malloc(1 << 22, 1);
	FILE *f = fopen(path, "r+b");
	size_t size = f ? fread(all, 1, 1 << 22, f) : 0;
	unsigned char *found;
	int rc = -1;

	wl_from_f32(raw, m->tensor[l->at[i].layer][l->at[i].kind], m->type, n);
	found = memmem(all, size, raw, bytes);
	if (found) {
		found += element * wl_type_size(m->type);
		fseek(f, found - all, SEEK_SET);
		rc = fputc(*found ^ 1, f) == EOF ? -1 : 0;
	}
	if (f)
		rc |= fclose(f);
	free(all);
	free(raw);
	return rc;
}

/* Loads the checkpoint; it must be refused for the sake of the tensor and the
 * reason, in the same words on every rank, or be accepted (reason NULL). */
static void expect(struct lab *lab, const struct made_model *m,
                   const char *path, bool verify, const char *tensor,
                   const char *reason)
{
	const struct mesh *mesh = &lab->mesh;
	int side = larger(mesh->rows, mesh->cols);
	struct wl_error err = { .text = "" };
	struct inference w;
	char want[600];

	inference_init(&w, &(struct inference_setup){
		.model = &m->model, .mesh = mesh, .prefill = { side, side + 2 },
		.decode = { side + 1, side + 1 }, .device = &made_device,
		.type = WL_F32 });
	int rc = load_wafer(&w, mesh, path, verify, &err);

	inference_fini(&w);
	snprintf(want, sizeof want, "%s: tensor %s %s", path, tensor,
	         reason ? reason : "");
	CHECK(lab, rc == (reason ? -1 : 0));
	lab_check(lab, rc == 0 || strncmp(err.text, want, strlen(want)) == 0,
	          err.text, want, __LINE__);
}

static void write_made(struct lab *lab, struct made_model *m, const char *path)
{
	mesh_join(MPI_COMM_WORLD);
	if (lab->mesh.leader)
		CHECK(lab, made_model_write(m, path) == 0);
	mesh_join(MPI_COMM_WORLD);
}

/* The largest number is not too large; of two tensors with a NaN or infinity
 * the first in file order is named, with checksums or without. */
static void try_values(struct lab *lab, struct made_model *m,
                       const struct tensor_list *l, const char *path)
{
	static const float max[WL_NTYPES] = {
		[WL_F32] = FLT_MAX, [WL_F16] = 65504, [WL_BF16] = 0x1.fep127f };
	const float bad[] = { NAN, INFINITY, -INFINITY };
	int a = dice_throw(&lab->dice, 0, l->n - 1);
	int b = dice_throw(&lab->dice, 0, l->n - 1), first = a < b ? a : b;
	bool verify = dice_throw(&lab->dice, 0, 1);
	char name[64];

	spoil(lab, m, l, a, max[m->type]);
	write_made(lab, m, path);
	expect(lab, m, path, verify, "", NULL);
	spoil(lab, m, l, a, bad[dice_throw(&lab->dice, 0, 2)]);
	spoil(lab, m, l, b, bad[dice_throw(&lab->dice, 0, 2)]);
	write_made(lab, m, path);
	tensor_name(l->at[first].kind, l->at[first].layer, name, sizeof name);
	expect(lab, m, path, verify, name, "holds a NaN or an infinity");
}

static void try_factors(struct lab *lab, struct made_model *m,
                        const struct tensor_list *l, const char *path)
{
	for (int i = 0; i < l->n; i++)
		if (l->at[i].kind == T_ROPE_FACTORS) {
			spoil(lab, m, l, i, -dice_throw(&lab->dice, 0, 1));
			write_made(lab, m, path);
			expect(lab, m, path, true, "rope_factors",
			       "holds a factor that is not above 0");
		}
}

/* The bytes of a very small tensor might occur elsewhere in the file. */
static void try_flip(struct lab *lab, struct made_model *m,
                     const struct tensor_list *l, const char *path)
{
	int i = dice_throw(&lab->dice, 0, l->n - 1);
	char name[64];

	if (list_elements(m, l, i) < 8)
		i = 0;
	int element = dice_throw(&lab->dice, 0, list_elements(m, l, i) - 1);

	write_made(lab, m, path);
	if (lab->mesh.leader)
		CHECK(lab, flip(m, l, i, element, path) == 0);
	mesh_join(MPI_COMM_WORLD);
	tensor_name(l->at[i].kind, l->at[i].layer, name, sizeof name);
	expect(lab, m, path, true, name, "is damaged: its checksum");
	expect(lab, m, path, false, "", NULL);
}

static void try_damage(struct lab *lab)
{
	static void (*const damage[])(struct lab *, struct made_model *,
	                              const struct tensor_list *,
	                              const char *) = {
		try_values, try_factors, try_flip };
	char path[256];

	made_path(path);
	for (int type = 0; type < WL_NTYPES; type++)
		for (int i = 0; i < 3; i++) {
			struct tensor_list l = { .n = 0 };
			struct made_model m;

			lab_next(lab);
			made_model_init(&m, &lab->dice);
			m.type = type;
			model_each_tensor(&m.model, list_tensor, &l);
			damage[i](lab, &m, &l, path);
			made_model_fini(&m);
		}
	mesh_join(MPI_COMM_WORLD);
	if (lab->mesh.leader)
		unlink(path);
}

static struct {
	const char *name;
	void (*run)(struct lab *lab);
	int times;     /* on up to 9 ranks */
	double worst;  /* error as a part of what is allowed */
} kernels[] = {
	{ "gemm", try_gemm, 20, 0 }, { "line gemm", try_line_gemm, 10, 0 },
	{ "gemm-t", try_gemmt, 20, 0 }, { "gemv", try_gemv, 40, 0 },
	{ "argmax", try_argmax, 40, 0 }, { "norm", try_norm, 20, 0 },
	{ "attention", try_attention, 20, 0 }, { "cache", try_cache, 10, 0 },
	{ "spread", try_spread, 40, 0 },
	{ "model", try_model, 12, 0 }, { "damage", try_damage, 2, 0 },
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static void try_rank_grid(struct lab *lab, int rows, int cols)
{
	int ranks = rows * cols, share = ranks > 16 ? 10 : ranks > 9 ? 2 : 1;

	lab_open(lab, MPI_COMM_WORLD, rows, cols);
	for (int i = 0; i < KERNELS; i++) {
		lab->worst = 0;
		for (int k = 0; k < kernels[i].times; k += share)
			kernels[i].run(lab);
		kernels[i].worst = fmax(kernels[i].worst, lab->worst);
	}
	lab_close(lab);
}

/* Rank 0 prints each kernel's largest error as a part of the tolerance. */
static void print_worst(int rank)
{
	for (int i = 0; i < KERNELS; i++) {
		double worst = 0;

		MPI_Reduce(&kernels[i].worst, &worst, 1, MPI_DOUBLE, MPI_MAX,
		           0, MPI_COMM_WORLD);
		if (rank == 0)
			printf("%s: worst error %.3f of the allowed\n",
			       kernels[i].name, worst);
	}
}

int main(int argc, char **argv)
{
	struct lab lab = { .dice.key = 3 };
	int rank, size;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (int rows = 1; rows <= size; rows++)
		if (size % rows == 0)
			try_rank_grid(&lab, rows, size / rows);
	print_worst(rank);
	int failed = lab_verdict(&lab, "mpi_kernels");

	MPI_Finalize();
	return failed;
}
