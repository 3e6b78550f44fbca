#include "config.h"
#include "nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Longest word that is compared. */
#define MAX_LENGTH 40
/* Shortest prefix that counts as a match. */
#define MIN_PREFIX 3

static int min(int a, int b)
{
	return a < b ? a : b;
}

static bool is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The restricted Damerau-Levenshtein distance (optimal string alignment):
 * d[i][j] is the distance between the first i letters of a and the first j of
 * b. */
static int distance(const char *a, const char *b)
{
	int d[MAX_LENGTH + 1][MAX_LENGTH + 1];
	int m = strlen(a), n = strlen(b);

	for (int i = 0; i <= m; i++)
		for (int j = 0; j <= n; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = d[i - 1][j - 1] +
			          !is_same(a[i - 1], b[j - 1]);
			d[i][j] = min(d[i][j], d[i - 1][j] + 1);
			d[i][j] = min(d[i][j], d[i][j - 1] + 1);
			if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
			    is_same(a[i - 2], b[j - 1]))
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[m][n];
}

struct nearest nearest_start(const char *word)
{
	return (struct nearest){ .word = word };
}

void nearest_offer(struct nearest *n, const char *name, const char *spelling)
{
	size_t length = strlen(n->word), other = strlen(spelling);
	size_t common = length < other ? length : other;
	int d;

	if (length > MAX_LENGTH || other > MAX_LENGTH)
		return;
	d = distance(n->word, spelling);
	if (common >= MIN_PREFIX &&
	    !strncasecmp(n->word, spelling, common))
		d = min(d, 1);
	else if (d > (int)(other + 1) / 3)
		return;
	if (!n->best || d < n->distance) {
		n->best = name;
		n->distance = d;
	}
}
