/* Reads llama2.c's vocabularies; makes up similar ones for random models. */
#include "config.h"
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/recognize.h"
#include "vocab_read.h"

/* Ids that SentencePiece gives to Llama vocabularies. */
enum { UNK_ID, BOS_ID, EOS_ID, FIRST_BYTE_ID, FIRST_NORMAL_ID = 259 };

/* A tokenizer.bin has an int32 max_token_length, then for each entry a float32
 * score, an int32 length and that many bytes; all little-endian. */
#define HEADER_BYTES 4
#define ENTRY_BYTES 8
/* The limit of model_check. */
#define MAX_ENTRIES (1 << 22)

static uint32_t get_u32(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Adds the file's next entry. The format has no types: they follow from the
 * id. */
static void add_entry(struct vocab *v, float score, const unsigned char *text,
                      size_t len)
{
	int id = v->n, byte = -1;

	if (id >= FIRST_BYTE_ID && id < FIRST_NORMAL_ID)
		byte = vocab_byte((const char *)text, len);
	if (byte >= 0)
		vocab_add(v, PIECE_BYTE, score, &(unsigned char){ byte }, 1);
	else if (id == UNK_ID)
		vocab_add(v, PIECE_UNKNOWN, score, text, len);
	else if (id == BOS_ID || id == EOS_ID)
		vocab_add(v, PIECE_CONTROL, score, text, len);
	else
		vocab_add(v, PIECE_NORMAL, score, text, len);
}

/* The number of entries in data[size], size >= HEADER_BYTES; -1 and err when an
 * entry does not fit. */
static int count_entries(const unsigned char *data, size_t size,
                         const char *path, struct wl_error *err)
{
	uint32_t max_len = get_u32(data);
	size_t at = HEADER_BYTES;
	int n;

	for (n = 0; at < size; n++) {
		uint32_t len;

		if (size - at < ENTRY_BYTES)
			return wl_error_set(err, "%s: ends within entry %d",
			                    path, n);
		len = get_u32(data + at + 4);
		at += ENTRY_BYTES;
		if (len > size - at || len > INT32_MAX)
			return wl_error_set(err, "%s: entry %d: a length of %d"
			                    " bytes, but %zu are left", path, n,
			                    (int)len, size - at);
		if (len > max_len)
			return wl_error_set(err, "%s: entry %d: a length of %u"
			                    " bytes is above max_token_length"
			                    " %d", path, n, len, (int)max_len);
		at += len;
		if (n == MAX_ENTRIES)
			return wl_error_set(err, "%s: more than %d entries",
			                    path, MAX_ENTRIES);
	}
	return n;
}

/* Adds the n entries of data to v. */
static void add_entries(struct vocab *v, const unsigned char *data, int n)
{
	size_t at = HEADER_BYTES;

	for (int i = 0; i < n; i++) {
		uint32_t bits = get_u32(data + at);
		uint32_t len = get_u32(data + at + 4);
		float score;

		memcpy(&score, &bits, sizeof score);
		add_entry(v, score, data + at + ENTRY_BYTES, len);
		at += ENTRY_BYTES + len;
	}
}

/* A model may have more ids than its tokenizer, because of rounding up. If it
 * has fewer, or more than twice as many, the tokenizer belongs to another
 * model. */
static int parse(const unsigned char *data, size_t size, int n_vocab,
                 const char *path, struct vocab *v, struct wl_error *err)
{
	int n;

	if (size < HEADER_BYTES)
		return wl_error_set(err, "%s: %zu bytes are too few for a"
		                    " tokenizer", path, size);
	n = count_entries(data, size, path, err);
	if (n < 0)
		return -1;
	if (n > n_vocab || n_vocab / 2 > n)
		return wl_error_set(err, "%s: has %d pieces, the checkpoint %d"
		                    " ids: not its tokenizer", path, n,
		                    n_vocab);
	if (n <= EOS_ID)
		return wl_error_set(err, "%s: a vocabulary of %d has no room"
		                    " for BOS and EOS", path, n);
	add_entries(v, data, n);
	return vocab_check(v, path, err);
}

int vocab_read_llama2c(const char *path, int n_vocab, struct vocab *v,
                       struct wl_error *err)
{
	unsigned char *data;
	size_t size;
	int rc;

	vocab_init(v);
	if (n_vocab <= EOS_ID)
		return wl_error_set(err, "%s: a vocabulary of %d has no room"
		                    " for BOS and EOS", path, n_vocab);
	/* Offsets into the text are 32 bits wide. */
	data = file_read_whole(path, UINT32_MAX, &size, err);
	if (!data)
		return recognize_explain(path, FILE_LLAMA2C_TOKENIZER, err);
	v->bos_id = BOS_ID;
	v->eos_id = EOS_ID;
	v->add_space = true;
	rc = parse(data, size, n_vocab, path, v, err);
	free(data);
	if (rc) {
		vocab_fini(v);
		recognize_explain(path, FILE_LLAMA2C_TOKENIZER, err);
	}
	return rc;
}

#define LETTERS " abcdefghijklmnopqrstuvwxyz"
#define N_LETTERS (sizeof LETTERS - 1)
#define MAX_WORD 8 /* 27^8 is more than any int */

/* Word number k over LETTERS, shorter words first, then in alphabetical order.
 * Without its first or its last letter it is an earlier word, so joining
 * symbols reaches every word. Returns the length. */
static size_t make_word(int k, char word[MAX_WORD])
{
	size_t len = 0, rest = (size_t)k + 1;

	for (; rest > 0; rest = (rest - 1) / N_LETTERS)
		word[len++] = LETTERS[(rest - 1) % N_LETTERS];
	for (size_t i = 0; i < len / 2; i++) {
		char c = word[i];

		word[i] = word[len - 1 - i];
		word[len - 1 - i] = c;
	}
	return len;
}

void vocab_make_random(int n_vocab, struct vocab *v)
{
	static const char *const special[] = { "<unk>", "<s>", "</s>" };

	WL_ASSERT(n_vocab > 0);
	vocab_init(v);
	v->bos_id = n_vocab > BOS_ID ? BOS_ID : -1;
	v->eos_id = n_vocab > EOS_ID ? EOS_ID : -1;
	v->add_space = true;
	while (v->n < n_vocab) {
		int id = v->n, k = id - FIRST_NORMAL_ID;
		char word[MAX_WORD];

		if (id < FIRST_BYTE_ID) {
			vocab_add(v, id == UNK_ID ? PIECE_UNKNOWN
			                          : PIECE_CONTROL,
			          0, special[id], strlen(special[id]));
		} else if (id < FIRST_NORMAL_ID) {
			word[0] = (char)(id - FIRST_BYTE_ID);
			vocab_add(v, PIECE_BYTE, 0, word, 1);
		} else {
			size_t len = make_word(k, word);

			vocab_add(v, PIECE_NORMAL, -k, word, len);
		}
	}
}
