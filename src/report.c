#include "config.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "h5file.h"
#include "streams.h"

/* Digits of a real number that bring back all of its bits. */
#define REAL_DIGITS 17

static bool ends_in(const char *path, const char *ending)
{
	size_t n = strlen(path), m = strlen(ending);

	return n > m && !strcmp(path + n - m, ending);
}

static bool is_h5(const char *path)
{
	return ends_in(path, ".h5") || ends_in(path, ".hdf5");
}

/* --- What stands at the path --- */

/* Copies the format that an HDF5 file names. */
static void h5_format(const char *path, char *to, size_t size)
{
	struct wl_error ignored;
	struct h5file *f = h5file_open(path, MPI_COMM_NULL, &ignored);

	if (!f || h5file_get_string(f, "/", "format", to, size, &ignored))
		to[0] = '\0';
	h5file_close(f);
}

/* Copies the start of a JSON file, if it is one that we wrote: there the first
 * key is its format. */
static void json_format(const char *path, char *to, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(to, 1, size - 1, f) : 0;
	char *end;

	to[n] = '\0';
	if (f)
		fclose(f);
	end = strchr(to, ',');
	if (strncmp(to, "{\n \"format\"", 11) || !end)
		end = to;
	*end = '\0';
}

/* Names that were mixed up must not cost the user a model, or a file of
 * settings. */
static int refuse_replacing(const char *path, struct wl_error *err)
{
	char format[128];
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 :
		       wl_error_set(err, "option --report: %.700s: %s", path,
		                    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return wl_error_set(err, "option --report: %.700s: %s", path,
		                    S_ISDIR(st.st_mode) ? "is a directory" :
		                                          "not a regular file");
	if (st.st_size == 0)
		return 0;
	if (is_h5(path))
		h5_format(path, format, sizeof format);
	else
		json_format(path, format, sizeof format);
	if (strstr(format, "report"))
		return 0;
	return wl_error_set(err, "option --report: %.700s: is there and no"
	                    " report: not replaced", path);
}

static int check_folder(const char *path, struct wl_error *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = wl_strdup(slash ? path : ".");
	struct stat st;
	int rc = 0;

	if (slash)
		dir[slash > path ? slash - path : 1] = '\0';
	if (stat(dir, &st) < 0)
		rc = wl_error_set(err, "option --report: folder %.700s: %s",
		                  dir, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		rc = wl_error_set(err, "option --report: %.700s is no folder",
		                  dir);
	else if (access(dir, W_OK | X_OK) < 0)
		rc = wl_error_set(err, "option --report: folder %.700s cannot"
		                  " be written to: %s", dir, strerror(errno));
	free(dir);
	return rc;
}

static bool is_stdout(const char *path)
{
	return !strcmp(path, OPTIONS_STDOUT);
}

int report_check_path(const char *path, struct wl_error *err)
{
	if (is_stdout(path))
		return 0;
	if (!ends_in(path, ".json") && !is_h5(path))
		return wl_error_set(err, "option --report: \"%.700s\" does not"
		                    " end in .json, .h5 or .hdf5", path);
	if (check_folder(path, err))
		return -1;
	return refuse_replacing(path, err);
}

/* --- JSON --- */

/* Whether all of the tree could be written. */
static bool dump(json_t *tree, FILE *to)
{
	bool ok = json_dumpf(tree, to, JSON_INDENT(1) |
	                     JSON_REAL_PRECISION(REAL_DIGITS)) == 0;

	return fputc('\n', to) != EOF && ok;
}

/* Writes all of the tree to a file of its own. */
static int write_text(json_t *tree, const char *path)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (!f)
		return -1;
	ok = dump(tree, f);
	ok = fclose(f) == 0 && ok;
	return ok ? 0 : -1;
}

static int save_json(json_t *tree, const char *path,
                     struct wl_error *err)
{
	size_t size = strlen(path) + 32;
	char *tmp = wl_malloc(size, 1);
	int rc = 0;

	snprintf(tmp, size, "%s.tmp.%ld", path, (long)getpid());
	wl_pending(tmp);
	if (write_text(tree, tmp) || rename(tmp, path) < 0) {
		rc = wl_error_set(err, "%.700s: cannot be written: %s", path,
		                  strerror(errno));
		unlink(tmp);
	}
	wl_pending(NULL);
	free(tmp);
	return rc;
}

int report_save(json_t *tree, const char *path, struct wl_error *err)
{
	/* What fails here is seen where all of standard output is. */
	if (is_stdout(path))
		return dump(tree, stdout) ? 0 : streams_check(err);
	/* Again: the run may have made a file there since the first look. */
	if (report_check_path(path, err))
		return -1;
	return is_h5(path) ? report_save_h5(tree, path, err)
	                   : save_json(tree, path, err);
}

int report_write(const struct report *r, const char *path,
                 struct wl_error *err)
{
	json_t *tree = report_tree(r);
	int rc = report_save(tree, path, err);

	json_decref(tree);
	return rc;
}
