/* Blocks are dealt out cyclically over the process grid, here 2 x 2:
 *
 *     (0,0) (0,1) (0,0) (0,1) ..     a rank keeps its blocks together, column
 *     (1,0) (1,1) (1,0) (1,1) ..     by column, as one matrix of Fortran's;
 *     (0,0) (0,1) (0,0) (0,1) ..     its element l along a dimension is number
 *      ..                            (l / b * procs + mine) * b + l % b of all
 *
 * psgemm then broadcasts columns of A's blocks and rows of B's much as SUMMA
 * does (van de Geijn, Watts, 1997; Choi et al., PBLAS, 1995). */
#include "config.h"
#include "bench/scalapack.h"

#ifdef HAVE_SCALAPACK

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

#include "host/host.h"

/* Neither BLACS nor PBLAS has headers of its own. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridinfo(int context, int *rows, int *cols, int *row, int *col);
void Cblacs_gridexit(int context);
int numroc_(const int *n, const int *block, const int *local, const int *first,
            const int *procs);
void descinit_(int *desc, const int *m, const int *n, const int *row_block,
               const int *col_block, const int *first_row,
               const int *first_col, const int *context, const int *lead,
               int *info);
void psgemm_(const char *transa, const char *transb, const int *m, const int *n,
             const int *k, const float *alpha, const float *a, const int *ia,
             const int *ja, const int *desca, const float *b, const int *ib,
             const int *jb, const int *descb, const float *beta, float *c,
             const int *ic, const int *jc, const int *descc);

/* What the blocks of large matrices are: enough for BLAS to work with, small
 * against a rank's piece. */
#define BLOCK 64

static const int zero = 0, one = 1;

/* A dimension dealt out over one side of the process grid. */
struct deal {
	int n, block, procs, local;
	int held;  /* elements that this rank has */
};

/* A matrix dealt out both ways, and this rank's piece of it. */
struct dealt {
	struct deal row, col;
	int desc[9];
	float *data;   /* [col.held][row.held] */
};

/* The process grid. */
struct blacs {
	int handle, context;
	int rows, cols, row, col;
};

/* As many blocks as there are processes at the least, if it has so many
 * elements: a process without one would be idle. */
static int block_of(int n, int procs)
{
	int block = n / procs;

	return block < 1 ? 1 : block > BLOCK ? BLOCK : block;
}

static struct deal deal_of(int n, int block, int procs, int local)
{
	struct deal d = { n, block, procs, local, 0 };

	d.held = numroc_(&n, &block, &local, &zero, &procs);
	return d;
}

static int element(const struct deal *d, int held)
{
	return (held / d->block * d->procs + d->local) * d->block +
	       held % d->block;
}

static void describe(struct dealt *x, const struct blacs *g)
{
	const struct deal *r = &x->row, *c = &x->col;
	int lead = r->held > 0 ? r->held : 1, info;

	descinit_(x->desc, &r->n, &c->n, &r->block, &c->block, &zero, &zero,
	          &g->context, &lead, &info);
	if (info)
		wl_die("ScaLAPACK: descinit of %d x %d says %d", r->n, c->n,
		       info);
	x->data = wl_calloc((size_t)lead * (c->held > 0 ? c->held : 1),
	                    sizeof *x->data);
}

static void fill(struct dealt *x, float (*value)(void *, int, int), void *of)
{
	float *to = x->data;

	for (int j = 0; j < x->col.held; j++)
		for (int i = 0; i < x->row.held; i++)
			*to++ = value(of, element(&x->row, i),
			              element(&x->col, j));
}

static void hand_over(const struct dealt *x,
                      void (*take)(void *, int, int, float), void *of)
{
	const float *from = x->data;

	for (int j = 0; j < x->col.held; j++)
		for (int i = 0; i < x->row.held; i++)
			take(of, element(&x->row, i), element(&x->col, j),
			     *from++);
}

/* The operands and the product, A, B, C. k lies along both sides of the
 * process grid, in blocks of one size. */
