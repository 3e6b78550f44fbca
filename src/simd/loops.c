#include "config.h"
#include "loops.h"

#include "simd/simd.h"

const struct kernels *kernels(void)
{
	static const struct kernels *const of[SIMD_LEVELS] = {
		[SIMD_PLAIN] = &kernels_plain,
#ifdef SIMD_X86
		[SIMD_V3] = &kernels_v3,
		[SIMD_V4] = &kernels_v4,
#endif
	};

	return of[simd_level()];
}
