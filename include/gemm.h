/* Matrix products on a core grid. One problem, one file per algorithm. */
#ifndef WL_GEMM_H
#define WL_GEMM_H

#include "tiles.h"

/* C = A B. A [m][k]: rows on y, k travelling on x; B [k][n]: k travelling on
 * y, columns on x; C [m][n] at home, ring axis x. Tiles are row-major. */
struct gemm {
	struct tiles *a, *b, *c;
};

/* MeshGEMM: A and B come skewed (tiles_skew) and leave skewed; as many steps
 * as the ring has cores, each a two-hop shift of both, overlapped with the
 * product of the tiles in hand. C's old content is lost. Collective over the
 * grid. Square grids only. Cost charged: m k n multiply-adds; each step the
 * longer of exchange and product, after the exchange's set-up.
 * Source: WaferLLM (OSDI'25), section 5.3. */
void gemm_mesh(const struct gemm *p);

#endif
