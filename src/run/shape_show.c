#include "config.h"
#include "run/shape_show.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/datafile.h"
#include "base/figure.h"
#include "base/row.h"
#include "base/wrap.h"
#include "model/shape.h"
#include "show_file.h"

/* --- All shapes --- */

struct list {
	FILE *out;
	struct wl_error *err; /* of the first invalid file */
	int rc;
};

/* The columns after name and parameters. */
static const struct {
	const char *head;
	int width;
} column[] = {
	{ "layers", 7 }, { "dim", 6 }, { "hidden", 7 }, { "heads", 6 },
	{ "KV heads", 9 }, { "vocabulary", 11 }, { "context", 8 },
};

static void list_shape(void *ctx, const char *name)
{
	struct list *l = ctx;
	struct wl_error err;
	struct row row = { 0 };
	struct model m;
	json_t *file = shape_load(name, &m, &err);

	json_decref(file);
	if (!file) {
		if (!l->rc)
			*l->err = err;
		l->rc = -1;
		return;
	}
	const int value[] = { m.n_layers, m.dim, m.hidden_dim, m.n_heads,
	                      m.n_kv_heads, m.vocab_size, m.max_seq_len };

	row_add(&row, -14, "%s", name);
	row_add(&row, 12, "%s", figure_words(model_parameters(&m)).s);
	for (size_t i = 0; i < sizeof value / sizeof *value; i++)
		row_add(&row, column[i].width, "%d", value[i]);
	fprintf(l->out, "%s\n", row.text);
}

int shape_list(FILE *out, struct wl_error *err)
{
	struct list l = { out, err, 0 };

	fprintf(out, "%-14s%12s", "shape", "parameters");
	for (size_t i = 0; i < sizeof column / sizeof *column; i++)
		fprintf(out, "%*s", column[i].width, column[i].head);
	putc('\n', out);
	if (datafile_each("shapes", list_shape, &l, err))
		return -1;
	return l.rc;
}

/* --- One shape --- */

/* Bytes of `elements` elements in each type. */
static void show_bytes(FILE *out, const char *head, double elements)
{
	struct wrap_list bytes = { "" };

	for (int t = 0; t < WL_NTYPES; t++)
		wrap_list_add(&bytes, "%s as %s",
		              figure_count(elements * wl_type_size(t), "B").s,
		              wl_type_name(t));
	wrap_print(&(struct wrap){ out, "", SHOW_INDENT }, head, "%s",
	           bytes.text);
}

static void show_shape(FILE *out, const char *name, const struct model *m,
                       const char *source)
{
	const struct wrap w = { out, "", SHOW_INDENT };
	uint64_t n = model_parameters(m);

	show_file(out, "shapes", name);
	wrap_print(&w, "source", "%s", source ? source : "not given");
	putc('\n', out);
	for (size_t i = 0; i < shape_count(); i++) {
		char value[32];

		shape_value(m, i, value);
		fprintf(out, "%-*s%8s  %s\n", SHOW_INDENT, shape_key(i).name,
		        value, shape_key(i).help);
	}
	putc('\n', out);
	wrap_print(&w, "parameters", "%" PRIu64 " (%s)", n, figure_words(n).s);
	show_bytes(out, "weights", n);
	show_bytes(out, "KV of a token", 2.0 * m->n_layers * model_kv_dim(m));
}

int shape_show(const char *name, FILE *out, struct wl_error *err)
{
	struct model m;
	json_t *file = shape_load(name, &m, err);

	if (!file)
		return -1;
	show_shape(out, name, &m,
	           json_string_value(json_object_get(file, "source")));
	json_decref(file);
	return 0;
}