static void deal_out(struct dealt x[3], const struct scalapack_gemm *p,
                     const struct blacs *g)
{
	int bm = block_of(p->m, p->rows), bn = block_of(p->n, p->cols);
	int bk = block_of(p->k, p->rows > p->cols ? p->rows : p->cols);

	x[0].row = x[2].row = deal_of(p->m, bm, p->rows, g->row);
	x[1].col = x[2].col = deal_of(p->n, bn, p->cols, g->col);
	x[0].col = deal_of(p->k, bk, p->cols, g->col);
	x[1].row = deal_of(p->k, bk, p->rows, g->row);
	for (int i = 0; i < 3; i++)
		describe(&x[i], g);
}

static void multiply(const struct scalapack_gemm *p, const struct dealt x[3])
{
	const float alpha = 1, beta = 0;

	psgemm_("N", "N", &p->m, &p->n, &p->k, &alpha, x[0].data, &one, &one,
	        x[0].desc, x[1].data, &one, &one, x[1].desc, &beta, x[2].data,
	        &one, &one, x[2].desc);
}

/* A BLAS with threads would take every core of the host for each rank. Which
 * BLAS it is shows when the program is loaded (Debian has alternatives), so
 * its setter is looked up by name. */
static void use_one_thread(void)
{
	static const char *const setters[] = {
		"openblas_set_num_threads", "MKL_Set_Num_Threads",
		"omp_set_num_threads",
	};
	void *self = dlopen(NULL, RTLD_LAZY);

	for (size_t i = 0; self && i < sizeof setters / sizeof *setters; i++) {
		void (*set)(int) = (void (*)(int))dlsym(self, setters[i]);

		if (set)
			set(1);
	}
	if (self)
		dlclose(self);
}

/* PBLAS counts the bytes of a rank's piece in an int. Process (0,0) has the
 * most of each, so all ranks find the same. */
static int check_pieces(const struct scalapack_gemm *p, struct wl_error *err)
{
	const int sides[3][2] = { { p->m, p->k }, { p->k, p->n },
	                          { p->m, p->n } };

	for (int i = 0; i < 3; i++) {
		double rows = sides[i][0] / p->rows + BLOCK;
		double cols = sides[i][1] / p->cols + BLOCK;

		if (rows * cols * sizeof(float) > INT_MAX)
			return wl_error_set(err, "--algo scalapack: %d x %d "
			                    "elements are too many for %d x %d"
			                    " ranks", sides[i][0], sides[i][1],
			                    p->rows, p->cols);
	}
	return 0;
}

static void open_grid(struct blacs *g, MPI_Comm comm, int rows, int cols)
{
	g->context = g->handle = Csys2blacs_handle(comm);
	Cblacs_gridinit(&g->context, "Row", rows, cols);
	Cblacs_gridinfo(g->context, &g->rows, &g->cols, &g->row, &g->col);
	if (g->rows != rows || g->cols != cols)
		wl_die("BLACS: no grid of %d x %d processes", rows, cols);
}

static void close_grid(const struct blacs *g)
{
	Cblacs_gridexit(g->context);
	Cfree_blacs_system_handle(g->handle);
}

bool scalapack_built(void)
{
	return true;
}

int scalapack_gemm(MPI_Comm comm, const struct scalapack_gemm *g, int repeat,
                   double *seconds, struct wl_error *err)
{
	struct blacs grid;
	struct dealt x[3];

	if (check_pieces(g, err))
		return -1;
	use_one_thread();
	open_grid(&grid, comm, g->rows, g->cols);
	deal_out(x, g, &grid);
	fill(&x[0], g->a, g->of);
	fill(&x[1], g->b, g->of);
	for (int i = 0; i < repeat; i++) {
		MPI_Barrier(comm);
		double start = host_seconds();

		multiply(g, x);
		seconds[i] = host_seconds() - start;
	}
	if (g->c)
		hand_over(&x[2], g->c, g->of);
	for (int i = 0; i < 3; i++)
		free(x[i].data);
	close_grid(&grid);
	return 0;
}

#else

bool scalapack_built(void)
{
	return false;
}

int scalapack_gemm(MPI_Comm comm, const struct scalapack_gemm *g, int repeat,
                   double *seconds, struct wl_error *err)
{
	(void)comm, (void)g, (void)repeat, (void)seconds;
	return wl_error_set(err, "--algo scalapack: this waferllm was built "
	                    "without ScaLAPACK (libscalapack-openmpi-dev in "
	                    "Debian, netlib-scalapack in Spack)");
}

#endif
