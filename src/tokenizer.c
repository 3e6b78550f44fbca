/* Encoding: the text becomes a linked list of symbols, one per character;
 * the adjacent pair that makes the piece of the highest score is joined,
 * again and again, until no pair makes a piece. Every pair that does waits
 * in a heap. After: Sennrich, Haddow, Birch, "Neural machine translation of
 * rare words with subword units", ACL 2016; order, ties and byte fallback as
 * in SentencePiece (Kudo, Richardson, EMNLP 2018). */
#include "config.h"
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	const char *text;
	uint32_t len;
	int id;
};

struct tokenizer {
	char *name;
	struct vocab vocab;
	struct entry *entry; /* [n_entries], by text: what text can match */
	int n_entries;
	uint32_t longest;    /* bytes of the longest such piece */
	int byte_id[256];    /* -1: no piece for this byte */
};

#define NONE SIZE_MAX

struct symbol {
	size_t start, len;  /* bytes of the text; len 0: joined to another */
	size_t prev, next;  /* NONE at the ends */
	int id;             /* -1: no piece */
};

/* Symbol left and its next, which together are the piece id: len bytes of
 * the text. */
struct pair {
	float score;
	int id;
	size_t left, len;
};

struct merge {
	const struct tokenizer *t;
	char *text;
	size_t text_len;
	struct symbol *symbol;
	size_t n_symbols;
	struct pair *heap; /* a binary heap, the best first */
	size_t n_pairs;
};

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

