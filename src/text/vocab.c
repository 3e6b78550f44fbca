/* Vocabularies of any origin: pieces, look-up by text, the alphabets in which
 * files spell pieces, and checks. */
#include "config.h"
#include "text/vocab.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_name[VOCAB_NKINDS] = {
	[VOCAB_SPM] = "spm", [VOCAB_BPE] = "bpe",
};

static const char *const split_name[WORDS_NKINDS] = {
	[WORDS_NONE] = "none", [WORDS_GPT2] = "gpt2",
	[WORDS_LLAMA3] = "llama3", [WORDS_QWEN2] = "qwen2",
	[WORDS_SMOLLM] = "smollm", [WORDS_DIGITS] = "digits",
};

const char *vocab_kind_name(enum vocab_kind k)
{
	return kind_name[k];
}

const char *word_split_name(enum word_split s)
{
	return split_name[s];
}

/* Index of text among n names; -1 when it is not among them. */
static int name_find(const char *const *name, int n, const char *text)
{
	for (int i = 0; i < n; i++)
		if (strcmp(name[i], text) == 0)
			return i;
	return -1;
}

int vocab_kind_parse(const char *name)
{
	return name_find(kind_name, VOCAB_NKINDS, name);
}

int word_split_parse(const char *name)
{
	return name_find(split_name, WORDS_NKINDS, name);
}

void vocab_init(struct vocab *v)
{
	*v = (struct vocab){ .bos_id = -1, .eos_id = -1 };
}

size_t vocab_length(const struct vocab *v, int id)
{
	return v->offset[id + 1] - v->offset[id];
}

/* Room for one more piece of len bytes. */
static void make_room(struct vocab *v, size_t len)
{
	size_t used = v->n ? v->offset[v->n] : 0;

	if (v->n >= v->room) {
		v->room = 2 * v->n + 512;
		v->offset = wl_realloc(v->offset, (size_t)v->room + 1,
		                       sizeof *v->offset);
		v->score = wl_realloc(v->score, v->room, sizeof *v->score);
		v->type = wl_realloc(v->type, v->room, sizeof *v->type);
		if (v->match)
			v->match = wl_realloc(v->match, v->room, 1);
		v->offset[0] = 0;
	}
	if (v->text_room < used + len) {
		v->text_room = 2 * v->text_room + len + 4096;
		v->text = wl_realloc(v->text, v->text_room, 1);
	}
}

int vocab_add(struct vocab *v, enum piece_type type, float score,
              const void *text, size_t len)
{
	int i = v->n;

	if (i == INT_MAX / 4 || len > UINT32_MAX - (i ? v->offset[i] : 0))
		return -1;
	make_room(v, len);
	if (len > 0)
		memcpy(v->text + v->offset[i], text, len);
	v->offset[i + 1] = v->offset[i] + len;
	v->score[i] = score;
	v->type[i] = type;
	if (v->match)
		v->match[i] = 0;
	v->n++;
	return 0;
}

void vocab_set_match(struct vocab *v, int id, unsigned match)
{
	if (!v->match && match)
		v->match = wl_calloc(v->room, 1);
	if (v->match)
		v->match[id] = match;
}

void vocab_pad(struct vocab *v, int n)
{
	while (v->n < n && vocab_add(v, PIECE_UNUSED, 0, "", 0) == 0)
		;
}

void vocab_cut(struct vocab *v, int n)
{
	if (v->n > n)
		v->n = n;
}

void vocab_fini(struct vocab *v)
{
	free(v->text);
	free(v->offset);
	free(v->score);
	free(v->type);
	free(v->match);
	free(v->merge);
	*v = (struct vocab){ 0 };
}

/* --- Look-up by text --- */

int vocab_find(const struct vocab *v, const char *text)
{
	size_t len = strlen(text);
	int found = -1;

	for (int i = 0; i < v->n; i++) {
		if (vocab_length(v, i) != len ||
		    memcmp(v->text + v->offset[i], text, len) != 0)
			continue;
		if (v->type[i] == PIECE_CONTROL)
			return i;
		if (found < 0)
			found = i;
	}
	return found;
}

struct entry {
	const char *text;
	uint32_t len;
	int id;
};

struct vocab_index {
	int n;
	uint32_t longest;     /* bytes of the longest piece */
	struct entry entry[]; /* [n], sorted by text, no duplicates */
};

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

/* Of equal texts the lowest id is kept. */
struct vocab_index *vocab_index_new(const struct vocab *v)
{
	struct vocab_index *x = wl_malloc(1, sizeof *x + (size_t)v->n *
	                                  sizeof *x->entry);
	int all = 0;

	x->n = 0;
	x->longest = 0;
	for (int i = 0; i < v->n; i++) {
		uint32_t len = vocab_length(v, i);

		if (len == 0 || (v->type[i] != PIECE_NORMAL &&
		                 v->type[i] != PIECE_USER))
			continue;
		x->entry[all++] = (struct entry){ v->text + v->offset[i], len,
		                                  i };
		if (len > x->longest)
			x->longest = len;
	}
	qsort(x->entry, all, sizeof *x->entry, compare_entry);
	for (int i = 0; i < all; i++)
		if (x->n == 0 ||
		    compare_text(&x->entry[i], &x->entry[x->n - 1]))
			x->entry[x->n++] = x->entry[i];
	return x;
}

