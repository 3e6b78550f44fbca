/* A word becomes a linked list of symbols, which are characters or bytes. The
 * adjacent pair of highest priority is joined repeatedly, until no pair can be
 * joined. The kind of vocabulary decides which pairs can be, and the priority:
 * - VOCAB_SPM: pairs that form a piece; the highest score first;
 * - VOCAB_BPE: pairs with a merge rule; the earliest rule first.
 * Ties go to the left. A heap keeps the pairs that can be joined. The algorithm
 * is that of Sennrich, Haddow, Birch, "Neural machine translation of rare words
 * with subword units", ACL 2016; scores and byte fallback are those of
 * SentencePiece (Kudo, Richardson, EMNLP 2018). */
#include "config.h"
#include "bpe.h"

#include <stdlib.h>

struct rule {
	uint64_t pair; /* ids of left and right */
	uint32_t rank; /* index among the merges */
	int id;        /* of the piece that it forms */
};

struct bpe {
	const struct vocab *vocab;
	const char *name;
	struct vocab_index *index;
	struct rule *rule;  /* [vocab->n_merges], sorted by pair */
	int byte_id[256];   /* id of each byte's piece; -1: none */
};

#define NONE SIZE_MAX

struct symbol {
	size_t start, len;  /* bytes of the word; len 0: no longer in use */
	size_t prev, next;  /* NONE at the ends */
	int id;             /* -1: no piece */
};

/* Symbol `left` and its successor, which together form piece `id` and cover len
 * bytes of the word. */
struct pair {
	double order;  /* the highest is joined first */
	int id;
	size_t left, len;
};

struct work {
	const struct bpe *m;
	const char *word;
	size_t len;
	struct symbol *symbol;
	size_t n_symbols;
	struct pair *heap; /* [n_pairs], the next pair to join at the top */
	size_t n_pairs;
};

/* --- Look-up tables --- */

static int compare_rule(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	return (x->pair > y->pair) - (x->pair < y->pair);
}

static struct rule *make_rules(const struct vocab *v,
                               const struct vocab_index *x)
{
	struct rule *r = wl_malloc(v->n_merges, sizeof *r);

	for (uint32_t i = 0; i < v->n_merges; i++)
		r[i] = (struct rule){ vocab_merge_pair(v, i), i,
		                      vocab_merge_id(v, x, i) };
	qsort(r, v->n_merges, sizeof *r, compare_rule);
	return r;
}

/* Where several pieces represent one byte, the lowest id is used. */
static void index_bytes(struct bpe *m)
{
	const struct vocab *v = m->vocab;

	for (int b = 0; b < 256; b++)
		m->byte_id[b] = -1;
	for (int i = v->n - 1; i >= 0; i--)
		if (v->type[i] == PIECE_BYTE)
			m->byte_id[(unsigned char)v->text[v->offset[i]]] = i;
}

struct bpe *bpe_new(const struct vocab *v, const char *name)
{
	struct bpe *m = wl_calloc(1, sizeof *m);

	m->vocab = v;
	m->name = name;
	m->index = vocab_index_new(v);
	m->rule = make_rules(v, m->index);
	index_bytes(m);
	return m;
}

void bpe_free(struct bpe *m)
{
	if (!m)
		return;
	free(m->index);
	free(m->rule);
	free(m);
}

static const struct rule *find_rule(const struct bpe *m, int left,
                                    int right)
{
	struct rule key = { .pair = (uint64_t)left << 32 | (uint32_t)right };

	if (left < 0 || right < 0)
		return NULL;
	return bsearch(&key, m->rule, m->vocab->n_merges, sizeof key,
	               compare_rule);
}

/* --- The heap --- */

/* Whether a is joined before b. */
static bool before(const struct pair *a, const struct pair *b)
{
	if (a->order != b->order)
		return a->order > b->order;
	return a->left < b->left;
}

