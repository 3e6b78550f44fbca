/* Memory and its checksums: large blocks, and CRC-32 by whichever library the
 * build has, against zlib's. */
#include "config.h"
#include "crc.h"
#include "large.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "fail.h"
#include "made_up.h"
#include "suite.h"

START_TEST(sums)
{
	unsigned char data[5000];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = made_key(1, 2, i);
	ck_assert_uint_eq(wl_crc32(0, data, 0), crc32_z(0, NULL, 0));
	ck_assert_uint_eq(wl_crc32(7, NULL, 0), 7);
	for (size_t at = 0; at < 70; at++)
		for (size_t n = 0; n < sizeof data - 70; n += 1 + n / 4) {
			uint32_t want = crc32_z(5, data + at, n);

			ck_assert_uint_eq(wl_crc32(5, data + at, n), want);
			/* In two pieces. */
			uint32_t one = wl_crc32(5, data + at, n / 3);

			ck_assert_uint_eq(wl_crc32(one, data + at + n / 3,
			                           n - n / 3), want);
			ck_assert_uint_eq(
				wl_crc32_join(one, wl_crc32(0, data + at + n / 3,
				                            n - n / 3),
				              n - n / 3), want);
		}
}
END_TEST

enum { BLOCKS = 40 };

struct block {
	unsigned char *p;
	size_t bytes;
	int mark;
};

static void block_check(const struct block *b)
{
	for (size_t i = 0; i < b->bytes; i += i < 200 ? 1 : 997)
		ck_assert_int_eq(b->p[i], b->mark);
	if (b->bytes)
		ck_assert_int_eq(b->p[b->bytes - 1], b->mark);
}

/* Fills a block with its mark; one that should be zeroed is. */
static void block_make(struct block *b, struct dice *dice, int mark)
{
	bool zeroed = dice_throw(dice, 0, 1);

	/* Small ones, some of a region, and now and then more than one. */
	b->bytes = dice_throw(dice, 0, dice_throw(dice, 0, 19) ? 1 << 20
	                                                      : 65 << 20);
	b->mark = 0;
	b->p = zeroed ? large_calloc(b->bytes, 1) : large_malloc(b->bytes, 1);
	ck_assert_ptr_nonnull(b->p);
	if (zeroed)
		block_check(b);
	memset(b->p, mark, b->bytes);
	b->mark = mark;
}

/* Blocks come and go in any order, and none overlaps another. */
START_TEST(blocks)
{
	struct block b[BLOCKS] = { { 0 } };
	struct dice dice = { .key = 11 };

	for (int i = 0; i < 200; i++) {
		int which = dice_throw(&dice, 0, BLOCKS - 1);

		if (b[which].p) {
			block_check(&b[which]);
			large_free(b[which].p);
			b[which].p = NULL;
		} else
			block_make(&b[which], &dice, 1 + i % 200);
	}
	for (int i = 0; i < BLOCKS; i++) {
		if (b[i].p)
			block_check(&b[i]);
		large_free(b[i].p);
	}
}
END_TEST

/* What one block gives back the next one gets. */
START_TEST(again)
{
	const size_t bytes = 1 << 20;
	void *stay = large_malloc(bytes, 1), *p = large_malloc(bytes, 1);
	unsigned char *again;

	memset(p, 1, bytes);
	large_free(p);
	again = large_calloc(bytes / 4, 4);
#ifndef __SANITIZE_ADDRESS__
	ck_assert_ptr_eq(again, p);
#endif
	for (size_t i = 0; i < bytes; i++)
		ck_assert_int_eq(again[i], 0);
	large_free(again);
	large_free(stay);
	large_free(NULL);
	large_free(wl_malloc(1, 1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *c = tcase_create("all");

	suite_add_tcase(s, c);
	tcase_add_test(c, sums);
	tcase_add_test(c, blocks);
	tcase_add_test(c, again);
	return run_suite(s);
}
