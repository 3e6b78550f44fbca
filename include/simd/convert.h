/* Element types <-> float, with defined rounding: to nearest, ties to even;
 * overflow to infinity, NaN stays NaN and becomes quiet, subnormals kept. By
 * the processor's instructions where it has them, else in C: the same bits. */
#ifndef WL_CONVERT_H
#define WL_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/type.h"

float wl_f16_to_f32(uint16_t h);
uint16_t wl_f32_to_f16(float f);
float wl_bf16_to_f32(uint16_t h);
uint16_t wl_f32_to_bf16(float f);

/* n elements of type t (little-endian, as in a checkpoint and in memory) to
 * float and back. src and dst do not overlap, and may lie at odd addresses. */
void wl_to_f32(float *dst, const void *src, enum wl_type t, size_t n);
void wl_from_f32(void *dst, const float *src, enum wl_type t, size_t n);

/* n elements of one type to another, by way of float. */
void wl_convert(void *dst, enum wl_type to, const void *src,
                enum wl_type from, size_t n);

/* Rounds n floats to what elements of the type can hold, as when a core has
 * put them in its memory. */
void wl_round(float *x, enum wl_type t, size_t n);

/* Whether none of n elements of type t, at an address that suits them, is a
 * NaN or infinite. */
bool wl_all_finite(const void *p, enum wl_type t, size_t n);

#endif
