/* Conversion between text and token ids by byte-pair encoding, with the
 * settings of the vocabulary. Used by the leader and by import only; nothing
 * here is collective. */
#ifndef WL_TOKENIZER_H
#define WL_TOKENIZER_H

#include <stddef.h>

#include "base/error.h"
#include "text/vocab.h"

struct tokenizer;

/* Copies the vocabulary and builds the look-up tables. name identifies it in
 * error messages. NULL and err when vocab_check refuses the vocabulary or this
 * build lacks a library that it needs. The caller frees with
 * tokenizer_free. */
struct tokenizer *tokenizer_new(const struct vocab *v, const char *name,
                                struct wl_error *err);
void tokenizer_free(struct tokenizer *t);

/* The tokenizer's copy of its vocabulary; owned by t. */
const struct vocab *tokenizer_vocab(const struct tokenizer *t);

/* Encodes text[len], UTF-8, and prepends BOS if the vocabulary has one. *ids
 * receives *n ids, which the caller frees; an empty text gives BOS alone or no
 * id. The texts of special pieces are treated as plain text. The steps are:
 * 1. If the vocabulary asks for it, normalize to NFC. (Hugging Face finds some
 *    of the user's pieces before that.)
 * 2. Find the user's pieces from the left, the longest first; each becomes its
 *    id.
 * 3. Add a space to each section between them as the vocabulary says, and cut
 *    it into words.
 * 4. Join the symbols of each word (bpe.h).
 * U+2581 is not treated as a space, so that decoding returns it. Time
 * O(len log len). 0, or -1 and err when the text is not valid UTF-8 or contains
 * NUL, a byte has no piece, or a library is missing or gives up. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     int **ids, size_t *n, struct wl_error *err);

/* Like tokenizer_encode, but special pieces (PIECE_CONTROL, PIECE_UNKNOWN) are
 * found first, from the left, the longest first, and become their ids; the
 * segments between them are encoded as above. BOS is not prepended to a text
 * that starts with it. */
int tokenizer_encode_special(const struct tokenizer *t, const char *text,
                             size_t len, int **ids, size_t *n,
                             struct wl_error *err);

/* The first special piece in the text, which tokenizer_encode would treat as
 * plain text; NULL when there is none. Points into t, *piece_len bytes. */
const char *tokenizer_find_special(const struct tokenizer *t, const char *text,
                                   size_t len, size_t *piece_len);

/* The bytes that id appends to a text whose last token is prev; prev = -1 at
 * the start of a text. Control pieces are empty. The space that add_space put
 * after BOS is removed; one that it put after a user's piece stays, and so does
 * the normalization. Points into t; *len receives the length. */
const char *tokenizer_decode(const struct tokenizer *t, int prev, int id,
                             size_t *len);

#endif
