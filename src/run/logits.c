#include "config.h"
#include "logits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/h5file.h"

#define FORMAT "waferllm logits"

struct logits {
	struct h5file *file;
	int vocab, n, steps;
	int32_t *token;      /* [steps]; the first n are set */
	float *row;          /* [vocab] */
};

/* Files of older versions have no format: their two datasets identify them. */
static bool is_logits(const char *path)
{
	struct wl_error ignored;
	struct h5_info tokens, logits;
	struct h5file *f;
	uint64_t objects;
	bool is = h5file_is(path, FORMAT);

	if (is)
		return true;
	f = h5file_open(path, MPI_COMM_NULL, &ignored);
	is = f && !h5file_count(f, "/", &objects, &ignored) && objects == 2 &&
	     !h5file_info(f, "/tokens", &tokens, &ignored) &&
	     !h5file_info(f, "/logits", &logits, &ignored) &&
	     tokens.type == H5_I32 && logits.type == H5_F32 &&
	     tokens.rank == 1 && logits.rank == 2 &&
	     tokens.cols == logits.rows;
	h5file_close(f);
	return is;
}

const struct output_kind logits_output = {
	.noun = "file of logits", .option = "--logits",
	.recognize = is_logits };

struct logits *logits_create(const char *path, int vocab, int steps,
                             struct wl_error *err)
{
	struct logits *l;
	struct h5file *f = h5file_create(path, &logits_output, err);

	if (!f)
		return NULL;
	if (h5file_put_string(f, "/", "format", FORMAT, err)) {
		h5file_close(f);
		return NULL;
	}
	l = wl_malloc(1, sizeof *l);
	*l = (struct logits){ .file = f, .vocab = vocab, .steps = steps };
	l->token = wl_malloc(steps, sizeof *l->token);
	l->row = wl_malloc(vocab, sizeof *l->row);
	return l;
}

float *logits_row(struct logits *l)
{
	return l->row;
}

int logits_append(struct logits *l, int id, struct wl_error *err)
{
	WL_ASSERT(l->n < l->steps);
	l->token[l->n++] = id;
	return h5file_append_row(l->file, "logits", H5_F32, l->vocab, l->row,
	                         err);
}

int logits_commit(struct logits *l, struct wl_error *err)
{
	const struct h5_info tokens = { 1, 1, l->n, H5_I32 };
	struct h5file *f = l->file;
	int rc = h5file_write(f, "tokens", &tokens, l->token, err);

	if (rc == 0) {
		l->file = NULL;
		rc = h5file_commit(f, err);
	}
	logits_cancel(l);
	return rc;
}

void logits_cancel(struct logits *l)
{
	if (!l)
		return;
	h5file_close(l->file);
	free(l->token);
	free(l->row);
	free(l);
}
