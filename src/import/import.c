/* Recognizes the format of a source and runs the import. */
#include "config.h"
#include "import/import.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/recognize.h"
#include "model/checkpoint.h"

static int refuse_tokenizer(const struct import_options *o,
                            struct wl_error *err)
{
	return wl_error_set(err, "option --tokenizer: %s has its own"
	                    " tokenizer", o->source);
}

/* Reads the source as a llama2.c checkpoint. Older ones have no magic number,
 * so files of unknown format are tried as such. */
static int read_llama2c(const struct import_options *o, const struct stat *st,
                        struct import_model *m, struct wl_error *err)
{
	if (S_ISREG(st->st_mode) && !o->tokenizer)
		return wl_error_set(err, "%s: neither a directory nor a GGUF"
		                    " file; for a llama2.c checkpoint"
		                    " --tokenizer FILE is needed", o->source);
	return import_read_llama2c(o->source, o->tokenizer, m, err);
}

static int read_model(const struct import_options *o, struct import_model *m,
                      struct wl_error *err)
{
	enum file_kind kind;
	struct stat st;

	if (stat(o->source, &st) < 0)
		return wl_error_system(err, errno, "%s", o->source);
	if (S_ISDIR(st.st_mode))
		return o->tokenizer ? refuse_tokenizer(o, err) :
		       import_read_hf(o->source, m, err);
	kind = recognize(o->source);
	if (kind == FILE_GGUF)
		return o->tokenizer ? refuse_tokenizer(o, err) :
		       import_read_gguf(o->source, m, err);
	if (kind == FILE_UNKNOWN || kind == FILE_LLAMA2C)
		return read_llama2c(o, &st, m, err);
	wl_error_set(err, "%s: unknown format", o->source);
	return recognize_explain(o->source, FILE_UNKNOWN, err);
}

int import_run(const struct import_options *o, struct wl_error *err)
{
	struct import_model m = { 0 };
	int rc;

	if (output_check(o->dest, &checkpoint_output, err))
		return -1;
	if (o->random_shape)
		return import_random(o, err);
	rc = read_model(o, &m, err);
	if (rc == 0) {
		import_window_tell(&m);
		rc = import_write(o, &m, err);
	}
	import_model_fini(&m);
	return rc;
}
