/* Conversions between element types and float. Rounding is to nearest, ties to
 * even; overflow gives infinity, a NaN becomes a quiet NaN, subnormals are
 * kept. The processor's instructions are used where it has them, with the same
 * bits as the C code. Not collective; no function here fails. */
#ifndef WL_CONVERT_H
#define WL_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/type.h"

/* One binary16 or bfloat16 number, as its bits. */
float wl_f16_to_f32(uint16_t h);
uint16_t wl_f32_to_f16(float f);
float wl_bf16_to_f32(uint16_t h);
uint16_t wl_f32_to_bf16(float f);

/* Convert n elements of type t (little-endian, as in a checkpoint) to float and
 * back. src and dst must not overlap; neither needs to be aligned. */
void wl_to_f32(float *dst, const void *src, enum wl_type t, size_t n);
void wl_from_f32(void *dst, const float *src, enum wl_type t, size_t n);

/* Converts n elements of one type to another, via float. src and dst must not
 * overlap; neither needs to be aligned. */
void wl_convert(void *dst, enum wl_type to, const void *src,
                enum wl_type from, size_t n);

/* Rounds x[n] in place to values of type t, as when a core stores them in its
 * memory. */
void wl_round(float *x, enum wl_type t, size_t n);

/* Whether all n elements of type t at p are finite. p must be aligned for the
 * type. */
bool wl_all_finite(const void *p, enum wl_type t, size_t n);

#endif
