/* A command line: one argument a line. */
#include "config.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "options.h"

enum { MOST = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = wl_malloc(size + 1, 1), *next = text, *line;
	char *argv[MOST + 1] = { "waferllm" }, shown[256];
	struct wl_error err;
	struct options o;
	int argc = 1;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	while (argc < MOST && (line = strsep(&next, "\n")))
		argv[argc++] = line;
	if (options_parse(argc, argv, &o, &err) == 0)
		options_echo(&o, shown, sizeof shown);
	else if (strchr(err.text, '\n'))
		__builtin_trap();
	free(text);
	return 0;
}
