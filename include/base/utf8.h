/* Validation of UTF-8 as RFC 3629 defines it: overlong forms, surrogates and
 * numbers above U+10FFFF are invalid. Not collective. */
#ifndef WL_UTF8_H
#define WL_UTF8_H

#include <stddef.h>

#define UTF8_INCOMPLETE 0
#define UTF8_INVALID    (-1)

/* Bytes of the character at p, 1 to 4, of which n >= 1 bytes are available.
 * UTF8_INCOMPLETE when all n bytes are the start of a longer character;
 * UTF8_INVALID when no character starts with them. */
int utf8_length(const unsigned char *p, size_t n);

/* Offset of the first byte of text[len] that is not part of a valid character
 * or is NUL; len when there is none. */
size_t utf8_invalid(const char *text, size_t len);

#endif
