/* Byte-pair encoding of one word: its characters or bytes are joined, pair by
 * pair. Private to src/text; not collective. */
#ifndef WL_BPE_H
#define WL_BPE_H

#include <stddef.h>

#include "base/error.h"
#include "text/vocab.h"

struct bpe;

/* Builds the look-up tables for v, which must have passed vocab_check. name
 * identifies v in messages. Both must outlive the result, which the caller
 * frees with bpe_free. */
struct bpe *bpe_new(const struct vocab *v, const char *name);
void bpe_free(struct bpe *m);

/* Encodes word[len], valid UTF-8: stores its ids, at most one per byte, from
 * ids[*n] on and advances *n. Time O(len log len). 0, or -1 and err when a byte
 * has no piece. */
int bpe_word(const struct bpe *m, const char *word, size_t len, int *ids,
             size_t *n, struct wl_error *err);

#endif
