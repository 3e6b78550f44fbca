/* ScaLAPACK's product against a plain one, on every process grid: dimensions
 * that neither grid nor block divides, dimensions smaller than the grid, and
 * several blocks on a process. Every element of C comes from exactly one rank.
 */
/* ranks: 1 4 6 */
#include "config.h"
#include "bench/scalapack.h"

#include <stdlib.h>

#include "lab.h"
#include "mpi_kernels/ref.h"

/* One product: the operands' keys, and what this rank was handed of C. */
struct product {
	uint64_t a, b;
	int m, k, n;
	float *c;
	int *times;    /* that an element was handed over, on this rank */
};

static float a_element(void *of, int row, int col)
{
	const struct product *p = of;

	return made_uniform(p->a, (uint64_t)row * p->k + col);
}

static float b_element(void *of, int row, int col)
{
	const struct product *p = of;

	return made_uniform(p->b, (uint64_t)row * p->n + col);
}

static void take_element(void *of, int row, int col, float value)
{
	struct product *p = of;

	p->c[(size_t)row * p->n + col] = value;
	p->times[(size_t)row * p->n + col]++;
}

static float *whole(struct product *p, float (*value)(void *, int, int),
                    int rows, int cols)
{
	float *x = wl_malloc((size_t)rows * cols, sizeof *x);

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < cols; j++)
			x[(size_t)i * cols + j] = value(p, i, j);
	return x;
}

/* Each rank checks its elements; together they have every element once. */
static void check_product(struct lab *lab, struct product *p)
{
	float *a = whole(p, a_element, p->m, p->k);
	float *b = whole(p, b_element, p->k, p->n);
	double *want = wl_malloc((size_t)p->m * p->n, sizeof *want);

	ref_gemm(p->m, p->n, p->k, a, b, want);
	for (int i = 0; i < p->m * p->n; i++)
		if (p->times[i])
			CHECK(lab, lab_near(lab, p->c[i], want[i],
			                    1e-6 * p->k));
	MPI_Allreduce(MPI_IN_PLACE, p->times, p->m * p->n, MPI_INT, MPI_SUM,
	              MPI_COMM_WORLD);
	for (int i = 0; i < p->m * p->n; i++)
		CHECK(lab, p->times[i] == 1);
	free(want);
	free(b);
	free(a);
}

static void try_product(struct lab *lab, int rows, int cols, int m, int k,
                        int n)
{
	struct wl_error err = { .text = "" };
	double seconds[3] = { -1, -1, -1 };
	struct product p = { .m = m, .k = k, .n = n,
	                     .c = wl_calloc((size_t)m * n, sizeof *p.c),
	                     .times = wl_calloc((size_t)m * n,
	                                        sizeof *p.times) };
	const struct scalapack_gemm g = {
		.rows = rows, .cols = cols, .m = m, .k = k, .n = n,
		.a = a_element, .b = b_element, .c = take_element, .of = &p };

	lab_next(lab);
	p.a = made_key(lab->key, 1, 0);
	p.b = made_key(lab->key, 2, 0);
	CHECK(lab, scalapack_gemm(lab->mesh.cart, &g, 2, seconds, &err) == 0);
	CHECK(lab, seconds[0] >= 0 && seconds[1] >= 0 && seconds[2] == -1);
	check_product(lab, &p);
	free(p.times);
	free(p.c);
}

/* A rank's block that is too large to address is refused on every rank. */
static void try_too_large(struct lab *lab, int rows, int cols)
{
	struct wl_error err = { .text = "" };
	const struct scalapack_gemm g = {
		.rows = rows, .cols = cols, .m = rows * 30000, .k = 1,
		.n = cols * 30000 };

	lab_next(lab);
	CHECK(lab, scalapack_gemm(lab->mesh.cart, &g, 1, NULL, &err) == -1);
	CHECK(lab, strstr(err.text, "too many") != NULL);
}

static void try_process_grid(struct lab *lab, int rows, int cols)
{
	static const int odd[][3] = {
		{ 1, 1, 1 }, { 5, 3, 7 }, { 2, 90, 2 }, { 31, 17, 23 },
		{ 129, 67, 101 }, { 97, 211, 65 },
	};

	lab_open(lab, MPI_COMM_WORLD, rows, cols);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		try_product(lab, rows, cols, odd[i][0], odd[i][1], odd[i][2]);
	try_product(lab, rows, cols, dice_throw(&lab->dice, 1, 200),
	            dice_throw(&lab->dice, 1, 200),
	            dice_throw(&lab->dice, 1, 200));
	try_too_large(lab, rows, cols);
	lab_close(lab);
}

/* A build without ScaLAPACK refuses the product. */
static void try_refusal(struct lab *lab)
{
	struct wl_error err = { .text = "" };

	lab_next(lab);
	CHECK(lab, scalapack_gemm(MPI_COMM_WORLD, NULL, 1, NULL, &err) == -1);
	CHECK(lab, strstr(err.text, "built without ScaLAPACK") != NULL);
}

int main(int argc, char **argv)
{
	struct lab lab = { .dice.key = 4 };
	int size;

	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (!scalapack_built())
		try_refusal(&lab);
	for (int rows = 1; scalapack_built() && rows <= size; rows++)
		if (size % rows == 0)
			try_process_grid(&lab, rows, size / rows);
	int failed = lab_verdict(&lab, "mpi_scalapack");

	MPI_Finalize();
	return failed || scalapack_built() ? failed : 77;
}
