/* The innermost loops for x86-64-v4 (AVX-512). */
#include "config.h"
#include "simd/simd.h"

#ifdef SIMD_X86
#define LANES_LEVEL 4
#define LANES_LOOPS loops_v4
#include "loops_level.h"
#endif
