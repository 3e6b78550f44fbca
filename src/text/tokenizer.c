/* Encoding splits a text in four steps: special pieces, if they are looked for,
 * separate segments; the user's pieces separate the sections of a segment;
 * the pre-tokenizer cuts a section into words; bpe.c turns words into ids. */
#include "config.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "bpe.h"
#include "text/pretokenizer.h"

/* A piece that is searched for in a text before symbols are joined. */
struct found_piece {
	const char *text;
	size_t len;
	int id;
	int shorter; /* index of the longest other piece that is a prefix of
	              * this one; -1: none */
	unsigned match; /* set of enum piece_match */
};

/* The pieces of some types, for searching. */
struct finder {
	struct found_piece *piece; /* [n], sorted by text, no duplicates */
	int n;
	bool starts[256];          /* whether a piece starts with this byte */
};

struct tokenizer {
	char *name;
	struct vocab vocab;
	struct bpe *bpe;
	struct pretokenizer *pretokenizer; /* NULL: a section is one word */
	struct finder user, special;
};

/* State of an encoding: the current segment and the ids so far. */
struct encoding {
	const struct tokenizer *t;
	bool first;   /* whether the segment starts the text */
	char *text;   /* [len], the segment */
	size_t len;
	int *ids;     /* [n] */
	size_t n, room;
};

/* --- Searching for pieces --- */

