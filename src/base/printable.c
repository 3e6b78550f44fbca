#include "config.h"
#include "base/printable.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* Whether the character of len bytes is a control character. */
static bool is_control(const unsigned char *p, int len)
{
	return len == 1 ? p[0] < ' ' || p[0] == 0x7f
	                : len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

void printable_mask(char *line)
{
	const unsigned char *from = (unsigned char *)line;
	size_t left = strlen(line);
	char *to = line;

	while (left > 0) {
		int len = utf8_length(from, left);
		bool bad = len > 0 ? is_control(from, len)
		                   : from[0] >= 0x80 && from[0] < 0xa0;

		if (len <= 0)
			len = 1;
		if (bad)
			*to++ = '?';
		else
			to = (char *)memmove(to, from, len) + len;
		from += len;
		left -= len;
	}
	*to = '\0';
}

/* Writes the characters that are held, but for one that more bytes may
 * complete unless this is the end. */
static void settle(struct printable *p, FILE *out, bool end)
{
	while (p->n > 0) {
		int len = utf8_length(p->pending, p->n);

		if (len == UTF8_INCOMPLETE && !end)
			return;
		if (len > 0 && (!is_control(p->pending, len) ||
		                p->pending[0] == '\n' || p->pending[0] == '\t'))
			fwrite(p->pending, 1, len, out);
		else
			fprintf(out, "\\x%02x",
			        p->pending[len > 0 ? len - 1 : 0]);
		if (len <= 0)
			len = 1;
		p->n -= len;
		memmove(p->pending, p->pending + len, p->n);
	}
}

void printable_put(struct printable *p, const char *text, size_t len, FILE *out)
{
	for (size_t i = 0; i < len; i++) {
		p->pending[p->n++] = text[i];
		settle(p, out, false);
	}
}

void printable_end(struct printable *p, FILE *out)
{
	settle(p, out, true);
}
