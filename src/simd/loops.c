#include "config.h"
#include "loops.h"

#include "simd/simd.h"

const struct loops *loops(void)
{
	static const struct loops *const table[SIMD_LEVELS] = {
		[SIMD_PLAIN] = &loops_plain,
#ifdef SIMD_X86
		[SIMD_V3] = &loops_v3,
		[SIMD_V4] = &loops_v4,
#endif
	};

	return table[simd_level()];
}
