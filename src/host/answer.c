#include "config.h"
#include "host/answer.h"

#include <stdio.h>

#include "base/error.h"

/* Flushes standard output. open: the text ends in an unfinished line. */
static int flush(const struct answer *a, bool open)
{
	wl_start_lines(a->to.shared && open ? "\n" : "");
	return fflush(stdout) || ferror(stdout) ? -1 : 0;
}

int answer_print(struct answer *a, const char *text, size_t len)
{
	if (len == 0)
		return 0;
	if (a->to.terminal)
		printable_put(&a->printable, text, len, stdout);
	else
		fwrite(text, 1, len, stdout);
	return flush(a, text[len - 1] != '\n');
}

int answer_end(struct answer *a)
{
	printable_end(&a->printable, stdout);
	putchar('\n');
	return flush(a, false);
}
