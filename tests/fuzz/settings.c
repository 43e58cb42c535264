/* Any text as the value of a setting: what is refused leaves the value alone, and what is taken
 * means the same however it is written.  By libFuzzer and by AFL++ (tests/fuzz/run). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shim/deadline.h"
#include "../../shim/settings.h"

#define HOLD(claim) ((claim) ? (void)0 : fail(#claim, text))
#define UNTOUCHED (-4711)

static void fail(const char *claim, const char *text)
{
    fprintf(stderr, "\"%s\" breaks: %s\n", text, claim);
    abort();
}

/* In seconds with nine decimals, which is exact. */
static void try_duration(const char *text)
{
    int64_t span = UNTOUCHED, again = UNTOUCHED;
    if (!parse_duration(text, &span)) {
        HOLD(span == UNTOUCHED);
        return;
    }
    HOLD(span > 0);
    HOLD(span == NEVER || span <= INT64_C(9000000000) * SECOND);
    char printed[64];
    snprintf(printed, sizeof printed, "%" PRId64 ".%09" PRId64 "s", span / SECOND, span % SECOND);
    HOLD(span == NEVER || (parse_duration(printed, &again) && again == span));
    char plainer[4096];
    if (strspn(text, "0123456789") == strlen(text) && strlen(text) < sizeof plainer - 8) {
        snprintf(plainer, sizeof plainer, "0%s.0s", text);
        HOLD(parse_duration(plainer, &again) && again == span);
    }
}

static const char *const words[] = {"tcp", "udp", "unix", "vsock", "pipe", "all", NULL};

/* A list is taken if each of its words is, and means them together. */
static void try_words(const char *text)
{
    int bits = UNTOUCHED, index = UNTOUCHED, expected = 0, good = 1;
    char *copy = strdup(text), *rest = copy;
    for (char *word; (word = strsep(&rest, ","));)
        if (parse_word(word, words, &index))
            expected |= 1 << index;
        else
            good = 0;
    HOLD(parse_words(text, words, &bits) == good);
    HOLD(bits == (good ? expected : UNTOUCHED));
    free(copy);
}

/* The names that a list includes are those between its commas. */
static void try_names(const char *text)
{
    char *copy = strdup(text), *rest = copy;
    for (char *name; (name = strsep(&rest, ","));)
        HOLD(names_include(text, name));
    HOLD(!*text || !strchr(text, ',') || !names_include(text, text));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    try_duration(text);
    try_words(text);
    try_names(text);
    free(text);
    return 0;
}