int vocab_index_find(const struct vocab_index *x, const char *text, size_t len)
{
	const struct entry *found;
	struct entry key;

	if (len > x->longest)
		return -1;
	key = (struct entry){ text, len, -1 };
	found = bsearch(&key, x->entry, x->n, sizeof key, compare_text);
	return found ? found->id : -1;
}

uint64_t vocab_merge_pair(const struct vocab *v, uint32_t i)
{
	const uint32_t *ids = v->merge + 2 * (size_t)i;

	return (uint64_t)ids[0] << 32 | ids[1];
}

int vocab_merge_id(const struct vocab *v, const struct vocab_index *x,
                   uint32_t i)
{
	const uint32_t *ids = v->merge + 2 * (size_t)i;
	size_t left = vocab_length(v, ids[0]), right = vocab_length(v, ids[1]);
	char *text;
	int id;

	if (left + right > x->longest)
		return -1;
	text = wl_malloc(left + right, 1);
	memcpy(text, v->text + v->offset[ids[0]], left);
	memcpy(text + left, v->text + v->offset[ids[1]], right);
	id = vocab_index_find(x, text, left + right);
	free(text);
	return id;
}

/* --- Spellings of pieces in foreign files --- */

/* Value of an upper-case hexadecimal digit, as SentencePiece writes it; -1 for
 * other characters. */
