#include "config.h"
#include "base/printable.h"

#include <stdbool.h>
#include <string.h>

#define INCOMPLETE 0
#define INVALID    (-1)

/* Length of the character with this lead byte; 0: it is none. 0xc0 and 0xc1
 * could only start overlong encodings of ASCII. */
static int announced(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Length of the UTF-8 character at p, of which n >= 1 bytes are available; or
 * INCOMPLETE or INVALID. The range of the second byte excludes overlong forms,
 * surrogates and code points beyond U+10FFFF. */
static int character(const unsigned char *p, size_t n)
{
	int len = announced(p[0]);
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

	if (len == 0)
		return INVALID;
	for (int i = 1; i < len && i < (int)n; i++) {
		if (p[i] < low || p[i] > high)
			return INVALID;
		low = 0x80;
		high = 0xbf;
	}
	return len > (int)n ? INCOMPLETE : len;
}

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
		int len = character(from, left);
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

/* Writes the pending characters; unless this is the end, keeps one that more
 * bytes may complete. */
static void settle(struct printable *p, FILE *out, bool end)
{
	while (p->n > 0) {
		int len = character(p->pending, p->n);

		if (len == INCOMPLETE && !end)
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
