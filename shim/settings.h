/* The text of one setting -> its value.  Pure functions: no errno, no memory, no output. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* "30", "1.5", "500ms", "30s", "2m", "1h" -> nanoseconds; "none", "off", "infinite" and,
 * as in timeout(1), "0" -> NEVER.  At most nine decimals and 9,000,000,000 s, which is
 * what fits into nanoseconds. */
bool parse_duration(const char *text, int64_t *span);

/* A word of `words` (ended by NULL) -> its index. */
bool parse_word(const char *text, const char *const *words, int *index);

/* Words of `words`, separated by commas -> a bit (1 << index) for each. */
bool parse_words(const char *text, const char *const *words, int *bits);

/* Whether `name` is one of the names in `text`, separated by commas. */
bool names_include(const char *text, const char *name);

#endif