static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int vocab_byte(const char *text, size_t len)
{
	int high, low;

	if (len != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
		return -1;
	high = hex_digit(text[3]);
	low = hex_digit(text[4]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t vocab_plain_spaces(char *text, size_t len)
{
	static const char mark[] = "\xe2\x96\x81"; /* U+2581 */
	size_t to = 0;

	for (size_t at = 0; at < len;) {
		if (len - at >= 3 && memcmp(text + at, mark, 3) == 0) {
			text[to++] = ' ';
			at += 3;
		} else {
			text[to++] = text[at++];
		}
	}
	return to;
}

/* GPT-2 writes a byte as the character of the same number if that is printable
 * and not a space. The other bytes (0x00 to 0x20, 0x7F to 0xA0, 0xAD) become,
 * in order, U+0100 and up. Returns the byte of a character, or -1. */
static int byte_of_character(unsigned c)
{
	if ((c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xff && c != 0xad))
		return c;
	if (c >= 0x100 && c <= 0x120)
		return c - 0x100;
	if (c >= 0x121 && c <= 0x142)
		return c - 0x121 + 0x7f;
	return c == 0x143 ? 0xad : -1;
}

int vocab_undo_bytes(char *text, size_t len, size_t *to_len)
{
	unsigned char *p = (unsigned char *)text;
	size_t to = 0;

	/* The first pass checks, so that text is unchanged on failure. */
	for (int write = 0; write < 2; write++)
		for (size_t at = 0; at < len;) {
			unsigned c = p[at++];
			int byte;

			if (c >= 0x80) {
				if (c < 0xc2 || c > 0xdf || at == len ||
				    (p[at] & 0xc0) != 0x80)
					return -1;
				c = (c & 0x1f) << 6 | (p[at++] & 0x3f);
			}
			byte = byte_of_character(c);
			if (byte < 0)
				return -1;
			if (write)
				p[to++] = byte;
		}
	*to_len = to;
	return 0;
}

/* --- Checks --- */

static int check_piece(const struct vocab *v, int i, const char *name,
                       struct wl_error *err)
{
	if (v->offset[i + 1] < v->offset[i])
		return wl_error_set(err, "%s: vocabulary piece %d: its text"
		                    " ends before it starts", name, i);
	if (isnan(v->score[i]))
		return wl_error_set(err, "%s: vocabulary piece %d: its score is"
		                    " not a number", name, i);
	if (v->match && v->match[i] > MATCH_ALL)
		return wl_error_set(err, "%s: vocabulary piece %d: unknown"
		                    " match flags %d", name, i, v->match[i]);
	switch (v->type[i]) {
	case PIECE_NORMAL:
	case PIECE_UNKNOWN:
	case PIECE_CONTROL:
	case PIECE_UNUSED:
		return 0;
	case PIECE_USER:
		if (vocab_length(v, i) <= WL_MAX_USER_PIECE)
			return 0;
		return wl_error_set(err, "%s: vocabulary piece %d is"
		                    " user-defined and %zu bytes long; at most"
		                    " %d are supported", name, i,
		                    vocab_length(v, i), WL_MAX_USER_PIECE);
	case PIECE_BYTE:
		if (vocab_length(v, i) == 1)
			return 0;
		return wl_error_set(err, "%s: vocabulary piece %d is a byte"
		                    " piece, but %zu bytes long", name, i,
		                    vocab_length(v, i));
	}
	return wl_error_set(err, "%s: vocabulary piece %d: unknown type %d",
	                    name, i, v->type[i]);
}

/* A merge's pair of ids and its index. */
struct indexed_pair {
	uint64_t pair;
	uint32_t at;
};

static int compare_pair(const void *a, const void *b)
{
	const struct indexed_pair *x = a, *y = b;

	if (x->pair != y->pair)
		return x->pair < y->pair ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

uint32_t vocab_merge_twice(const struct vocab *v)
{
	uint32_t n = v->n_merges, twice = n;
	struct indexed_pair *p = wl_malloc(n, sizeof *p);

	for (uint32_t i = 0; i < n; i++)
		p[i] = (struct indexed_pair){ vocab_merge_pair(v, i), i };
	qsort(p, n, sizeof *p, compare_pair);
	for (uint32_t i = 1; i < n; i++)
		if (p[i].pair == p[i - 1].pair && p[i].at < twice)
			twice = p[i].at;
	free(p);
	return twice;
}

/* No pair may have two merges. */
static int check_pairs(const struct vocab *v, const char *name,
                       struct wl_error *err)
{
	uint32_t i = vocab_merge_twice(v);

	if (i == v->n_merges)
		return 0;
	return wl_error_set(err, "%s: the merge of vocabulary pieces %u and %u"
	                    " occurs twice", name,
	                    (unsigned)v->merge[2 * (size_t)i],
	                    (unsigned)v->merge[2 * (size_t)i + 1]);
}

/* Symbols only ever have ids that the index returns, so a merge of another id
 * could never apply. */
static int check_merge(const struct vocab *v, const struct vocab_index *x,
                       uint32_t i, const char *name, struct wl_error *err)
{
	for (int side = 0; side < 2; side++) {
		uint32_t id = v->merge[2 * (size_t)i + side];

		if (id >= (uint32_t)v->n)
			return wl_error_set(err, "%s: merge %u: piece %u is"
			                    " outside the vocabulary of %d",
			                    name, i, id, v->n);
		if (vocab_index_find(x, v->text + v->offset[id],
		                     vocab_length(v, id)) != (int)id)
			return wl_error_set(err, "%s: merge %u: piece %u"
			                    " cannot occur in a text", name, i,
			                    id);
	}
	if (vocab_merge_id(v, x, i) < 0)
		return wl_error_set(err, "%s: merge %u: pieces %u and %u form"
		                    " no piece", name, i,
		                    v->merge[2 * (size_t)i],
		                    v->merge[2 * (size_t)i + 1]);
	return 0;
}

static int check_merges(const struct vocab *v, const char *name,
                        struct wl_error *err)
{
	struct vocab_index *x;
	int rc = 0;

	if (v->n_merges == 0)
		return 0;
	/* Refuse duplicates first: checking a merge takes time proportional to
	 * the pieces' lengths, which a hostile file could repeat at will. */
	if (check_pairs(v, name, err))
		return -1;
	x = vocab_index_new(v);
	for (uint32_t i = 0; i < v->n_merges && rc == 0; i++)
		rc = check_merge(v, x, i, name, err);
	free(x);
	return rc;
}

static int check_kind(const struct vocab *v, const char *name,
                      struct wl_error *err)
{
	if ((unsigned)v->kind >= VOCAB_NKINDS)
		return wl_error_set(err, "%s: unknown kind of vocabulary %d",
		                    name, (int)v->kind);
	if ((unsigned)v->split >= WORDS_NKINDS)
		return wl_error_set(err, "%s: unknown word split %d", name,
		                    (int)v->split);
	if ((unsigned)v->space_rule >= SPACE_NRULES)
		return wl_error_set(err, "%s: unknown rule %d for spaces", name,
		                    (int)v->space_rule);
	if (v->kind == VOCAB_BPE)
		return 0;
	if (v->split != WORDS_NONE)
		return wl_error_set(err, "%s: the word split %s needs a"
		                    " vocabulary with merges, but its kind is"
		                    " %s", name, word_split_name(v->split),
		                    vocab_kind_name(v->kind));
	if (v->n_merges > 0)
		return wl_error_set(err, "%s: a vocabulary of kind %s has"
		                    " scores, not merges, but there are %u"
		                    " merges", name, vocab_kind_name(v->kind),
		                    v->n_merges);
	return 0;
}

int vocab_check(const struct vocab *v, const char *name, struct wl_error *err)
{
	if (v->n < 1)
		return wl_error_set(err, "%s: the vocabulary has %d pieces",
		                    name, v->n);
	/* Offsets that never decrease stay within text[offset[n]]. */
	for (int i = 0; i < v->n; i++)
		if (check_piece(v, i, name, err))
			return -1;
	if (v->bos_id < -1 || v->bos_id >= v->n)
		return wl_error_set(err, "%s: BOS id %d is outside the"
		                    " vocabulary of %d", name, v->bos_id, v->n);
	if (v->eos_id < -1 || v->eos_id >= v->n)
		return wl_error_set(err, "%s: EOS id %d is outside the"
		                    " vocabulary of %d", name, v->eos_id, v->n);
	return check_kind(v, name, err) || check_merges(v, name, err) ? -1 : 0;
}
