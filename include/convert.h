/* Element types <-> float, with defined rounding: to nearest, ties to even;
 * overflow to infinity, NaN stays NaN, subnormals kept. */
#ifndef WL_CONVERT_H
#define WL_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

float wl_f16_to_f32(uint16_t h);
uint16_t wl_f32_to_f16(float f);
float wl_bf16_to_f32(uint16_t h);
uint16_t wl_f32_to_bf16(float f);

/* n elements of type t (little-endian, as in a checkpoint) to float and
 * back. src and dst do not overlap. */
void wl_to_f32(float *dst, const void *src, enum wl_type t, size_t n);
void wl_from_f32(void *dst, const float *src, enum wl_type t, size_t n);

#endif
