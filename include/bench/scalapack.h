/* A matrix product by ScaLAPACK, to compare the speed of the host with: block
 * cyclic over all ranks, with whatever messages its authors chose. Nothing of
 * it is emulated, and nothing of the emulated wafer uses it. The only user of
 * BLACS and PBLAS. */
#ifndef WL_SCALAPACK_H
#define WL_SCALAPACK_H

#include <mpi.h>
#include <stdbool.h>

#include "base/error.h"

/* Whether this program has ScaLAPACK. */
bool scalapack_built(void);

/* C[m][n] = A[m][k] B[k][n], in float. a and b give an operand's element at a
 * row and column of the whole matrix, the same on every rank; each rank asks
 * for those that it holds. c, unless NULL, gets every element of C that this
 * rank holds, once: each belongs to one rank. */
struct scalapack_gemm {
	int rows, cols;  /* of the process grid */
	int m, k, n;     /* at least 1 */
	float (*a)(void *of, int row, int col);
	float (*b)(void *of, int row, int col);
	void (*c)(void *of, int row, int col, float value);
	void *of;        /* what a, b and c are given */
};

/* Multiplies `repeat` times, each time after a barrier; seconds[repeat] of the
 * host, this rank's. Collective over comm, whose rows * cols ranks lie row by
 * row in the process grid as in a Cartesian mesh. BLAS gets one thread in each
 * rank, for good. 0, or -1 and err, on all ranks: the program was built without
 * ScaLAPACK, or a rank's piece is larger than it can address. */
int scalapack_gemm(MPI_Comm comm, const struct scalapack_gemm *g, int repeat,
                   double *seconds, struct wl_error *err);

#endif
