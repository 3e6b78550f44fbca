#include "config.h"
#include "datafile.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool datafile_installed(void)
{
	return access(WL_DATADIR "/default.h5", R_OK) == 0;
}

const char *datafile_top(bool installed)
{
	return installed ? WL_DATADIR : WL_SRC_DATADIR;
}

bool datafile_find(const char *folder, const char *name, char path[PATH_MAX])
{
	static const char *const top[] = { WL_DATADIR, WL_SRC_DATADIR };
	const char *dot = strrchr(name, '.');

	if (!*name || strchr(name, '/') || (dot && !strcmp(dot, ".json")))
		return false;
	for (size_t i = 0; i < sizeof top / sizeof *top; i++) {
		int n = snprintf(path, PATH_MAX, "%s/%s/%s.json", top[i],
		                 folder, name);

		if (n < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	return false;
}
