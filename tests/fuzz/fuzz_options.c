/* A command line: one argument a line. */
#include "config.h"
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

enum { MOST = 32 };

/* Strings are terminated, and numbers can be written to a report. */
static void look_at_values(const struct options *o)
{
	struct option_value v;

	for (size_t i = 0; i < options_count(); i++)
		if (options_get(o, i, &v) &&
		    ((v.kind == OPTION_TEXT && !strlen(v.text)) ||
		     (v.kind == OPTION_NUMBER && !isfinite(v.number))))
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = wl_malloc(size + 1, 1), *next = text, *line;
	char *argv[MOST + 1] = { "waferllm" };
	struct wl_error err;
	struct options o;
	int argc = 1;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	while (argc < MOST && (line = strsep(&next, "\n")))
		argv[argc++] = line;
	if (options_parse(argc, argv, &o, &err) == 0)
		look_at_values(&o);
	else if (strchr(err.text, '\n'))
		__builtin_trap();
	free(text);
	return 0;
}
