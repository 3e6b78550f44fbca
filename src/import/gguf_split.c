#include "config.h"
#include "gguf_split.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf_parse.h"

#define MAX_PARTS 65535 /* llama.cpp writes both numbers as uint16 */

static const char count_key[] = "split.count";
static const char no_key[] = "split.no";
static const char tensors_key[] = "split.tensors.count";

struct split {
	int64_t no, count; /* 0 <= no < count */
};

/* Which part a file is. A file is the only part if it has no split.count, or if
 * that is 0, as after merging. */
static int read_split(const struct gguf *g, struct split *s,
                      struct wl_error *err)
{
	*s = (struct split){ 0, 1 };
	if (!gguf_has(g, count_key))
		return 0;
	if (gguf_get_int(g, count_key, 0, MAX_PARTS, &s->count, err))
		return -1;
	if (s->count > 1)
		return gguf_get_int(g, no_key, 0, s->count - 1, &s->no, err);
	s->count = 1;
	return 0;
}

/* --- Names --- */

static void print_ending(char *to, size_t size, int64_t no, int64_t count)
{
	snprintf(to, size, "-%05" PRId64 "-of-%05" PRId64 ".gguf", no + 1,
	         count);
}

/* The path of part `no` in the folder of g, which is part s; the caller frees
 * it. NULL and err when the name of g does not fit its part. */
static char *part_path(const struct gguf *g, const struct split *s, int64_t no,
                       struct wl_error *err)
{
	const char *path = gguf_path(g);
	size_t len = strlen(path), end;
	char ending[64], *other;

	print_ending(ending, sizeof ending, s->no, s->count);
	end = strlen(ending);
	if (len < end || strcmp(path + len - end, ending) != 0) {
		wl_error_set(err, "%s: is part %" PRId64 " of %" PRId64 " of a"
		             " model (split.no, split.count), so its name must"
		             " end in %s: the other parts are found by name",
		             path, s->no + 1, s->count, ending);
		return NULL;
	}
	other = wl_strdup(path);
	print_ending(ending, sizeof ending, no, s->count);
	strcpy(other + len - end, ending);
	return other;
}

/* --- Parts --- */

/* Opens part `no` of the model of g, which is part s. */
static struct gguf *open_part(const struct gguf *g, const struct split *s,
                              int64_t no, struct wl_error *err)
{
	char *path = part_path(g, s, no, err);
	struct gguf *part = NULL;
	struct split other;

	if (!path)
		return NULL;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		wl_error_set(err, "%s: is missing: %s is part %" PRId64 " of %"
		             PRId64 ", which must all be in one folder", path,
		             gguf_path(g), s->no + 1, s->count);
	else
		part = gguf_open(path, err);
	free(path);
	if (!part)
		return NULL;
	if (read_split(part, &other, err) == 0) {
		if (other.no == no && other.count == s->count)
			return part;
		wl_error_set(err, "%s: is part %" PRId64 " of %" PRId64
		             " (split.no, split.count), not %" PRId64 " of %"
		             PRId64, gguf_path(part), other.no + 1,
		             other.count, no + 1, s->count);
	}
	gguf_close(part);
	return NULL;
}

/* Whether a key describes its file rather than the model. */
static bool of_the_file(const char *key)
{
	return strcmp(key, no_key) == 0 || strcmp(key, count_key) == 0 ||
	       strcmp(key, tensors_key) == 0 ||
	       strcmp(key, "general.alignment") == 0;
}

/* Metadata about the model in a later part must equal the first's. */
static int check_metadata(const struct gguf *first, const struct gguf *part,
                          struct wl_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < part->n_pairs && rc == 0; i++) {
		const struct gguf_pair *a = &part->pair[i], *b;
		char *key = wl_calloc(a->key_len + 1, 1);

		memcpy(key, a->key, a->key_len);
		b = gguf_find(first, key);
		if (!of_the_file(key) &&
		    (!b || a->type != b->type || a->array != b->array ||
		     a->n != b->n || a->bytes != b->bytes ||
		     memcmp(a->value, b->value, a->bytes) != 0))
			rc = wl_error_set(err, "%s: %.100s differs from %s:"
			                  " parts of different models?",
			                  gguf_path(part), key,
			                  gguf_path(first));
		free(key);
	}
	return rc;
}

static int add_part(const struct gguf *first, const struct split *s,
                    int64_t no, struct sources *to, struct wl_error *err)
{
	struct gguf *part = open_part(first, s, no, err);
	int rc;

	if (!part)
		return -1;
	rc = check_metadata(first, part, err);
	if (rc == 0)
		rc = gguf_add_tensors(part, to, err);
	gguf_close(part);
	return rc;
}

/* --- The whole --- */

struct gguf *gguf_split_open(const char *path, struct wl_error *err)
{
	struct gguf *g = gguf_open(path, err), *first = NULL;
	struct split s;

	if (!g)
		return NULL;
	if (read_split(g, &s, err) == 0) {
		if (s.no == 0)
			return g;
		first = open_part(g, &s, 0, err);
	}
	gguf_close(g);
	return first;
}

int gguf_split_add_tensors(const struct gguf *first, struct sources *s,
                           struct wl_error *err)
{
	struct split split;
	int64_t all;

	if (read_split(first, &split, err) ||
	    gguf_add_tensors(first, s, err))
		return -1;
	if (split.count == 1)
		return 0;
	if (gguf_get_int(first, tensors_key, 0, INT32_MAX, &all, err))
		return -1;
	for (int64_t no = 1; no < split.count; no++)
		if (add_part(first, &split, no, s, err))
			return -1;
	if (s->n != (size_t)all)
		return wl_error_set(err, "%s: %s is %" PRId64 ", but the %"
		                    PRId64 " parts have %zu", gguf_path(first),
		                    tensors_key, all, split.count, s->n);
	return 0;
}
