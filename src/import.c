/* Which format a source has, and all of the way into a checkpoint. */
#include "config.h"
#include "import.h"

#include <string.h>
#include <sys/stat.h>

#include "checkpoint.h"

enum format { LLAMA2C, HUGGING_FACE, GGUF };

/* An enum format, or -1 and err. */
static int recognize(const char *path, struct wl_error *err)
{
	const char *dot = strrchr(path, '.');
	struct sources s = { 0 };
	char magic[4] = "";
	struct stat st;
	int rc = 0;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return HUGGING_FACE;
	if (dot && strcmp(dot, ".safetensors") == 0)
		return wl_error_set(err, "%s: give the directory that holds it"
		                    " and its config.json", path);
	if (source_add_file(&s, path, err) < 0)
		return -1;
	if (s.file[0].bytes >= sizeof magic)
		rc = source_read(&s, 0, 0, magic, sizeof magic, err);
	sources_fini(&s);
	if (rc)
		return -1;
	return memcmp(magic, "GGUF", sizeof magic) == 0 ? GGUF : LLAMA2C;
}

static int read_model(const struct import_options *o, struct import_model *m,
                      struct wl_error *err)
{
	int format = recognize(o->source, err);

	if (format < 0)
		return -1;
	if (format == LLAMA2C && !o->tokenizer)
		return wl_error_set(err, "%s: neither a directory nor a GGUF"
		                    " file; for a llama2.c checkpoint"
		                    " --tokenizer FILE is needed", o->source);
	if (format != LLAMA2C && o->tokenizer)
		return wl_error_set(err, "option --tokenizer: %s brings its own"
		                    " tokenizer", o->source);
	switch (format) {
	case HUGGING_FACE:
		return import_read_hf(o->source, m, err);
	case GGUF:
		return import_read_gguf(o->source, m, err);
	default:
		return import_read_llama2c(o->source, o->tokenizer, m, err);
	}
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
		import_window_tell(&m, o->quiet);
		rc = import_write(o, &m, err);
	}
	import_model_fini(&m);
	return rc;
}
