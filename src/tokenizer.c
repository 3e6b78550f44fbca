/* A text becomes sections between the user's pieces, sections become words,
 * words become ids (merge.c). */
#include "config.h"
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "words.h"

struct user_piece {
	const char *text;
	size_t len;
	int id;
	int shorter; /* index of the longest other one that it starts with; -1:
	              * none */
};

struct tokenizer {
	char *name;
	struct vocab vocab;
	struct merger *merger;
	struct splitter *splitter; /* NULL: a section is one word */
	struct user_piece *user;   /* [n_user], by text, each once */
	int n_user;
	bool user_starts[256];     /* whether any starts with this byte */
};

/* A text on its way to ids. */
struct encoding {
	const struct tokenizer *t;
	char *text;
	size_t len;
	int *ids;
	size_t n;
};

/* --- UTF-8 --- */

/* Length of the UTF-8 character at p, of which left >= 1 bytes are there; 0
 * when it is none, or NUL. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	/* least number that needs a character of 1, 2, 3, 4 bytes */
	static const uint32_t least[] = { 0, 1, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : p[0] & (0xff >> (len + 1));

	if ((p[0] >= 0x80 && p[0] < 0xc0) || p[0] >= 0xf8 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

size_t utf8_invalid(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = utf8_length((const unsigned char *)text + at,
		                       len - at);

		if (n == 0)
			break;
		at += n;
	}
	return at;
}

/* --- The user's pieces --- */

static int compare_text(const void *a, const void *b)
{
	const struct user_piece *x = a, *y = b;
	int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_piece(const void *a, const void *b)
{
	const struct user_piece *x = a, *y = b;
	int order = compare_text(a, b);

	return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Bytes that two texts have in common at their start. */
static size_t common_length(const struct user_piece *a, const char *text,
                            size_t len)
{
	size_t most = a->len < len ? a->len : len, n = 0;

	while (n < most && a->text[n] == text[n])
		n++;
	return n;
}

/* Of piece i and those that it starts with, the longest that the text starts
 * with; -1 when none. */
static int longest_start(const struct tokenizer *t, int i, const char *text,
                         size_t len)
{
	size_t common = i < 0 ? 0 : common_length(&t->user[i], text, len);

	while (i >= 0 && t->user[i].len > common)
		i = t->user[i].shorter;
	return i;
}

/* Sorts the user's pieces; of equal texts the lowest id stays. Those that are
 * not valid UTF-8 are in no text. */
static void index_user(struct tokenizer *t)
{
	const struct vocab *v = &t->vocab;
	struct user_piece *u;
	int all = 0, n = 0;

	for (int i = 0; i < v->n; i++)
		all += v->type[i] == PIECE_USER;
	u = t->user = wl_malloc(all, sizeof *u);
	all = 0;
	for (int i = 0; i < v->n; i++) {
		const char *text = v->text + v->offset[i];
		size_t len = vocab_length(v, i);

		if (v->type[i] == PIECE_USER && len > 0 &&
		    utf8_invalid(text, len) == len)
			u[all++] = (struct user_piece){ text, len, i, -1 };
	}
	qsort(u, all, sizeof *u, compare_piece);
	for (int i = 0; i < all; i++) {
		if (n > 0 && compare_text(&u[n - 1], &u[i]) == 0)
			continue;
		u[n] = u[i];
		u[n].shorter = longest_start(t, n - 1, u[n].text, u[n].len);
		t->user_starts[(unsigned char)u[n].text[0]] = true;
		n++;
	}
	t->n_user = n;
}

/* The longest of the user's pieces at the start of the text; NULL when none is
 * there. All that are there come before the text in order, and the last that
 * does starts with each of them. */
static const struct user_piece *find_user(const struct tokenizer *t,
                                          const char *text, size_t len)
{
	struct user_piece key = { text, len, -1, -1 };
	int low = 0, high = t->n_user, i;

	if (!t->user_starts[(unsigned char)text[0]])
		return NULL;
	while (low < high) {
		int middle = low + (high - low) / 2;

		if (compare_text(&t->user[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	i = longest_start(t, low - 1, text, len);
	return i < 0 ? NULL : &t->user[i];
}

/* --- The tokenizer --- */

/* A copy of n elements; a vocabulary without any may have no array. */
static void *copy(const void *from, size_t n, size_t size)
{
	void *to = wl_malloc(n, size);

	if (n > 0)
		memcpy(to, from, n * size);
	return to;
}

static void copy_vocab(struct vocab *to, const struct vocab *from)
{
	size_t n = from->n;

	*to = *from;
	to->text = copy(from->text, from->offset[n], 1);
	to->offset = copy(from->offset, n + 1, sizeof *to->offset);
	to->score = copy(from->score, n, sizeof *to->score);
	to->type = copy(from->type, n, sizeof *to->type);
	to->merge = copy(from->merge, from->n_merges, 2 * sizeof *to->merge);
	to->room = from->n;
	to->text_room = from->offset[n];
}

struct tokenizer *tokenizer_new(const struct vocab *v, const char *name,
                                struct wl_error *err)
{
	struct splitter *splitter = NULL;
	struct tokenizer *t;

	if (vocab_check(v, name, err))
		return NULL;
	if (v->split != WORDS_NONE) {
		splitter = splitter_new(v->split, err);
		if (!splitter)
			return NULL;
	}
	t = wl_calloc(1, sizeof *t);
	t->name = wl_strdup(name);
	t->splitter = splitter;
	copy_vocab(&t->vocab, v);
	t->merger = merger_new(&t->vocab, t->name);
	index_user(t);
	return t;
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	merger_free(t->merger);
	splitter_free(t->splitter);
	free(t->user);
	vocab_fini(&t->vocab);
	free(t->name);
	free(t);
}

const struct vocab *tokenizer_vocab(const struct tokenizer *t)
{
	return &t->vocab;
}

/* --- Encoding --- */

static int check_text(const char *text, size_t len, struct wl_error *err)
{
	size_t bad = utf8_invalid(text, len);

	if (bad == len)
		return 0;
	if (text[bad] == '\0')
		return wl_error_set(err, "text: byte %zu is NUL", bad);
	return wl_error_set(err, "text: byte %zu (0x%02X) is not valid UTF-8",
	                    bad, (unsigned char)text[bad]);
}

/* The text as it is cut: in normal form where the vocabulary wants it. */
static int prepare(struct encoding *e, const char *text, size_t len,
                   struct wl_error *err)
{
	if (e->t->vocab.nfc) {
		e->text = text_nfc(text, len, &e->len, err);
		return e->text ? 0 : -1;
	}
	e->len = len;
	e->text = copy(text, len, 1);
	return 0;
}

/* Appends the ids of a section, which no piece of the user's interrupts. */
static int encode_words(struct encoding *e, const char *section, size_t len,
                        struct wl_error *err)
{
	const struct tokenizer *t = e->t;
	size_t word;

	for (size_t at = 0; at < len; at += word) {
		word = len;
		if (t->splitter)
			word = splitter_word(t->splitter, section, len, at,
			                     err);
		if (word == 0 || merger_word(t->merger, section + at, word,
		                             e->ids, &e->n, err))
			return -1;
	}
	return 0;
}

/* Whether a space is put before the section that starts at text[from]: every
 * one as Llama's tokenizers have it, or the first if it has none. */
static bool wants_space(const struct encoding *e, size_t from)
{
	const struct vocab *v = &e->t->vocab;

	return v->add_space &&
	       (!v->space_once || (from == 0 && e->text[0] != ' '));
}

/* Appends the ids of the section text[from] up to text[to]. */
static int encode_section(struct encoding *e, size_t from, size_t to,
                          struct wl_error *err)
{
	size_t len = to - from;
	char *spaced;
	int rc;

	if (len == 0)
		return 0;
	if (!wants_space(e, from))
		return encode_words(e, e->text + from, len, err);
	spaced = wl_malloc(len + 1, 1);
	spaced[0] = ' ';
	memcpy(spaced + 1, e->text + from, len);
	rc = encode_words(e, spaced, len + 1, err);
	free(spaced);
	return rc;
}

/* Appends the ids of the whole text. */
static int encode_text(struct encoding *e, struct wl_error *err)
{
	size_t section = 0, at = 0;

	while (at < e->len) {
		const struct user_piece *u = find_user(e->t, e->text + at,
		                                       e->len - at);

		if (!u) {
			at++;
			continue;
		}
		if (encode_section(e, section, at, err))
			return -1;
		e->ids[e->n++] = u->id;
		section = at += u->len;
	}
	return encode_section(e, section, at, err);
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     int **ids, size_t *n, struct wl_error *err)
{
	struct encoding e = { .t = t };

	*ids = NULL;
	*n = 0;
	if (check_text(text, len, err) || prepare(&e, text, len, err))
		return -1;
	/* At most one id per byte, a space for each section, and BOS. */
	e.ids = wl_malloc(2 * e.len + 1, sizeof *e.ids);
	if (t->vocab.bos_id >= 0)
		e.ids[e.n++] = t->vocab.bos_id;
	if (encode_text(&e, err)) {
		free(e.text);
		free(e.ids);
		return -1;
	}
	free(e.text);
	*ids = e.ids;
	*n = e.n;
	return 0;
}

const char *tokenizer_decode(const struct tokenizer *t, int prev, int id,
                             size_t *len)
{
	const struct vocab *v = &t->vocab;
	const char *text;

	WL_ASSERT(id >= 0 && id < v->n);
	text = v->text + v->offset[id];
	*len = v->type[id] == PIECE_CONTROL ? 0 : vocab_length(v, id);
	/* Without BOS bos_id is -1, as prev is at the start of a text. */
	if (prev == v->bos_id && v->add_space && *len > 0 && text[0] == ' ') {
		text++;
		(*len)--;
	}
	return text;
}
