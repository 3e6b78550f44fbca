/* Files in unit tests: those of real models, and a scratch folder. */
#ifndef WL_FILES_H
#define WL_FILES_H

#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The path of a real model's file, valid until the next call; NULL, after a
 * message, when the file does not exist. */
static inline const char *model_path(const char *test, const char *name)
{
	static char path[PATH_MAX];
	const char *models = getenv("WAFERLLM_TEST_MODELS");
	const char *top = getenv("WAFERLLM_SRCDIR");

	if (models)
		snprintf(path, sizeof path, "%s/%s", models, name);
	else
		snprintf(path, sizeof path, "%s/../shared/models/%s",
		         top ? top : ".", name);
	if (access(path, R_OK) == 0)
		return path;
	printf("skipped: %s: no models\n", test);
	return NULL;
}

/* A text file below 1 MB; the caller frees it. */
static inline char *read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);

	ck_assert(f && fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

/* How many files a folder holds. */
static inline int files_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Makes an empty folder for a program, which removes it; dir receives its
 * path. False, and a line on stderr, when that fails. */
static inline bool scratch_make(char dir[64], const char *program)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, 64, "%.40s/%.16sXXXXXX", tmp ? tmp : "/tmp", program);
	if (mkdtemp(dir))
		return true;
	perror(dir);
	return false;
}

#endif
