#include "config.h"
#include "show_file.h"

#include <limits.h>

#include "base/datafile.h"
#include "base/printable.h"

void show_file(FILE *out, const char *folder, const char *name)
{
	char path[PATH_MAX];

	if (!datafile_find(folder, name, path))
		snprintf(path, sizeof path, "%s", name);
	printable_mask(path);
	fprintf(out, "%-*s%s\n", SHOW_INDENT, "file", path);
}
