/* What happens to a text before byte-pair encoding: normalization, and cutting
 * into words. Not collective. */
#ifndef WL_PRETOKENIZER_H
#define WL_PRETOKENIZER_H

#include <stddef.h>

#include "base/error.h"
#include "text/vocab.h"

struct pretokenizer;

/* The pre-tokenizer for a pattern other than WORDS_NONE. NULL and err when this
 * build has no PCRE2. The caller frees with pretokenizer_free. */
struct pretokenizer *pretokenizer_new(enum word_split split,
                                      struct wl_error *err);
void pretokenizer_free(struct pretokenizer *s);

/* The length in bytes, at least 1, of the word that starts at section[at],
 * at < len. Text that the pattern does not match is one word, up to the next
 * match. section[0..len) is valid UTF-8. 0 and err when PCRE2 gives up, as it
 * does on runs of 10 million white-space characters. */
size_t pretokenizer_word(const struct pretokenizer *s, const char *section,
                         size_t len, size_t at, struct wl_error *err);

/* The text, valid UTF-8, in Unicode's normal form C (NFC): *out_len bytes,
 * which the caller frees. NULL and err when the text is not ASCII and this
 * build has no utf8proc. */
char *text_nfc(const char *text, size_t len, size_t *out_len,
               struct wl_error *err);

/* One line per library, "PCRE2 VERSION" and "utf8proc VERSION", or "none" for
 * one that this build lacks. Static storage. */
const char *pretokenizer_libraries(void);

#endif
