/* Reads a Hugging Face tokenizer.json: pieces, added tokens and merges. */
#include "config.h"
#include "text/vocab.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonfile.h"
#include "hf.h"
#include "vocab_read.h"

/* The piece of an id. */
struct slot {
	const char *text; /* in the file's spelling; NULL: none so far */
	enum piece_type type;
	bool added;       /* from added_tokens: its text is literal */
	unsigned match;   /* set of enum piece_match */
};

struct reader {
	const char *path;
	json_t *vocab;      /* model.vocab: spelling -> id */
	json_t *added;      /* added_tokens, NULL: none */
	json_t *merges;
	const char *unk;    /* spelling of the unknown piece, NULL: none */
	bool byte_fallback; /* SentencePiece-like, else byte-level */
	struct slot *slot;  /* [n], by id */
	int n;
	struct vocab *v;
	struct wl_error *err;
};

/* --- model --- */

static bool is_empty(const json_t *v)
{
	return !v || (json_is_string(v) && json_string_length(v) == 0) ||
	       (json_is_number(v) && json_number_value(v) == 0);
}

static int check_model(const struct reader *r, json_t *model)
{
	static const char *const must_be_empty[] = {
		"dropout", "continuing_subword_prefix", "end_of_word_suffix",
	};
	json_t *type = json_object_get(model, "type");
	const char *name = json_string_value(type);

	/* Old files lack the type. */
	if (type && (!name || strcmp(name, "BPE")))
		return wl_error_set(r->err, "%s: model.type \"%.100s\" is not"
		                    " supported, only BPE", r->path,
		                    name ? name : "");
	for (int i = 0; i < 3; i++)
		if (!is_empty(jsonfile_get(model, must_be_empty[i])))
			return wl_error_set(r->err, "%s: model.%s is not"
			                    " supported", r->path,
			                    must_be_empty[i]);
	if (!json_is_object(r->vocab))
		return wl_error_set(r->err, "%s: model.vocab must be an object",
		                    r->path);
	if (!json_is_array(r->merges))
		return wl_error_set(r->err, "%s: model.merges must be an array",
		                    r->path);
	if (r->added && !json_is_array(r->added))
		return wl_error_set(r->err, "%s: added_tokens must be an array",
		                    r->path);
	return 0;
}

/* Finds and checks the parts of the file that the other functions use. */
static int read_model(struct reader *r, json_t *root)
{
	json_t *model = jsonfile_get(root, "model");
	struct jsonfile_at a = { model, r->path, "model.", r->err };
	json_t *unk = jsonfile_get(model, "unk_token");

	if (!json_is_object(model))
		return wl_error_set(r->err, "%s: \"model\" must be an object",
		                    r->path);
	r->vocab = json_object_get(model, "vocab");
	r->merges = json_object_get(model, "merges");
	r->added = jsonfile_get(root, "added_tokens");
	if (check_model(r, model) ||
	    jsonfile_bool(&a, "byte_fallback", &r->byte_fallback) ||
	    jsonfile_bool(&a, "ignore_merges", &r->v->whole_words))
		return -1;
	if (unk && !json_is_string(unk))
		return wl_error_set(r->err, "%s: model.unk_token must be a"
		                    " string", r->path);
	/* Byte-level vocabularies cover every text and need no unknown
	 * piece. */
	if (r->byte_fallback && !is_empty(unk))
		r->unk = json_string_value(unk);
	return 0;
}

/* --- Pieces --- */

static int bad_id(const struct reader *r, const char *text)
{
	return wl_error_set(r->err, "%s: the id of \"%.100s\" must be an"
	                    " integer in 0..%d, since the file has %d pieces",
	                    r->path, text, r->n - 1, r->n);
}

static int enter(struct reader *r, const char *text, const json_t *id,
                 struct slot s)
{
	json_int_t i = json_integer_value(id);

	if (!json_is_integer(id) || i < 0 || i >= r->n)
		return bad_id(r, text);
	if (r->slot[i].text)
		return wl_error_set(r->err, "%s: id %d belongs to both"
		                    " \"%.100s\" and \"%.100s\"", r->path,
		                    (int)i, r->slot[i].text, text);
	r->slot[i] = s;
	r->slot[i].text = text;
	return 0;
}

static int enter_vocab(struct reader *r)
{
	const char *text;
	json_t *id;

	json_object_foreach(r->vocab, text, id)
		if (enter(r, text, id, (struct slot){ .type = PIECE_NORMAL }))
			return -1;
	return 0;
}

/* Reads the type and flags of an added token. Special tokens are found in a
 * text on request only, the others in every text. ("normalized" is ignored:
 * tokens are searched for as spelled.) */
static int read_kind(const struct reader *r, size_t i, json_t *token,
                     struct slot *s)
{
	static const struct {
		const char *key;
		enum piece_match match;
	} flags[] = {
		{ "lstrip", MATCH_LSTRIP }, { "rstrip", MATCH_RSTRIP },
		{ "single_word", MATCH_WORD },
	};
	struct jsonfile_at a = { token, r->path, "added_tokens: ", r->err };
	bool special = false;

