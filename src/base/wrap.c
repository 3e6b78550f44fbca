#include "config.h"
#include "base/wrap.h"

#include <stdarg.h>
#include <string.h>

#include "base/names.h"
#include "base/printable.h"

#define COLUMNS 80

/* Number of bytes of s that go on a line of at most `width` columns: up to the
 * last comma, else up to the last blank, else the whole width. */
static int piece(const char *s, int width)
{
	int n = strlen(s), comma = 0, blank = 0;

	if (n <= width)
		return n;
	for (int i = 1; i <= width; i++) {
		if (s[i] != ' ')
			continue;
		blank = i;
		if (strchr(",;", s[i - 1]))
			comma = i;
	}
	/* Not within a UTF-8 character. */
	while (width > 1 && ((unsigned char)s[width] & 0xc0) == 0x80)
		width--;
	/* Not after a comma that leaves much of the line empty. */
	if (comma > width * 3 / 5)
		return comma;
	return blank ? blank : width;
}

void wrap_print(const struct wrap *w, const char *head, const char *fmt, ...)
{
	int edge = COLUMNS - (int)strlen(w->prefix);
	int at = head ? strlen(head) : 0;
	char text[4096], *s = text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printable_mask(text);
	if (head && at < w->indent)
		at = w->indent;
	else if (!head)
		head = "";
	do {
		int n = piece(s, edge - at);

		fprintf(w->out, "%s%-*s%.*s\n", w->prefix, at, head, n, s);
		s += n;
		s += strspn(s, " ");
		head = "";
		at = w->indent;
	} while (*s);
}

void wrap_list_add(struct wrap_list *l, const char *fmt, ...)
{
	char item[sizeof l->text];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(item, sizeof item, fmt, ap);
	va_end(ap);
	names_add(l->text, sizeof l->text, ", ", item);
}
