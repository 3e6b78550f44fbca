/* GGUF's packed element types: numbers of a few bits in blocks of 32 or 256
 * elements along a row, with scales of their own. unpack.c gives the layout of
 * each type. */
#ifndef WL_UNPACK_H
#define WL_UNPACK_H

/* Unpacks one block into to[32] or to[256]. The floats are those that ggml's
 * own dequantization computes, bit for bit: scale, minimum and number are
 * short enough for their products to be exact in float32, so that each value
 * is rounded once at most, wherever the compiler contracts or not. (Only
 * Q6_K's last product has 25 bits: that is its one rounding.) A scale that is
 * not finite comes through as a value that is not. */
typedef void unpack_block(float *to, const unsigned char *block);

/* 32 elements. */
unpack_block unpack_q8_0, unpack_q4_0, unpack_q4_1, unpack_q5_0, unpack_q5_1,
             unpack_iq4_nl;
/* 256 elements. */
unpack_block unpack_q2_k, unpack_q3_k, unpack_q4_k, unpack_q5_k, unpack_q6_k,
             unpack_iq4_xs;

#endif
