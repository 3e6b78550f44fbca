/* Control characters in text from a model or a file: C0 (below U+0020), DEL and
 * C1 (U+0080 to U+009F). A terminal would act on them, so messages replace them
 * and the model's text shows them escaped. Not collective. */
#ifndef WL_PRINTABLE_H
#define WL_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Replaces each control character of a string, in place, by '?', including
 * newline and tab, and bytes 0x80 to 0x9f that are not part of a UTF-8
 * character. The string may become shorter. */
void printable_mask(char *line);

/* State of a text that arrives in pieces, which may end within a character.
 * Initialize with zeros. */
struct printable {
	unsigned char pending[4]; /* the start of a character */
	size_t n;                 /* its bytes */
};

/* Writes a piece to out. Control characters other than newline and tab, and
 * bytes that are not UTF-8, are written as \xHH, the code point or byte in
 * hexadecimal. An incomplete character is kept for the next piece. The caller
 * checks out for errors. */
void printable_put(struct printable *p, const char *text, size_t len,
                   FILE *out);
/* Writes the pending bytes, at the end of the text. */
void printable_end(struct printable *p, FILE *out);

#endif
