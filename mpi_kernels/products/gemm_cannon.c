/* Cannon's algorithm on lines without wrap-around links.
 *
 *   core (y,x) at step s holds   A(y,b), B(b,x)   with  b = (x + y - s) mod P
 *
 *   A   o -> o -> o -> o     each step: one core on, and the last tile home
 *       ^______________|     over all others, which only route it
 *
 * All else is as in gemm_mesh.c, of which this differs by the ring.
 *
 * Source: Cannon (1969); WaferLLM (OSDI'25), section 5.1. */
#include "config.h"
#include "gemm_common.h"

void gemm_cannon(const struct gemm *p)
{
	gemm_run_rings(p);
}
