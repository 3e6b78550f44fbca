/* What is done to a text before symbols are joined: normal form and words. */
#ifndef WL_PRETOKENIZER_H
#define WL_PRETOKENIZER_H

#include <stddef.h>

#include "base/error.h"
#include "text/vocab.h"

struct pretokenizer;

/* The splitter for a pattern other than WORDS_NONE. NULL and err when this
 * build has no PCRE2. The caller frees with pretokenizer_free. Not collective. */
struct pretokenizer *pretokenizer_new(enum word_split split,
                                      struct wl_error *err);
void pretokenizer_free(struct pretokenizer *s);

/* The length of the word that starts at section[at], at < len: at least one
 * byte; what the pattern does not cover is one word up to where it matches
 * again. section[len] is valid UTF-8 and no word crosses its ends. 0 and err
 * when PCRE2 gives up, as it does where 10 million characters of white space
 * follow each other. */
size_t pretokenizer_word(const struct pretokenizer *s, const char *section,
                     size_t len, size_t at, struct wl_error *err);

/* The text, valid UTF-8, in Unicode's normal form C; *out_len bytes that the
 * caller frees. NULL and err when a text that is not ASCII needs it and this
 * build has no utf8proc. */
char *text_nfc(const char *text, size_t len, size_t *out_len,
               struct wl_error *err);

/* Names and versions of the libraries that this build has for these, or that
 * it has none; a line each. Static storage. */
const char *pretokenizer_libraries(void);

#endif
