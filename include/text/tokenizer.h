/* Text <-> token ids, by byte-pair encoding as the vocabulary says. Used by
 * the leader and by import only. */
#ifndef WL_TOKENIZER_H
#define WL_TOKENIZER_H

#include <stddef.h>

#include "base/error.h"
#include "text/vocab.h"

struct tokenizer;

/* Builds the look-up tables; keeps its own copy of the vocabulary. name is
 * for messages. Returns NULL and fills err for a vocabulary that vocab_check
 * refuses, or one that needs a library this build lacks. The caller frees
 * with tokenizer_free. Not collective. */
struct tokenizer *tokenizer_new(const struct vocab *v, const char *name,
                                struct wl_error *err);
void tokenizer_free(struct tokenizer *t);

/* The vocabulary that t was made from; owned by t. */
const struct vocab *tokenizer_vocab(const struct tokenizer *t);

/* Encodes len bytes of UTF-8, with BOS in front where the vocabulary has
 * one. *ids (the caller frees it) receives *n ids; an empty text is BOS
 * alone, or no id. In this order: normal form C where the vocabulary wants it
 * (Hugging Face looks for some of the user's pieces before); the user's
 * pieces are found, from the left, the longest first, each an id by itself;
 * every section between them gets a space in front as the vocabulary says and
 * is cut into words; words are joined. U+2581 stands for itself, not for a
 * space, so that it comes back. Time O(len log len). 0, or -1 and err when
 * the text is not valid UTF-8, holds a NUL, a byte has no piece, or a library
 * is missing or gives up. Texts of special (control) tokens are plain text. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     int **ids, size_t *n, struct wl_error *err);

/* The same, but special pieces (PIECE_CONTROL, PIECE_UNKNOWN) are found in the
 * text before anything is done to it, from the left, the longest first, and
 * become their ids; the stretches between them are encoded as above. BOS is
 * not put in front of a text that starts with it. */
int tokenizer_encode_special(const struct tokenizer *t, const char *text,
                             size_t len, int **ids, size_t *n,
                             struct wl_error *err);

/* The first special piece in a text that tokenizer_encode takes as plain text;
 * NULL when it holds none. Points into t, *piece_len bytes. */
const char *tokenizer_find_special(const struct tokenizer *t, const char *text,
                                   size_t len, size_t *piece_len);

/* The bytes that id adds to a text whose last token is prev (after BOS the
 * space that add_space put there is dropped; control pieces are empty). What
 * nfc changed stays changed, and a space behind a user's piece stays there.
 * Points into t; *len receives the length. prev = -1 at the start of a text. */
const char *tokenizer_decode(const struct tokenizer *t, int prev, int id,
                             size_t *len);

/* Offset of the first byte that is not part of valid UTF-8 (overlong forms
 * and surrogates are invalid) or is NUL; len when there is none. */
size_t utf8_invalid(const char *text, size_t len);

#endif
