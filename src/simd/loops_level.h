/* All innermost loops for one level: LANES_LEVEL, whose table is LANES_LOOPS. */
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