static int compare_text(const void *a, const void *b)
{
	const struct found_piece *x = a, *y = b;
	int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_piece(const void *a, const void *b)
{
	const struct found_piece *x = a, *y = b;
	int order = compare_text(a, b);

	return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Bytes of the longest common prefix. */
static size_t common_length(const struct found_piece *a, const char *text,
                            size_t len)
{
	size_t max = a->len < len ? a->len : len, n = 0;

	while (n < max && a->text[n] == text[n])
		n++;
	return n;
}

/* The longest prefix of the text among piece i and the pieces that are prefixes
 * of it; -1 when there is none. */
static int longest_start(const struct finder *f, int i, const char *text,
                         size_t len)
{
	size_t common = i < 0 ? 0 : common_length(&f->piece[i], text, len);

	while (i >= 0 && f->piece[i].len > common)
		i = f->piece[i].shorter;
	return i;
}

/* Piece i with the text to search for. llama2.c's files put a newline before
 * and after the texts of BOS and EOS; these are dropped. */
static struct found_piece text_of(const struct vocab *v, int i)
{
	const char *text = v->text + v->offset[i];
	size_t len = vocab_length(v, i);

	if (v->type[i] == PIECE_CONTROL && len > 2 && text[0] == '\n' &&
	    text[len - 1] == '\n') {
		text++;
		len -= 2;
	}
	return (struct found_piece){ text, len, i, -1,
	                             v->match ? v->match[i] : 0 };
}

static bool can_be_found(const struct found_piece *p)
{
	return p->len > 0 && p->len <= WL_MAX_USER_PIECE &&
	       !(p->match & MATCH_WORD) &&
	       utf8_invalid(p->text, p->len) == p->len;
}

/* Collects and sorts the pieces whose type is in the mask. Of equal texts the
 * lowest id is kept. Pieces that are not valid UTF-8 occur in no text. */
static void finder_init(struct finder *f, const struct vocab *v,
                        unsigned types)
{
	struct found_piece *p;
	int all = 0, n = 0;

	for (int i = 0; i < v->n; i++)
		all += types >> v->type[i] & 1;
	p = f->piece = wl_malloc(all, sizeof *p);
	all = 0;
	for (int i = 0; i < v->n; i++) {
		struct found_piece one = text_of(v, i);

		if ((types >> v->type[i] & 1) && can_be_found(&one))
			p[all++] = one;
	}
	qsort(p, all, sizeof *p, compare_piece);
	for (int i = 0; i < all; i++) {
		if (n > 0 && compare_text(&p[n - 1], &p[i]) == 0)
			continue;
		p[n] = p[i];
		p[n].shorter = longest_start(f, n - 1, p[n].text, p[n].len);
		f->starts[(unsigned char)p[n].text[0]] = true;
		n++;
	}
	f->n = n;
}

/* The longest piece that the text starts with; NULL when there is none. The
 * binary search finds the last piece that sorts at or before the text: every
 * piece that is a prefix of the text is a prefix of that one too. */
static const struct found_piece *find_here(const struct finder *f,
                                           const char *text, size_t len)
{
	struct found_piece key = { .text = text, .len = len };
	int low = 0, high = f->n, i;

	if (len == 0 || !f->starts[(unsigned char)text[0]])
		return NULL;
	while (low < high) {
		int middle = low + (high - low) / 2;

		if (compare_text(&f->piece[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	i = longest_start(f, low - 1, text, len);
	return i < 0 ? NULL : &f->piece[i];
}

/* The first piece at or after text[*at], the longest at that position; *at
 * becomes its position. NULL, and *at becomes len, when there is none. */
static const struct found_piece *find_next(const struct finder *f,
                                           const char *text, size_t len,
                                           size_t *at)
{
	const struct found_piece *p = NULL;

	if (f->n == 0)
		*at = len;
	for (; *at < len && !p; *at += !p)
		p = find_here(f, text + *at, len - *at);
	return p;
}

/* --- The tokenizer --- */

/* A copy of n elements; from may be NULL if n is 0. */
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
	to->match = from->match ? copy(from->match, n, 1) : NULL;
	to->merge = copy(from->merge, from->n_merges, 2 * sizeof *to->merge);
	to->room = from->n;
	to->text_room = from->offset[n];
}

struct tokenizer *tokenizer_new(const struct vocab *v, const char *name,
                                struct wl_error *err)
{
	struct pretokenizer *pretokenizer = NULL;
	struct tokenizer *t;

	if (vocab_check(v, name, err))
		return NULL;
	if (v->split != WORDS_NONE) {
		pretokenizer = pretokenizer_new(v->split, err);
		if (!pretokenizer)
			return NULL;
	}
	t = wl_calloc(1, sizeof *t);
	t->name = wl_strdup(name);
	t->pretokenizer = pretokenizer;
	copy_vocab(&t->vocab, v);
	t->bpe = bpe_new(&t->vocab, t->name);
	finder_init(&t->user, &t->vocab, 1u << PIECE_USER);
	finder_init(&t->special, &t->vocab,
	            1u << PIECE_CONTROL | 1u << PIECE_UNKNOWN);
	return t;
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	bpe_free(t->bpe);
	pretokenizer_free(t->pretokenizer);
	free(t->user.piece);
	free(t->special.piece);
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

/* Sets e->text to a segment of the text, in NFC if the vocabulary asks for it,
 * and makes room for its ids: at most one per byte, one per added space, and
 * one for a special piece on either side. */
static int start_segment(struct encoding *e, const char *text, size_t len,
                        struct wl_error *err)
{
	if (e->t->vocab.nfc) {
		e->text = text_nfc(text, len, &e->len, err);
		if (!e->text)
			return -1;
	} else {
		e->len = len;
		e->text = copy(text, len, 1);
	}
	if (e->room - e->n < 2 * e->len + 2) {
		e->room = 2 * e->n + 2 * e->len + 2;
		e->ids = wl_realloc(e->ids, e->room, sizeof *e->ids);
	}
	return 0;
}

/* Appends the ids of a section, which has none of the user's pieces. */
static int encode_words(struct encoding *e, const char *section, size_t len,
                        struct wl_error *err)
{
	const struct tokenizer *t = e->t;
	size_t word;

	for (size_t at = 0; at < len; at += word) {
		word = len;
		if (t->pretokenizer)
			word = pretokenizer_word(t->pretokenizer, section, len,
			                         at, err);
		if (word == 0 || bpe_word(t->bpe, section + at, word, e->ids,
		                          &e->n, err))
			return -1;
	}
	return 0;
}

/* Whether a space is put before the section that starts at text[from]. */
static bool wants_space(const struct encoding *e, size_t from)
{
	const struct vocab *v = &e->t->vocab;

	if (!v->add_space || v->space_rule == SPACE_EVERY)
		return v->add_space;
	return e->text[from] != ' ' &&
	       (v->space_rule == SPACE_MISSING || (e->first && from == 0));
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

/* Appends the ids of e->text. */
static int encode_segment(struct encoding *e, struct wl_error *err)
{
	size_t section = 0, at = 0;
	const struct found_piece *u;

	while ((u = find_next(&e->t->user, e->text, e->len, &at))) {
		if (encode_section(e, section, at, err))
			return -1;
		e->ids[e->n++] = u->id;
		section = at += u->len;
	}
	return encode_section(e, section, e->len, err);
}

/* Whether text[0..len) is one white-space character. */
static bool is_space(const char *text, size_t len)
{
	static const char *const space[] = {
		"\t", "\n", "\v", "\f", "\r", " ", "\xc2\x85", "\u00a0",
		"\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
		"\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
		"\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
	};

	for (size_t i = 0; i < sizeof space / sizeof *space; i++)
		if (strlen(space[i]) == len && !memcmp(space[i], text, len))
			return true;
	return false;
}

/* Start of the white space that ends at text[to], but at least from. */
static size_t skip_back(const char *text, size_t from, size_t to)
{
	for (size_t at = to; at > from;) {
		at--;
		if ((text[at] & 0xc0) == 0x80)
			continue;
		if (!is_space(text + at, to - at))
			return to;
		to = at;
	}
	return to;
}

/* End of the white space that starts at text[at]. */
static size_t skip_ahead(const char *text, size_t at, size_t len)
{
	for (size_t next = at; next < len; at = next) {
		next += utf8_length((const unsigned char *)text + at, len - at);
		if (!is_space(text + at, next - at))
			break;
	}
	return at;
}

/* Appends the ids of the whole text, in which the pieces of `special` are found
 * first. */
static int encode_text(struct encoding *e, const struct finder *special,
                       const char *text, size_t len, struct wl_error *err)
{
	const struct found_piece *p;
	size_t from = 0, at = 0, end;
	int rc;

	do {
		p = find_next(special, text, len, &at);
		end = p && p->match & MATCH_LSTRIP ? skip_back(text, from, at)
		                                   : at;
		if (start_segment(e, text + from, end - from, err))
			return -1;
		e->first = from == 0;
		rc = encode_segment(e, err);
		free(e->text);
		if (rc)
			return rc;
		if (p) {
			e->ids[e->n++] = p->id;
			at += p->len;
			if (p->match & MATCH_RSTRIP)
				at = skip_ahead(text, at, len);
			from = at;
		}
	} while (p);
	return 0;
}

/* Whether BOS is to be prepended: not to a text that starts with it. */
static bool wants_bos(const struct tokenizer *t, const struct finder *special,
                      const char *text, size_t len)
{
	size_t at = 0;
	const struct found_piece *p = find_next(special, text, len, &at);

	if (p && p->match & MATCH_LSTRIP)
		at = skip_back(text, 0, at);
	return t->vocab.bos_id >= 0 &&
	       !(p && p->id == t->vocab.bos_id && at == 0);
}

/* A text to encode, and the special pieces to find in it. */
struct job {
	const char *text;
	size_t len;
	const struct finder *special;
};

static int encode(const struct tokenizer *t, const struct job *j, int **ids,
                  size_t *n, struct wl_error *err)
{
	struct encoding e = { .t = t, .room = 1 };

	*ids = NULL;
	*n = 0;
	if (check_text(j->text, j->len, err))
		return -1;
	e.ids = wl_malloc(e.room, sizeof *e.ids);
	if (wants_bos(t, j->special, j->text, j->len))
		e.ids[e.n++] = t->vocab.bos_id;
	if (encode_text(&e, j->special, j->text, j->len, err)) {
		free(e.ids);
		return -1;
	}
	*ids = e.ids;
	*n = e.n;
	return 0;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     int **ids, size_t *n, struct wl_error *err)
{
	static const struct finder none;

	return encode(t, &(struct job){ text, len, &none }, ids, n, err);
}

int tokenizer_encode_special(const struct tokenizer *t, const char *text,
                             size_t len, int **ids, size_t *n,
                             struct wl_error *err)
{
	return encode(t, &(struct job){ text, len, &t->special }, ids, n, err);
}

const char *tokenizer_find_special(const struct tokenizer *t, const char *text,
                                   size_t len, size_t *piece_len)
{
	size_t at = 0;
	const struct found_piece *p = find_next(&t->special, text, len, &at);

	*piece_len = p ? p->len : 0;
	return p ? p->text : NULL;
}

const char *tokenizer_decode(const struct tokenizer *t, int prev, int id,
                             size_t *len)
{
	const struct vocab *v = &t->vocab;
	const char *text;

	WL_ASSERT(id >= 0 && id < v->n);
	text = v->text + v->offset[id];
	*len = v->type[id] == PIECE_CONTROL ? 0 : vocab_length(v, id);
	/* Without BOS bos_id is -1, which equals prev at the start. */
	if (prev == v->bos_id && v->add_space && *len > 0 && text[0] == ' ') {
		text++;
		(*len)--;
	}
	return text;
}
