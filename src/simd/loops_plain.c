/* The innermost loops in plain C. */
#include "config.h"
#include "simd/simd.h"

#define LANES_LEVEL 0
#define LANES_LOOPS loops_plain
#include "loops_level.h"
