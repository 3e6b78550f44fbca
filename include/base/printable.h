/* Control characters in text that came out of a model or a file: C0 (below
 * U+0020), DEL and C1 (U+0080 to U+009F). A terminal obeys them, so messages
 * replace them and the answer of a model shows them. Not collective. */
#ifndef WL_PRINTABLE_H
#define WL_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Replaces each control character of a line, in place, by '?': newline and tab
 * too, and the bytes 0x80 to 0x9f where they are part of no UTF-8 character.
 * Text that becomes shorter keeps its NUL. */
void printable_mask(char *line);

/* A text that arrives in pieces, which may end inside a character. Zeroed:
 * nothing has arrived yet. */
struct printable {
	unsigned char held[4];  /* the start of a character */
	size_t n;               /* bytes of it */
};

/* Writes a piece to out: control characters but newline and tab, and bytes that
 * are not UTF-8, as \x1b, with the code point or the byte in hexadecimal. An
 * incomplete character waits for the next piece. The caller checks out. */
void printable_put(struct printable *p, const char *text, size_t len,
                   FILE *out);
/* Writes what waits, at the end of the text. */
void printable_end(struct printable *p, FILE *out);

#endif
