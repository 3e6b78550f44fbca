/* Template: defines the innermost loops for one level of vector instructions.
 * The including file sets LANES_LEVEL (lanes.h) and LANES_LOOPS, the name of
 * the table. */
#include "convert_lanes.h"
#include "loops.h"
#include "vec_gemm_lanes.h"
#include "vec_gemv_lanes.h"

const struct loops LANES_LOOPS = {
	.gemm = LANES_TABLE(gemm),
	.gemv = LANES_TABLE(gemv),
	.panels = LANES_TABLE(panels),
	.widen = LANES_TABLE(widen),
	.narrow = LANES_TABLE(narrow),
};
