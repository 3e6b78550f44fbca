#include "config.h"
#include "nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* No known word is longer. */
#define LONGEST 40
/* The beginning of a word, as a hint. */
#define SHORTEST_START 3

static int min(int a, int b)
{
	return a < b ? a : b;
}

static bool is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Damerau's and Levenshtein's distance, in which no letter changes twice:
 * d[i][j] is that of the first i letters of a from the first j of b. */
static int distance(const char *a, const char *b)
{
	int d[LONGEST + 1][LONGEST + 1];
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
	int far;

	if (length > LONGEST || other > LONGEST)
		return;
	far = distance(n->word, spelling);
	if (common >= SHORTEST_START &&
	    !strncasecmp(n->word, spelling, common))
		far = min(far, 1);
	else if (far > (int)(other + 1) / 3)
		return;
	if (!n->best || far < n->distance) {
		n->best = name;
		n->distance = far;
	}
}