	if (jsonfile_bool(&a, "special", &special))
		return -1;
	s->type = special ? PIECE_CONTROL : PIECE_USER;
	for (int k = 0; k < 3; k++) {
		bool on = false;

		if (jsonfile_bool(&a, flags[k].key, &on))
			return -1;
		if (on && !special)
			return wl_error_set(r->err, "%s: added_tokens[%zu]: %s"
			                    " is not supported", r->path, i,
			                    flags[k].key);
		s->match |= on ? flags[k].match : 0;
	}
	return 0;
}

/* An added token may repeat a piece of model.vocab, under the same id. */
static int enter_added(struct reader *r, size_t i)
{
	json_t *token = json_array_get(r->added, i);
	const json_t *id = json_object_get(token, "id");
	const json_t *content = json_object_get(token, "content");
	const char *text = json_string_value(content);
	const json_t *known = json_object_get(r->vocab, text);
	struct slot s = { .added = true }, *old;

	if (read_kind(r, i, token, &s))
		return -1;
	if (!known)
		return enter(r, text, id, s);
	if (!json_is_integer(id) || !json_equal(id, known))
		return wl_error_set(r->err, "%s: added_tokens[%zu]: \"%.100s\""
		                    " has another id in model.vocab", r->path,
		                    i, text);
	old = &r->slot[json_integer_value(id)];
	old->type = s.type;
	old->match = s.match;
	old->added = true;
	return 0;
}

/* Sets r->n to the number of pieces: those of model.vocab, and the added tokens
 * that are not among them. */
static int count_pieces(struct reader *r)
{
	size_t n = json_object_size(r->vocab), i;
	json_t *seen = json_object(), *token;
	const char *bad = NULL;

	json_array_foreach(r->added, i, token) {
		const json_t *content = json_object_get(token, "content");
		const char *text = json_string_value(content);

		bad = !text ? "has no \"content\"" :
		      !*text ? "has an empty \"content\"" :
		      json_object_get(seen, text) ? "occurs twice" : NULL;
		if (bad) {
			wl_error_set(r->err, "%s: added_tokens[%zu] %s",
			             r->path, i, bad);
			break;
		}
		json_object_set(seen, text, token);
		if (!json_object_get(r->vocab, text))
			n++;
	}
	json_decref(seen);
	if (bad)
		return -1;
	if (n < 1 || n > INT_MAX / 8)
		return wl_error_set(r->err, "%s: model.vocab: %zu pieces",
		                    r->path, n);
	r->n = n;
	return 0;
}

/* Fills r->slot. There are n pieces with distinct ids below n, so no id is left
 * without a piece. */
static int enter_pieces(struct reader *r)
{
	struct slot *s;
	json_t *unk;

	if (count_pieces(r))
		return -1;
	r->slot = wl_calloc(r->n, sizeof *r->slot);
	if (enter_vocab(r))
		return -1;
	for (size_t i = 0; i < json_array_size(r->added); i++)
		if (enter_added(r, i))
			return -1;
	if (!r->unk)
		return 0;
	unk = json_object_get(r->vocab, r->unk);
	if (!unk)
		return wl_error_set(r->err, "%s: model.unk_token \"%.100s\" is"
		                    " no piece of model.vocab", r->path,
		                    r->unk);
	s = &r->slot[json_integer_value(unk)];
	/* Unless it is an added token, it is never found in a text. */
	s->type = s->added ? PIECE_UNKNOWN : PIECE_UNUSED;
	s->added = true;
	return 0;
}

/* --- Texts of pieces --- */

/* Adds a piece of model.vocab; decodes its spelling text[len] in place. */
static int add_spelled(struct reader *r, char *text, size_t len)
{
	int byte = vocab_byte(text, len);

	if (r->byte_fallback && byte >= 0)
		return vocab_add(r->v, PIECE_BYTE, 0,
		                 &(unsigned char){ byte }, 1);
	/* A piece spelled with a plain space, or with characters outside the
	 * byte-level alphabet, can never be encoded. */
	if (r->byte_fallback ? strchr(text, ' ') != NULL :
	                       vocab_undo_bytes(text, len, &len) != 0)
		return vocab_add(r->v, PIECE_UNUSED, 0, text, len);
	if (r->byte_fallback)
		len = vocab_plain_spaces(text, len);
	return vocab_add(r->v, len ? PIECE_NORMAL : PIECE_UNUSED, 0, text, len);
}

static int add_pieces(struct reader *r)
{
	for (int i = 0; i < r->n; i++) {
		const struct slot *s = &r->slot[i];
		char *text = wl_strdup(s->text);
		size_t len = strlen(text);
		int rc = s->added ? vocab_add(r->v, s->type, 0, text, len) :
		                    add_spelled(r, text, len);

		free(text);
		if (rc)
			return wl_error_set(r->err, "%s: more text than a"
			                    " vocabulary may have", r->path);
		vocab_set_match(r->v, i, s->match);
	}
	return 0;
}

