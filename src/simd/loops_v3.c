/* The innermost loops for x86-64-v3 (AVX2). */
#include "config.h"
#include "simd/simd.h"

#ifdef SIMD_X86
#define LANES_LEVEL 3
#define LANES_LOOPS loops_v3
#include "loops_level.h"
#endif
