/* Handles tensors and pieces that a source has beyond those that its model
 * needs: ignored, with a note per kind, where they provably do not change the
 * answer, and refused otherwise. */
#include "config.h"
#include "import/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

#define MAX_NOTES 64
/* Same size as an error message. */
#define NOTE_BYTES (sizeof((struct wl_error *)0)->text)

/* --- Notes --- */

void import_note(struct import_model *m, const char *fmt, ...)
{
	char line[NOTE_BYTES];
	va_list ap;

	if (m->n_notes >= MAX_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	printable_mask(line);
	m->note = wl_realloc(m->note, (size_t)m->n_notes + 1, sizeof *m->note);
	m->note[m->n_notes++] = wl_strdup(line);
}

/* --- Stop ids --- */

int import_add_stop(struct import_model *m, int64_t id, const char *where,
                    struct wl_error *err)
{
	struct model *model = &m->model;

	if (id < 0 || id >= model->vocab_size) {
		import_note(m, "ignored: %s: end-of-text id %lld, the model's"
		            " ids are 0..%d", where, (long long)id,
		            model->vocab_size - 1);
		return 0;
	}
	if (model_stops_at(model, id))
		return 0;
	if (model->n_stop == WL_MAX_STOP)
		return wl_error_set(err, "%s: more than %d end-of-text ids",
		                    where, WL_MAX_STOP);
	model->stop_id[model->n_stop++] = id;
	return 0;
}

/* --- Tensors --- */

/* Bytes of floats that are compared at a time. */
#define CHUNK_BYTES ((size_t)1 << 20)

/* Iterates over a tensor's rows, converted to floats. */
struct rows {
	const struct sources *s;
	const struct source_tensor *t;
	uint64_t row, step; /* next row; rows per step */
	size_t n;           /* elements in value */
	unsigned char *raw;
	float *value;
};

static struct rows rows_make(const struct sources *s,
                             const struct source_tensor *t, uint64_t step)
{
	return (struct rows){
		.s = s, .t = t, .step = step,
		.raw = wl_malloc(step, source_row_bytes(t->type, t->cols)),
		.value = wl_malloc(step * t->cols, sizeof(float)),
	};
}

static void rows_free(struct rows *r)
{
	free(r->raw);
	free(r->value);
}

/* Reads the next rows into r->value: 1; 0 at the end; -1 and err on failure. */
static int rows_next(struct rows *r, struct wl_error *err)
{
	const struct source_tensor *t = r->t;
	size_t row = source_row_bytes(t->type, t->cols);
	uint64_t n = t->rows - r->row < r->step ? t->rows - r->row : r->step;

	if (n == 0)
		return 0;
	if (source_read(r->s, t->file, t->at + r->row * row, r->raw, n * row,
	                err))
		return -1;
	r->row += n;
	r->n = n * t->cols;
	source_to_f32(r->value, r->raw, t->type, r->n);
	return 1;
}

/* Sets *value to the first nonzero element (NaN included), or to 0 if there is
 * none. 0, or -1 and err on a read error. */
static int first_value(const struct sources *s, const struct source_tensor *t,
                       float *value, struct wl_error *err)
{
	struct rows r = rows_make(s, t, 1);
	int rc;

	*value = 0;
	while ((rc = rows_next(&r, err)) > 0 && *value == 0)
		for (size_t i = 0; i < r.n && *value == 0; i++)
			*value = r.value[i];
	rows_free(&r);
	return rc < 0 ? -1 : 0;
}

/* Whether two tensors have equal values, whatever their types: 1 or 0; -1 and
 * err on a read error. */
static int same_values(const struct sources *s, const struct source_tensor *a,
                       const struct source_tensor *b, struct wl_error *err)
{
	uint64_t step = CHUNK_BYTES / sizeof(float) / a->cols + 1;
	struct rows x, y;
	int rc = 1, same = 1;

	if (a->rows != b->rows || a->cols != b->cols)
		return 0;
	step = step < a->rows ? step : a->rows;
	x = rows_make(s, a, step);
	y = rows_make(s, b, step);
	while (same && (rc = rows_next(&x, err)) > 0 &&
	       (rc = rows_next(&y, err)) > 0)
		for (size_t i = 0; i < x.n && same; i++)
			same = x.value[i] == y.value[i];
	rows_free(&x);
	rows_free(&y);
	return rc < 0 ? -1 : same;
}

static bool ends(const char *name, const char *with)
{
	size_t n = strlen(name), m = strlen(with);

	return n >= m && strcmp(name + n - m, with) == 0;
}

/* Tables of RoPE, which follow from theta and the factors; position numbers;
 * constants of attention masks. */
bool import_is_table(const char *name)
{
	static const char *const table[] = {
		"rotary_emb.inv_freq", "rotary_emb.cos_cached",
		"rotary_emb.sin_cached", "rope.freqs", "attn_rot_embd.weight",
		"attn_rot_embd", "position_ids", "attn.masked_bias",
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t at = strlen(name) - strlen(table[i]);

		if (ends(name, table[i]) && (at == 0 || name[at - 1] == '.'))
			return true;
	}
	return false;
}

/* The used weight tensor that a bias belongs to; NULL if there is none. */
static const struct source_tensor *weight_of(struct sources *s,
                                             const char *bias)
{
	static const char end[] = ".bias";
	size_t stem = strlen(bias) - strlen(end);
	const struct source_tensor *t;
	char *name;

	if (!ends(bias, end))
		return NULL;
	name = wl_malloc(stem + sizeof ".weight", 1);
	memcpy(name, bias, stem);
	strcpy(name + stem, ".weight");
	t = source_peek(s, name);
	free(name);
	return t && t->used ? t : NULL;
}

static int refuse_tensor(const struct import_model *m,
                         const struct source_tensor *t, const char *why,
                         struct wl_error *err)
{
	return wl_error_set(err, "%s: tensor %.200s is not known here%s%s",
	                    m->sources.file[t->file].path, t->name,
	                    *why ? ": " : "", why);
}

/* Accepts a bias whose elements are all zero. */
static int judge_bias(struct import_model *m, const struct source_tensor *t,
                      struct wl_error *err)
{
	char why[80];
	float value;

	if (t->odd || !t->vector)
		return refuse_tensor(m, t, t->odd ? t->odd : "", err);
	if (first_value(&m->sources, t, &value, err))
		return -1;
	if (value == 0)
		return 0;
	snprintf(why, sizeof why, "a bias that is not zero (%g)", value);
	return refuse_tensor(m, t, why, err);
}

/* Accepts the head of a tied model if it equals the embedding. */
static int judge_head(struct import_model *m, const struct source_tensor *head,
                      const struct source_tensor *embedding,
                      struct wl_error *err)
{
	int same = head->odd ? 0 : same_values(&m->sources, head, embedding,
	                                       err);

	if (same)
		return same < 0 ? -1 : 0;
	return wl_error_set(err, "%s: %s differs from %s, but according to the"
	                    " model its head is the embedding"
	                    " (tie_word_embeddings): set that to false to"
	                    " import both, or remove the tensor",
	                    m->sources.file[head->file].path, head->name,
	                    embedding->name);
}

/* The reason why an unneeded tensor can be ignored, static storage; NULL and
 * err when it cannot. */
static const char *judge(struct import_model *m, const struct source_tensor *t,
                         struct wl_error *err)
{
	const char *head = m->names->name[T_HEAD];
	const char *embedding = m->names->name[T_EMBEDDING];
	const struct source_tensor *e = source_peek(&m->sources, embedding);

	if (import_is_table(t->name))
		return "a table that follows from the shape";
	if (weight_of(&m->sources, t->name))
		return judge_bias(m, t, err) ? NULL : "a bias of zeros";
	if (m->model.tied && head && strcmp(t->name, head) == 0 && e)
		return judge_head(m, t, e, err) ? NULL :
		       "a copy of the embedding, which is the head";
	refuse_tensor(m, t, "", err);
	return NULL;
}

/* An ignored tensor: its name with the layer's number replaced by '*', and the
 * reason. */
struct ignored {
	char *pattern;
	const char *why;
};

static char *pattern_of(const char *name)
{
	char *p = wl_strdup(name);
	size_t from = 0, to = 0;

	/* Find the first component that is a number. */
	for (char *dot = p; (dot = strchr(dot, '.')); dot++) {
		size_t digits = strspn(dot + 1, "0123456789");

		if (digits > 0 && dot[1 + digits] == '.') {
			to = dot + 1 - p;
			from = to + digits;
			break;
		}
	}
	if (from) {
		p[to++] = '*';
		memmove(p + to, p + from, strlen(p + from) + 1);
	}
	return p;
}

static int compare_ignored(const void *a, const void *b)
{
	const struct ignored *x = a, *y = b;

	return strcmp(x->pattern, y->pattern);
}

static void note_ignored(struct import_model *m, struct ignored *list,
                         size_t n)
{
	qsort(list, n, sizeof *list, compare_ignored);
	for (size_t i = 0, same; i < n; i += same) {
		for (same = 1; i + same < n &&
		     strcmp(list[i].pattern, list[i + same].pattern) == 0;)
			same++;
		import_note(m, "ignored: %zu tensor%s %.200s: %s", same,
		            same == 1 ? "" : "s", list[i].pattern,
		            list[i].why);
	}
}

static int fit_tensors(struct import_model *m, struct wl_error *err)
{
	const struct sources *s = &m->sources;
	struct ignored *list = wl_malloc(s->n, sizeof *list);
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < s->n && rc == 0; i++) {
		const char *why;

		if (s->tensor[i].used)
			continue;
		why = judge(m, &s->tensor[i], err);
		rc = why ? 0 : -1;
		if (why)
			list[n++] = (struct ignored){
				pattern_of(s->tensor[i].name), why };
	}
	if (rc == 0 && n > 0)
		note_ignored(m, list, n);
	for (size_t i = 0; i < n; i++)
		free(list[i].pattern);
	free(list);
	return rc;
}

