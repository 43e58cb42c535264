#include "settings.h"

#include <string.h>

#include "deadline.h"

#define LONGEST (INT64_C(9000000000) * SECOND)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Stops counting where even milliseconds would be more than LONGEST. */
static const char *parse_whole(const char *text, int64_t *whole)
{
    for (*whole = 0; is_digit(*text); text++)
        if (*whole <= LONGEST / MILLISECOND)
            *whole = *whole * 10 + (*text - '0');
    return text;
}

/* The decimals, in billionths. */
static const char *parse_decimals(const char *text, int64_t *billionths)
{
    *billionths = 0;
    for (int64_t weight = SECOND / 10; is_digit(*text) && weight; text++, weight /= 10)
        *billionths += (*text - '0') * weight;
    return text;
}

static int64_t unit_of(const char *text)
{
    static const struct { const char *name; int64_t span; } units[] = {
        {"", SECOND}, {"ms", MILLISECOND}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(text, units[i].name))
            return units[i].span;
    return 0;
}

static bool parse_number(const char *text, int64_t *span)
{
    int64_t whole, billionths = 0;
    const char *rest = parse_whole(text, &whole);
    if (rest == text)
        return false;
    if (*rest == '.') {
        const char *decimals = rest + 1;
        rest = parse_decimals(decimals, &billionths);
        if (rest == decimals)
            return false;
    }
    int64_t unit = unit_of(rest);
    if (!unit || whole > LONGEST / unit)
        return false;
    /* In milliseconds first: a billionth of an hour would not fit.  Rounded up, so that
     * no limit, however small, becomes none. */
    *span = whole * unit + divide_up(billionths * (unit / MILLISECOND), SECOND / MILLISECOND);
    return *span <= LONGEST;
}

bool parse_duration(const char *text, int64_t *span)
{
    static const char *const no_limit[] = {"none", "off", "infinite", NULL};
    int64_t value;
    int index;
    if (parse_word(text, no_limit, &index))
        value = NEVER;
    else if (!parse_number(text, &value))
        return false;
    *span = value ? value : NEVER;
    return true;
}

static bool same_word(const char *word, const char *text, size_t length)
{
    return strlen(word) == length && !memcmp(word, text, length);
}

static bool word_index(const char *text, size_t length, const char *const *words, int *index)
{
    for (int i = 0; words[i]; i++)
        if (same_word(words[i], text, length)) {
            *index = i;
            return true;
        }
    return false;
}

bool parse_word(const char *text, const char *const *words, int *index)
{
    return word_index(text, strlen(text), words, index);
}

bool parse_words(const char *text, const char *const *words, int *bits)
{
    int found = 0;
    for (;; text++) {
        size_t length = strcspn(text, ",");
        int index;
        if (!word_index(text, length, words, &index))
            return false;
        found |= 1 << index;
        text += length;
        if (!*text) {
            *bits = found;
            return true;
        }
    }
}

bool names_include(const char *text, const char *name)
{
    for (;; text++) {
        size_t length = strcspn(text, ",");
        if (same_word(name, text, length))
            return true;
        text += length;
        if (!*text)
            return false;
    }
}