/* --- Merges --- */

static int bad_merge(const struct reader *r, size_t at, const char *why)
{
	return wl_error_set(r->err, "%s: model.merges[%zu]: %s", r->path, at,
	                    why);
}

/* Splits a merge, "a b" or ["a", "b"]. Returns "a\0b", which the caller frees,
 * and *right at the b; NULL when merge is neither. */
static char *split_merge(const json_t *merge, const char **right)
{
	const char *a = json_string_value(json_array_get(merge, 0));
	const char *b = json_string_value(json_array_get(merge, 1));
	size_t len = a ? strlen(a) : 0, more = b ? strlen(b) : 0;
	char *both;

	if (json_is_string(merge)) {
		a = json_string_value(merge);
		b = strchr(a, ' ');
		len = b ? (size_t)(b++ - a) : 0;
		more = b && !strchr(b, ' ') ? strlen(b) : 0;
	} else if (json_array_size(merge) != 2) {
		return NULL;
	}
	if (len == 0 || more == 0)
		return NULL;
	both = wl_malloc(len + 1 + more + 1, 1);
	memcpy(both, a, len);
	both[len] = '\0';
	memcpy(both + len + 1, b, more + 1);
	*right = both + len + 1;
	return both;
}

/* The id of a piece by its spelling; -1 when there is none or no text is
 * encoded to it, because it is special, a byte piece or a duplicate. */
static int find_piece(const struct reader *r, const struct vocab_index *index,
                      const char *spelling)
{
	const struct vocab *v = r->v;
	const json_t *id = json_object_get(r->vocab, spelling);
	int i = id ? (int)json_integer_value(id) : -1;

	if (i < 0 || vocab_index_find(index, v->text + v->offset[i],
	                              vocab_length(v, i)) != i)
		return -1;
	return i;
}

/* Whether the texts of left and right joined are that of result. */
static bool makes(const struct vocab *v, int left, int right, int result)
{
	size_t a = vocab_length(v, left), b = vocab_length(v, right);
	const char *text = v->text + v->offset[result];

	return vocab_length(v, result) == a + b &&
	       memcmp(text, v->text + v->offset[left], a) == 0 &&
	       memcmp(text + a, v->text + v->offset[right], b) == 0;
}

static int read_merge(const struct reader *r, const struct vocab_index *index,
                      size_t at, uint32_t *merge)
{
	const char *right = NULL;
	char *both = split_merge(json_array_get(r->merges, at), &right);
	int a, b, result;

	if (!both)
		return bad_merge(r, at, "must be two pieces, \"a b\" or"
		                 " [\"a\", \"b\"]");
	a = find_piece(r, index, both);
	b = find_piece(r, index, right);
	memmove(both + strlen(both), right, strlen(right) + 1);
	result = find_piece(r, index, both);
	free(both);
	if (a < 0 || b < 0)
		return bad_merge(r, at, a < 0 ?
		                 "its left part is not a piece of any text" :
		                 "its right part is not a piece of any text");
	if (result < 0 || !makes(r->v, a, b, result))
		return bad_merge(r, at, "its result is not a piece");
	merge[0] = a;
	merge[1] = b;
	return 0;
}

static int add_merges(struct reader *r)
{
	struct vocab *v = r->v;
	size_t n = json_array_size(r->merges), twice;
	struct vocab_index *index = vocab_index_new(v);
	int rc = 0;

	v->merge = wl_malloc(n, 2 * sizeof *v->merge);
	v->n_merges = n;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = read_merge(r, index, i, v->merge + 2 * i);
	free(index);
	if (rc)
		return rc;
	twice = vocab_merge_twice(v);
	return twice < n ? bad_merge(r, twice, "occurs twice") : 0;
}

/* --- The whole file --- */

static int read_tokenizer(json_t *tokenizer, const char *path,
                          struct vocab *v, struct wl_error *err)
{
	struct reader r = { .path = path, .v = v, .err = err };
	int rc;

	v->kind = VOCAB_BPE;
	rc = read_model(&r, tokenizer) ||
	     hf_pipeline_read(tokenizer, r.byte_fallback, path, v, err) ||
	     enter_pieces(&r) || add_pieces(&r) || add_merges(&r) ||
	     hf_pipeline_bos(tokenizer, path, v, err) ||
	     vocab_check(v, path, err) ? -1 : 0;
	free(r.slot);
	return rc;
}

int vocab_read_json(const char *path, struct vocab *v, struct vocab_says *says,
                    struct wl_error *err)
{
	json_t *root = jsonfile_read(path, HF_MAX_TOKENIZER, 0, err);
	int rc;

	vocab_init(v);
	if (!root)
		return -1;
	hf_pipeline_says(root, says);
	rc = read_tokenizer(root, path, v, err);
	json_decref(root);
	if (rc)
		vocab_fini(v);
	return rc;
}
