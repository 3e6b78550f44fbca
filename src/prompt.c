#include "config.h"
#include "prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that the default model continues well. */
#define DEFAULT_PROMPT "My son,"

static int read_all(struct prompt *p, FILE *f, const char *name,
                    struct wl_error *err)
{
	size_t room = 0, got;

	do {
		room += room / 2 + 4096;
		p->text = wl_realloc(p->text, room, 1);
		got = fread(p->text + p->len, 1, room - p->len, f);
		p->len += got;
	} while (got);
	if (ferror(f))
		return wl_error_set(err, "option --prompt-file: %s: %s", name,
		                    strerror(errno));
	return 0;
}

static int read_file(struct prompt *p, const char *name, struct wl_error *err)
{
	bool standard = !strcmp(name, "-");
	FILE *f = standard ? stdin : fopen(name, "rb");
	int rc;

	if (!f)
		return wl_error_set(err, "option --prompt-file: %s: %s", name,
		                    strerror(errno));
	rc = read_all(p, f, name, err);
	if (!standard)
		fclose(f);
	return rc;
}

static int take_text(struct prompt *p, const struct options *o,
                     struct wl_error *err)
{
	if (o->prompt_file)
		return read_file(p, o->prompt_file, err);
	p->text = wl_strdup(o->prompt ? o->prompt : DEFAULT_PROMPT);
	p->len = strlen(p->text);
	return 0;
}

int prompt_get(struct prompt *p, const struct options *o,
               const struct tokenizer *t, struct wl_error *err)
{
	struct wl_error why;

	*p = (struct prompt){ 0 };
	if (take_text(p, o, err))
		return -1;
	if (tokenizer_encode(t, p->text, p->len, &p->ids, &p->n, &why))
		return wl_error_set(err, "prompt%s%s: %.900s", o->prompt_file
		                    ? " file " : "", o->prompt_file
		                    ? o->prompt_file : "", why.text);
	if (p->n == 0)
		return wl_error_set(err, "option --prompt: the prompt is empty "
		                    "and the model has no begin-of-text token");
	return 0;
}

void prompt_fini(struct prompt *p)
{
	free(p->text);
	free(p->ids);
	*p = (struct prompt){ 0 };
}
