#include "config.h"
#include "base/utf8.h"

/* Bytes of a character by its first byte; 0 for bytes that start none: 0xc0 and
 * 0xc1 would encode ASCII in two bytes. */
static int length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The range of the second byte rules out overlong forms, surrogates and numbers
 * above U+10FFFF. */
int utf8_length(const unsigned char *p, size_t n)
{
	int len = length_of(p[0]);
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

	if (len == 0)
		return UTF8_INVALID;
	for (int i = 1; i < len && (size_t)i < n; i++) {
		if (p[i] < low || p[i] > high)
			return UTF8_INVALID;
		low = 0x80;
		high = 0xbf;
	}
	return (size_t)len > n ? UTF8_INCOMPLETE : len;
}

size_t utf8_invalid(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && text[at]) {
		int n = utf8_length((const unsigned char *)text + at,
		                    len - at);

		if (n <= 0)
			break;
		at += n;
	}
	return at;
}