/* --- Vocabulary --- */

/* Whether no text is ever encoded to piece id. */
static bool never_made(const struct vocab *v, int id)
{
	return v->type[id] == PIECE_CONTROL || v->type[id] == PIECE_UNUSED;
}

static int refuse_piece(const struct import_model *m, const char *source,
                        int id, struct wl_error *err)
{
	const struct vocab *v = &m->vocab;

	return wl_error_set(err, "%s: the tokenizer has %d pieces, the model %d"
	                    " ids: piece %d, \"%.*s\", has no embedding",
	                    source, v->n, m->model.vocab_size, id,
	                    (int)(vocab_length(v, id) < 60 ?
	                          vocab_length(v, id) : 60),
	                    v->text + v->offset[id]);
}

/* Removes pieces beyond the model's ids, such as a <pad> added for training. */
static int drop_pieces(struct import_model *m, const char *source,
                       struct wl_error *err)
{
	struct vocab *v = &m->vocab;
	int first = m->model.vocab_size;
	size_t len;

	for (int id = first; id < v->n; id++)
		if (!never_made(v, id) || id == v->bos_id)
			return refuse_piece(m, source, id, err);
	len = vocab_length(v, first);
	import_note(m, "ignored: %d control piece%s of the tokenizer from id"
	            " %d on (\"%.*s\"): the model has no embedding for %s",
	            v->n - first, v->n - first == 1 ? "" : "s", first,
	            (int)(len < 60 ? len : 60), v->text + v->offset[first],
	            v->n - first == 1 ? "it" : "them");
	vocab_cut(v, first);
	if (v->eos_id >= first)
		v->eos_id = -1;
	return 0;
}

static int fit_vocab(struct import_model *m, const char *source,
                     struct wl_error *err)
{
	struct vocab *v = &m->vocab;
	int ids = m->model.vocab_size;

	if (v->n < ids)
		import_note(m, "the tokenizer has %d pieces, the model %d ids:"
		            " no text is encoded to the others", v->n, ids);
	if (v->n > ids && drop_pieces(m, source, err))
		return -1;
	vocab_pad(v, ids);
	return 0;
}

int import_fit(struct import_model *m, const char *source,
               struct wl_error *err)
{
	if (fit_tensors(m, err) || fit_vocab(m, source, err))
		return -1;
	if (m->model.n_stop == 0)
		import_note(m, "no end-of-text id is given: only -n ends a"
		            " text");
	return 0;
}
