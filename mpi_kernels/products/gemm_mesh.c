/* MeshGEMM: Cannon's algorithm on the INTERLEAVE ring.
 *
 *   core (y,x) at step s holds   A(y,b), B(b,x)   with
 *   b = ring[(pos(x) + pos(y) - s) mod P]
 *
 *        B(b,x)                     each step:  C(y,x) += A(y,b) B(b,x)
 *          |  two hops on y                     A one ring step along x
 *   A(y,b) C(y,x)                               B one ring step along y
 *     -- two hops on x
 *
 * After P steps all blocks have passed, A and B are where they began and C
 * lies at home. The sum at a core runs over s, and within a tile over k.
 *
 * Where the grid has unequal sides, P is their least common multiple and the
 * grid a P x P one of which each core has several places; all rows of a core
 * belong to its first place along y, all columns to its first along x, and its
 * other places hold blocks of k that pass.
 *
 * Source: WaferLLM (OSDI'25), section 5.3. */
#include "config.h"
#include "gemm_common.h"

void gemm_mesh(const struct gemm *p)
{
	gemm_run_rings(p);
}
