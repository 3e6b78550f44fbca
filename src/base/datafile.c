#include "config.h"
#include "base/datafile.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

#include "nearest.h"

/* Maximum number of data folders to try. */
#define MAX_PLACES 2

/* --- The program's own folder --- */

/* The program's folder, links resolved; without /proc, from the name under
 * which the program was started. False: unknown. */
static bool program_folder(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	bool found = n > 0 && n < PATH_MAX && path[0] == '/';
	char *slash;

	if (found)
		path[n] = '\0';
#ifdef HAVE_GETAUXVAL
	const char *name = (const char *)getauxval(AT_EXECFN);

	if (!found)
		found = name && realpath(name, path);
#endif
	if (!found)
		return false;
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	return true;
}

/* Whether this is a folder of the build tree that contains programs. */
static bool is_build_folder(const char *folder)
{
	static const char *const build[] = {
		WL_BUILDDIR, WL_BUILDDIR "/tests", WL_BUILDDIR "/tests/fuzz"
	};
	struct stat a, b;

	if (stat(folder, &a))
		return false;
	for (size_t i = 0; i < sizeof build / sizeof *build; i++)
		if (stat(build[i], &b) == 0 && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return true;
	return false;
}

/* Skips the slashes at *path; returns the length of the component there. */
static size_t component(const char **path)
{
	*path += strspn(*path, "/");
	return strcspn(*path, "/");
}

bool datafile_beside(char path[PATH_MAX], const char *bin, const char *data)
{
	size_t n, len;

	/* Strip the common prefix, which may have been moved. */
	while ((n = component(&bin)) > 0 && component(&data) == n &&
	       !strncmp(bin, data, n)) {
		bin += n;
		data += n;
	}
	for (; (n = component(&bin)) > 0; bin += n) {
		char *slash = strrchr(path, '/');

		if (slash)
			*slash = '\0';
	}
	component(&data);
	len = strlen(path);
	if (len && path[len - 1] == '/')
		len--;
	return snprintf(path + len, PATH_MAX - len, "/%s", data) <
	       (int)(PATH_MAX - len);
}

/* --- The data folder --- */

/* Lists the folders to try, in this order. Returns their number. */
static int list_places(char place[MAX_PLACES][PATH_MAX])
{
	char *first = place[0];
	bool known = program_folder(first);

	if (known && is_build_folder(first)) {
		snprintf(first, PATH_MAX, "%s", WL_SRC_DATADIR);
		return 1;
	}
	known = known && datafile_beside(first, WL_BINDIR, WL_DATADIR);
	if (known && !strcmp(first, WL_DATADIR))
		return 1;
	snprintf(place[known], PATH_MAX, "%s", WL_DATADIR);
	return known + 1;
}

/* Checks for devices/, which an unrelated folder of that name lacks. */
static bool is_data_folder(const char *folder)
{
	char path[PATH_MAX];
	struct stat s;

	return snprintf(path, PATH_MAX, "%s/devices", folder) < PATH_MAX &&
	       stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool datafile_folder(char path[PATH_MAX])
{
	char place[MAX_PLACES][PATH_MAX];
	int n = list_places(place), len = 0;

	for (int i = 0; i < n; i++)
		if (is_data_folder(place[i])) {
			strcpy(path, place[i]);
			return true;
		}
	for (int i = 0; i < n && len < PATH_MAX; i++)
		len += snprintf(path + len, PATH_MAX - len, "%s%s",
		                i ? ", " : "", place[i]);
	return false;
}

int datafile_path(const char *name, char path[PATH_MAX], struct wl_error *err)
{
	char folder[PATH_MAX];

	if (!datafile_folder(folder))
		return wl_error_set(err, "%s: not found: no folder of"
		                    " waferllm's data at %s", name, folder);
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return wl_error_set(err, "%s: its path is too long", name);
	return 0;
}

bool datafile_find(const char *folder, const char *name, char path[PATH_MAX])
{
	char data[PATH_MAX];
	const char *dot = strrchr(name, '.');

	if (!*name || strchr(name, '/') || (dot && !strcmp(dot, ".json")))
		return false;
	return datafile_folder(data) &&
	       snprintf(path, PATH_MAX, "%s/%s/%s.json", data, folder, name) <
	       PATH_MAX && access(path, R_OK) == 0;
}

/* --- Unknown names --- */

static int is_json(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && dot > e->d_name && !strcmp(dot, ".json");
}

/* Calls visit for each NAME.json of a folder; none if it cannot be read. */
static void each_name(const char *path,
                      void (*visit)(void *ctx, const char *name), void *ctx)
{
	struct dirent **file;
	int n = scandir(path, &file, is_json, alphasort);

	for (int i = 0; i < n; i++) {
		*strrchr(file[i]->d_name, '.') = '\0';
		visit(ctx, file[i]->d_name);
		free(file[i]);
	}
	if (n >= 0)
		free(file);
}

int datafile_each(const char *folder,
                  void (*visit)(void *ctx, const char *name), void *ctx,
                  struct wl_error *err)
{
	char path[PATH_MAX];

	if (datafile_path(folder, path, err))
		return -1;
	each_name(path, visit, ctx);
	return 0;
}

/* The known names, separated by ", ", as many as fit; and the nearest one. */
struct known {
	char names[400], best[64];
	size_t len;
	struct nearest nearest;
};

static void add_known(void *ctx, const char *name)
{
	struct known *k = ctx;
	const char *before = k->nearest.best;

	if (k->len + strlen(name) + 3 <= sizeof k->names)
		k->len += sprintf(k->names + k->len, "%s%s",
		                  k->len ? ", " : "", name);
	nearest_offer(&k->nearest, name, name);
	/* The name does not outlive this call. */
	if (k->nearest.best == before)
		return;
	snprintf(k->best, sizeof k->best, "%s", name);
	k->nearest.best = k->best;
}

const char *datafile_choose(const char *what, const char *folder,
                            const char *name, char found[PATH_MAX],
                            struct wl_error *err)
{
	char data[PATH_MAX], path[PATH_MAX];
	struct known known = { "none", "", 0, nearest_start(name) };

	if (datafile_find(folder, name, found))
		return found;
	if (strchr(name, '/') || access(name, F_OK) == 0)
		return name;
	if (!datafile_folder(data)) {
		wl_error_set(err, "%.200s: no such %s: waferllm's data are in"
		             " none of %s; and no such file", name, what,
		             data);
		return NULL;
	}
	if (snprintf(path, PATH_MAX, "%s/%s", data, folder) >= PATH_MAX)
		path[0] = '\0';
	each_name(path, add_known, &known);
	wl_error_set(err, "%.200s: no such %s in %.300s (known: %s) and no"
	             " such file%s%s%s", name, what, path, known.names,
	             *known.best ? ": did you mean " : "", known.best,
	             *known.best ? "?" : "");
	return NULL;
}
