#include "config.h"
#include "base/row.h"

#include <stdarg.h>
#include <stdlib.h>

void row_add(struct row *r, int width, const char *fmt, ...)
{
	char cell[256];
	int start = r->edge, n, room = sizeof r->text - r->len;
	va_list ap;

	va_start(ap, fmt);
	n = vsnprintf(cell, sizeof cell, fmt, ap);
	va_end(ap);
	r->edge += abs(width);
	if (width > 0)
		start = r->edge - n;
	if (r->len > 0 && start <= r->len)
		start = r->len + 1;
	if (start < 0)
		start = 0;
	n = snprintf(r->text + r->len, room, "%*s%s", start - r->len, "", cell);
	r->len += n < room ? n : room - 1;
}
