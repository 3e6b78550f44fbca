#include "config.h"
#include "kernels.h"

#include "simd.h"

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

void vec_gemv(size_t k, size_t n, const float *x, size_t stride,
              enum wl_type type, const void *w, size_t ldw, float *y)
{
	kernels()->gemv[type](k, n, x, stride, w, ldw, y);
}

void vec_gemv_streams(size_t count, const struct vec_stream *streams, size_t n,
                      enum wl_type type)
{
	kernels()->panels[type](count, streams, n);
}