static void heap_push(struct work *w, struct pair p)
{
	size_t i = w->n_pairs++;

	while (i > 0 && before(&p, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = p;
}

static struct pair heap_pop(struct work *w)
{
	struct pair top = w->heap[0], last = w->heap[--w->n_pairs];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->n_pairs) {
		if (child + 1 < w->n_pairs &&
		    before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* --- Joining --- */

/* Adds symbol left and its successor to the heap if they can be joined. */
static void offer(struct work *w, size_t left)
{
	const struct vocab *v = w->m->vocab;
	const struct symbol *a = &w->symbol[left], *b;
	const struct rule *rule;
	struct pair p;

	if (a->next == NONE)
		return;
	b = &w->symbol[a->next];
	p = (struct pair){ 0, -1, left, a->len + b->len };
	if (v->kind == VOCAB_BPE) {
		rule = find_rule(w->m, a->id, b->id);
		if (!rule)
			return;
		p.order = -(double)rule->rank;
		p.id = rule->id;
	} else {
		p.id = vocab_index_find(w->m->index, w->word + a->start,
		                        p.len);
		if (p.id < 0)
			return;
		p.order = v->score[p.id];
	}
	heap_push(w, p);
}

/* Joins the pair unless it is stale: its left symbol is gone, or the combined
 * length has changed because one of the two was joined in the meantime. */
static void join(struct work *w, const struct pair *p)
{
	struct symbol *a = &w->symbol[p->left], *b;

	if (a->len == 0 || a->next == NONE ||
	    a->len + w->symbol[a->next].len != p->len)
		return;
	b = &w->symbol[a->next];
	a->len = p->len;
	a->id = p->id;
	a->next = b->next;
	b->len = 0;
	if (a->next != NONE)
		w->symbol[a->next].prev = p->left;
	if (a->prev != NONE)
		offer(w, a->prev);
	offer(w, p->left);
}

/* Bytes of the first symbol at word[at]. */
static size_t first_symbol(const struct work *w, size_t at)
{
	size_t len = 1;

	if (w->m->vocab->split != WORDS_NONE)
		return 1;
	while (at + len < w->len && (w->word[at + len] & 0xc0) == 0x80)
		len++;
	return len;
}

static void split(struct work *w)
{
	size_t at = 0, n = 0;

	while (at < w->len) {
		struct symbol *s = &w->symbol[n];

		s->start = at;
		s->len = first_symbol(w, at);
		s->prev = n ? n - 1 : NONE;
		s->next = n + 1;
		s->id = vocab_index_find(w->m->index, w->word + at, s->len);
		at += s->len;
		n++;
	}
	if (n > 0)
		w->symbol[n - 1].next = NONE;
	w->n_symbols = n;
}

/* Appends the ids of the bytes of a symbol that is not a piece. */
static int fall_back(const struct work *w, const struct symbol *s, int *ids,
                     size_t *n, struct wl_error *err)
{
	for (size_t i = 0; i < s->len; i++) {
		unsigned char byte = w->word[s->start + i];
		int id = w->m->byte_id[byte];

		if (id < 0)
			return wl_error_set(err, "%s: the vocabulary has no"
			                    " piece for byte 0x%02X of"
			                    " \"%.*s\"", w->m->name, byte,
			                    (int)s->len,
			                    w->word + s->start);
		ids[(*n)++] = id;
	}
	return 0;
}

static int emit(const struct work *w, int *ids, size_t *n,
                struct wl_error *err)
{
	size_t i = w->n_symbols ? 0 : NONE;

	for (; i != NONE; i = w->symbol[i].next) {
		const struct symbol *s = &w->symbol[i];

		if (s->id >= 0)
			ids[(*n)++] = s->id;
		else if (fall_back(w, s, ids, n, err))
			return -1;
	}
	return 0;
}

int bpe_word(const struct bpe *m, const char *word, size_t len, int *ids,
             size_t *n, struct wl_error *err)
{
	struct work w = { .m = m, .word = word, .len = len };
	int rc;

	if (m->vocab->whole_words) {
		int id = vocab_index_find(m->index, word, len);

		if (id >= 0) {
			ids[(*n)++] = id;
			return 0;
		}
	}
	/* A join removes one pair from the heap and adds at most two, so the
	 * heap never reaches two pairs per symbol. */
	w.symbol = wl_malloc(len, sizeof *w.symbol);
	w.heap = wl_malloc(len, 2 * sizeof *w.heap);
	split(&w);
	for (size_t i = 0; i < w.n_symbols; i++)
		offer(&w, i);
	while (w.n_pairs > 0) {
		struct pair first = heap_pop(&w);

		join(&w, &first);
	}
	rc = emit(&w, ids, n, err);
	free(w.symbol);
	free(w.heap);
	return rc;
}