static int compare_text(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = compare_text(a, b);

	return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Id of the normal piece with this text; -1 when there is none. */
static int find(const struct tokenizer *t, const char *text, size_t len)
{
	const struct entry *found;
	struct entry key;

	if (len > t->longest)
		return -1;
	key = (struct entry){ text, len, -1 };
	found = bsearch(&key, t->entry, t->n_entries, sizeof key, compare_text);
	return found ? found->id : -1;
}

static size_t piece_length(const struct vocab *v, int id)
{
	return v->offset[id + 1] - v->offset[id];
}

static void copy_vocab(struct vocab *to, const struct vocab *from)
{
	size_t n = from->n;

	*to = *from;
	to->text = wl_malloc(from->offset[n], 1);
	to->offset = wl_malloc(n + 1, sizeof *to->offset);
	to->score = wl_malloc(n, sizeof *to->score);
	to->type = wl_malloc(n, sizeof *to->type);
	memcpy(to->text, from->text, from->offset[n]);
	memcpy(to->offset, from->offset, (n + 1) * sizeof *to->offset);
	memcpy(to->score, from->score, n * sizeof *to->score);
	memcpy(to->type, from->type, n * sizeof *to->type);
}

/* Sorts the pieces that text can match; of equal texts the lowest id stays. */
static void index_pieces(struct tokenizer *t)
{
	const struct vocab *v = &t->vocab;
	struct entry *e = t->entry = wl_malloc(v->n, sizeof *e);
	int n = 0, kept = 0;

	for (int i = 0; i < v->n; i++) {
		uint32_t len = piece_length(v, i);

		if (v->type[i] != PIECE_NORMAL || len == 0)
			continue;
		e[n++] = (struct entry){ v->text + v->offset[i], len, i };
		if (len > t->longest)
			t->longest = len;
	}
	qsort(e, n, sizeof *e, compare_entry);
	for (int i = 0; i < n; i++)
		if (i == 0 || compare_text(&e[kept - 1], &e[i]))
			e[kept++] = e[i];
	t->n_entries = kept;
}

static void index_bytes(struct tokenizer *t)
{
	const struct vocab *v = &t->vocab;

	for (int b = 0; b < 256; b++)
		t->byte_id[b] = -1;
	for (int i = v->n - 1; i >= 0; i--)
		if (v->type[i] == PIECE_BYTE)
			t->byte_id[(unsigned char)v->text[v->offset[i]]] = i;
}

struct tokenizer *tokenizer_new(const struct vocab *v, const char *name,
                                struct wl_error *err)
{
	struct tokenizer *t;

	if (vocab_check(v, name, err))
		return NULL;
	t = wl_calloc(1, sizeof *t);
	t->name = wl_strdup(name);
	copy_vocab(&t->vocab, v);
	index_pieces(t);
	index_bytes(t);
	return t;
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	vocab_fini(&t->vocab);
	free(t->entry);
	free(t->name);
	free(t);
}

const struct vocab *tokenizer_vocab(const struct tokenizer *t)
{
	return &t->vocab;
}

/* Whether a is joined before b: a higher score, on ties further left. */
static bool before(const struct pair *a, const struct pair *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->left < b->left;
}

static void heap_push(struct merge *m, struct pair p)
{
	size_t i = m->n_pairs++;

	while (i > 0 && before(&p, &m->heap[(i - 1) / 2])) {
		m->heap[i] = m->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	m->heap[i] = p;
}

static struct pair heap_pop(struct merge *m)
{
	struct pair top = m->heap[0], last = m->heap[--m->n_pairs];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->n_pairs) {
		if (child + 1 < m->n_pairs &&
		    before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!before(&m->heap[child], &last))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = last;
	return top;
}

/* Queues left and its next if together they make a piece. */
static void offer(struct merge *m, size_t left)
{
	const struct symbol *a = &m->symbol[left];
	size_t len;
	int id;

	if (a->next == NONE)
		return;
	len = a->len + m->symbol[a->next].len;
	id = find(m->t, m->text + a->start, len);
	if (id >= 0)
		heap_push(m, (struct pair){ m->t->vocab.score[id], id, left,
		                            len });
}

/* One symbol per character of the text, which is valid UTF-8. */
static void split(struct merge *m)
{
	size_t at = 0, n = 0;

	while (at < m->text_len) {
		struct symbol *s = &m->symbol[n];

		s->start = at;
		s->len = utf8_length((unsigned char *)m->text + at,
		                     m->text_len - at);
		s->prev = n ? n - 1 : NONE;
		s->next = n + 1;
		s->id = find(m->t, m->text + at, s->len);
		at += s->len;
		n++;
	}
	if (n > 0)
		m->symbol[n - 1].next = NONE;
	m->n_symbols = n;
}

/* Joins the pair unless it is stale: its left symbol is gone, or the two are
 * no longer as long as it was. If they are, they are the same text, whatever
 * happened in between. */
static void join(struct merge *m, const struct pair *p)
{
	struct symbol *a = &m->symbol[p->left], *b;

	if (a->len == 0 || a->next == NONE ||
	    a->len + m->symbol[a->next].len != p->len)
		return;
	b = &m->symbol[a->next];
	a->len = p->len;
	a->id = p->id;
	a->next = b->next;
	b->len = 0;
	if (a->next != NONE)
		m->symbol[a->next].prev = p->left;
	if (a->prev != NONE)
		offer(m, a->prev);
	offer(m, p->left);
}

/* Copies the text, with a space in front where the vocabulary wants one, and
 * takes memory for the worst case: a join takes one pair from the heap and
 * adds two, so less than two pairs per character ever wait. */
static void prepare(struct merge *m, const char *text, size_t len)
{
	size_t space = len > 0 && m->t->vocab.add_space;

	m->text_len = len + space;
	m->text = wl_malloc(m->text_len, 1);
	if (space)
		m->text[0] = ' ';
	if (len > 0)
		memcpy(m->text + space, text, len);
	m->symbol = wl_malloc(m->text_len, sizeof *m->symbol);
	m->heap = wl_malloc(m->text_len, 2 * sizeof *m->heap);
}

/* The ids of the bytes of a symbol that is no piece. */
static int fall_back(const struct merge *m, const struct symbol *s, int *ids,
                     size_t *n, struct wl_error *err)
{
	for (size_t i = 0; i < s->len; i++) {
		unsigned char byte = m->text[s->start + i];
		int id = m->t->byte_id[byte];

		if (id < 0)
			return wl_error_set(err, "%s: the vocabulary has no"
			                    " piece for byte 0x%02X",
			                    m->t->name, byte);
		ids[(*n)++] = id;
	}
	return 0;
}

/* Writes BOS and the symbols' ids, at most one per byte of the text. */
static int emit(const struct merge *m, int *ids, size_t *n,
                struct wl_error *err)
{
	size_t i = m->n_symbols ? 0 : NONE;

	*n = 0;
	if (m->t->vocab.bos_id >= 0)
		ids[(*n)++] = m->t->vocab.bos_id;
	for (; i != NONE; i = m->symbol[i].next) {
		const struct symbol *s = &m->symbol[i];

		if (s->id >= 0)
			ids[(*n)++] = s->id;
		else if (fall_back(m, s, ids, n, err))
			return -1;
	}
	return 0;
}

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

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     int **ids, size_t *n, struct wl_error *err)
{
	struct merge m = { .t = t };
	int rc;

	*ids = NULL;
	*n = 0;
	if (check_text(text, len, err))
		return -1;
	prepare(&m, text, len);
	split(&m);
	for (size_t i = 0; i < m.n_symbols; i++)
		offer(&m, i);
	while (m.n_pairs > 0) {
		struct pair best = heap_pop(&m);

		join(&m, &best);
	}
	*ids = wl_malloc(m.text_len + 1, sizeof **ids);
	rc = emit(&m, *ids, n, err);
	free(m.text);
	free(m.symbol);
	free(m.heap);
	if (rc) {
		free(*ids);
		*ids = NULL;
		*n = 0;
	}
	return rc;
}

const char *tokenizer_decode(const struct tokenizer *t, int prev, int id,
                             size_t *len)
{
	const struct vocab *v = &t->vocab;
	const char *text;

	WL_ASSERT(id >= 0 && id < v->n);
	text = v->text + v->offset[id];
	*len = v->type[id] == PIECE_CONTROL ? 0 : piece_length(v, id);
	/* Without BOS bos_id is -1, as prev is at the start of a text. */
	if (prev == v->bos_id && v->add_space && *len > 0 && text[0] == ' ') {
		text++;
		(*len)--;
	}
	return text;
}
