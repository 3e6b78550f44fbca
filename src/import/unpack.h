/* GGUF's packed element types: blocks of 32 or 256 numbers of a few bits along
 * a row, each block with its own scales. unpack.c gives the layout of each
 * type. */
#ifndef WL_UNPACK_H
#define WL_UNPACK_H

/* Unpacks one block into to[32] or to[256]. The floats have the same bits as
 * those of ggml's own dequantization: products of scale, minimum and number
 * are short enough to be exact in float32, so each value is rounded at most
 * once, whether or not the compiler contracts operations. (Q6_K's last product
 * has 25 bits; its rounding is the only one.) A scale that is not finite gives
 * values that are not finite. */
typedef void unpack_block(float *to, const unsigned char *block);

/* 32 elements. */
unpack_block unpack_q8_0, unpack_q4_0, unpack_q4_1, unpack_q5_0, unpack_q5_1,
             unpack_iq4_nl;
/* 256 elements. */
unpack_block unpack_q2_k, unpack_q3_k, unpack_q4_k, unpack_q5_k, unpack_q6_k,
             unpack_iq4_xs;

#endif
