#include "config.h"
#include "text/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

/* Text that the default model continues well. */
#define DEFAULT_PROMPT "My son,"

/* Copies text[len] for use in a message: truncated to size, and with control
 * characters masked. */
static void copy_shown(char *to, size_t size, const char *text, size_t len)
{
	size_t n = len < size ? len : size - 1;

	if (n > 0)
		memcpy(to, text, n);
	to[n] = '\0';
	printable_mask(to);
}

/* --- Text --- */

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
		return wl_error_system(err, errno, "option --prompt-file: %s",
		                       name);
	return 0;
}

static int read_file(struct prompt *p, const char *name, struct wl_error *err)
{
	bool standard = !strcmp(name, "-");
	FILE *f = standard ? stdin : fopen(name, "rb");
	int rc;

	if (!f)
		return wl_error_system(err, errno, "option --prompt-file: %s",
		                       name);
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

/* --- Token ids --- */

#define BLANKS " \t\r\n"

/* Parses the item at *at, which ends at a comma or the end of the string, as an
 * id below n_vocab; blanks around it are skipped. *at moves to its end. */
static int read_id(const char **at, int n_vocab, int *id, struct wl_error *err)
{
	const char *item = *at + strspn(*at, BLANKS);
	size_t len = strcspn(item, ",");
	bool minus = item[0] == '-';
	char shown[48];
	long long v;

	*at = item + len;
	while (len > 0 && strchr(BLANKS, item[len - 1]))
		len--;
	copy_shown(shown, sizeof shown, item, len);
	if (len == 0)
		return wl_error_set(err, "option --prompt-ids: an id is"
		                    " missing; it takes whole numbers with"
		                    " commas between, such as 1,2,3");
	if (len == minus || strspn(item + minus, "0123456789") < len - minus)
		return wl_error_set(err, "option --prompt-ids: \"%s\" is no id;"
		                    " it takes whole numbers with commas"
		                    " between, such as 1,2,3", shown);
	errno = 0;
	v = strtoll(item, NULL, 10);
	if (errno || v < 0 || v >= n_vocab)
		return wl_error_set(err, "option --prompt-ids: id %s is not in"
		                    " the model's vocabulary, 0..%d", shown,
		                    n_vocab - 1);
	*id = (int)v;
	return 0;
}

static int read_ids(struct prompt *p, const char *list, int n_vocab,
                    struct wl_error *err)
{
	size_t room = 1;

	for (const char *c = list; *c; c++)
		room += *c == ',';
	p->ids = wl_malloc(room, sizeof *p->ids);
	for (bool more = true; more; list++) {
		if (read_id(&list, n_vocab, &p->ids[p->n], err))
			return -1;
		p->n++;
		more = *list == ',';
	}
	return 0;
}

/* Decodes the ids to the text that is printed before the continuation. */
static void decode(struct prompt *p, const struct tokenizer *t)
{
	size_t room = 0;

	for (size_t i = 0; i < p->n; i++) {
		size_t len;
		const char *piece = tokenizer_decode(t, i ? p->ids[i - 1] : -1,
		                                     p->ids[i], &len);

		if (room - p->len < len) {
			room = 2 * p->len + len;
			p->text = wl_realloc(p->text, room, 1);
		}
		if (len > 0)
			memcpy(p->text + p->len, piece, len);
		p->len += len;
	}
}

/* --- Text or ids --- */

/* Remembers the first special token that was encoded as plain text. */
static void name_special(struct prompt *p, const struct tokenizer *t)
{
	size_t len;
	const char *piece = tokenizer_find_special(t, p->text, p->len, &len);

	copy_shown(p->special, sizeof p->special, piece, len);
}

static int encode(struct prompt *p, const struct options *o,
                  const struct tokenizer *t, struct wl_error *err)
{
	struct wl_error why;
	int rc = o->special
		? tokenizer_encode_special(t, p->text, p->len, &p->ids, &p->n,
		                           &why)
		: tokenizer_encode(t, p->text, p->len, &p->ids, &p->n, &why);

	if (rc)
		return wl_error_set(err, "prompt%s%s: %.900s", o->prompt_file
		                    ? " file " : "", o->prompt_file
		                    ? o->prompt_file : "", why.text);
	if (p->n == 0)
		return wl_error_set(err, "option --prompt%s: the prompt is"
		                    " empty and the model has no begin-of-text"
		                    " token", o->prompt_file ? "-file" : "");
	if (!o->special)
		name_special(p, t);
	return 0;
}

int prompt_get(struct prompt *p, const struct options *o,
               const struct tokenizer *t, struct wl_error *err)
{
	*p = (struct prompt){ 0 };
	if (!o->prompt_ids)
		return take_text(p, o, err) || encode(p, o, t, err) ? -1 : 0;
	if (read_ids(p, o->prompt_ids, tokenizer_vocab(t)->n, err))
		return -1;
	decode(p, t);
	return 0;
}

void prompt_fini(struct prompt *p)
{
	free(p->text);
	free(p->ids);
	*p = (struct prompt){ 0 };
}
