/* The text of a setting -> its value (shim/settings.c alone, without the library). */
#include "../shim/settings.h"

#include "../shim/deadline.h"
#include "harness.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define MINUTE (60 * SECOND)
#define HOUR (3600 * SECOND)

static const struct { const char *text; int64_t span; } durations[] = {
    {"30", 30 * SECOND},
    {"030", 30 * SECOND},
    {"1", SECOND},
    {"1.5", 3 * SECOND / 2},
    {"1.50", 3 * SECOND / 2},
    {"0.25", SECOND / 4},
    {"30s", 30 * SECOND},
    {"1.5s", 3 * SECOND / 2},
    {"500ms", SECOND / 2},
    {"0.5ms", MILLISECOND / 2},
    {"1500ms", 3 * SECOND / 2},
    {"2m", 2 * MINUTE},
    {"0.5m", 30 * SECOND},
    {"1h", HOUR},
    {"1.5h", HOUR + 30 * MINUTE},
    {"0.000000001", 1},
    {"1.123456789", SECOND + 123456789},
    {"0.000001ms", 1},
    {"0.000000001h", 3600},
    {"0.123456789h", INT64_C(444444440400)},
    {"0.123456789m", INT64_C(7407407340)},
    /* rounded up: what is not nothing stays a limit */
    {"0.0000001ms", 1},
    {"0.000000001ms", 1},
    {"1.0000001ms", MILLISECOND + 1},
    /* no limit */
    {"none", NEVER},
    {"off", NEVER},
    {"infinite", NEVER},
    {"0", NEVER},
    {"00", NEVER},
    {"0.0", NEVER},
    {"0ms", NEVER},
    {"0s", NEVER},
    {"0m", NEVER},
    {"0h", NEVER},
    /* the longest */
    {"9000000000", 9000000000 * SECOND},
    {"9000000000.0", 9000000000 * SECOND},
    {"2499999.5h", 8999998200 * SECOND},
    {"9000000000s", 9000000000 * SECOND},
    {"9000000000000ms", 9000000000 * SECOND},
    {"150000000m", 9000000000 * SECOND},
    {"2500000h", 9000000000 * SECOND},
};

START_TEST(a_duration_has_its_value_in_nanoseconds)
{
    for (size_t i = 0; i < COUNT(durations); i++) {
        int64_t span = -1;
        ck_assert_msg(parse_duration(durations[i].text, &span), "\"%s\" is refused", durations[i].text);
        ck_assert_msg(span == durations[i].span, "\"%s\" is %lld, not %lld", durations[i].text, (long long)span,
                      (long long)durations[i].span);
    }
}
END_TEST

static const char *const bad_durations[] = {
    "", " ", "\t", "abc", "-5", "+5", "-0", "1e3", "1e3x", "1 ", " 1", "1 s", "1\n", "ms", "s", ".", ".5", "5.", "5.s",
    "1..5", "1.5.5", "1,5", "0x10", "1d", "1S", "1M", "1MS", "1sec", "1mss", "1s1", "1m30s", "None", "OFF", "nones",
    "no", "inf", "infinity", "nan", "30;", "1.0000000001", "9000000001", "9000000000001ms", "150000001m", "2500001h",
    "99999999999h", "9000000000.000000001", "2500000.5h", "9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744073709551617",
    "340282366920938463463374607431768211457", "99999999999999999999999999999999999999999999999999999999999999999",
    "\xd9\xa3", "1\xc2\xa0", "\xef\xbb\xbf\x31",
};

START_TEST(what_is_no_duration_is_refused_and_the_value_stays)
{
    for (size_t i = 0; i < COUNT(bad_durations); i++) {
        int64_t span = 4711;
        ck_assert_msg(!parse_duration(bad_durations[i], &span), "\"%s\" is taken", bad_durations[i]);
        ck_assert_msg(span == 4711, "\"%s\" was written", bad_durations[i]);
    }
}
END_TEST

static const char *const colours[] = {"red", "green", "red green", "redder", NULL};

static const struct { const char *text; int index; } words[] = {
    {"red", 0}, {"green", 1}, {"red green", 2}, {"redder", 3},
    {"", -1}, {"re", -1}, {"reds", -1}, {"Red", -1}, {" red", -1}, {"red ", -1}, {"red,green", -1}, {"blue", -1},
};

START_TEST(a_word_is_one_of_the_list_exactly)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        int index = -1;
        ck_assert_msg(parse_word(words[i].text, colours, &index) == (words[i].index >= 0), "\"%s\"", words[i].text);
        ck_assert_msg(index == words[i].index, "\"%s\" is %d", words[i].text, index);
    }
}
END_TEST

static const struct { const char *text; int bits; } lists[] = {
    {"red", 1}, {"green", 2}, {"red,green", 3}, {"green,red", 3}, {"green,green", 2}, {"redder,red green", 12},
    {"red,green,red green,redder", 15},
    {"", -1}, {",", -1}, {"red,", -1}, {",red", -1}, {"red,,green", -1}, {"red, green", -1}, {"red green,", -1},
    {"red,blue", -1}, {"blue,red", -1}, {"red;green", -1}, {"RED", -1},
};

START_TEST(words_are_a_list_without_anything_else)
{
    for (size_t i = 0; i < COUNT(lists); i++) {
        int bits = -1;
        ck_assert_msg(parse_words(lists[i].text, colours, &bits) == (lists[i].bits >= 0), "\"%s\"", lists[i].text);
        ck_assert_msg(bits == lists[i].bits, "\"%s\" is %d", lists[i].text, bits);
    }
}
END_TEST

static const struct { const char *text, *name; bool included; } names[] = {
    {"curl", "curl", true}, {"curl,wget", "curl", true}, {"curl,wget", "wget", true}, {"a,curl,b", "curl", true},
    {"curl", "cur", false}, {"curl", "curls", false}, {"curl,wget", "curl,wget", false}, {"", "curl", false},
    {"Curl", "curl", false}, {"x,,y", "curl", false}, {"*", "curl", false}, {"wget, curl", "curl", false},
};

START_TEST(a_name_is_included_if_it_is_one_of_the_list_exactly)
{
    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert_msg(names_include(names[i].text, names[i].name) == names[i].included, "\"%s\" in \"%s\"",
                      names[i].name, names[i].text);
}
END_TEST

START_TEST(errno_is_left_alone)
{
    int64_t span;
    int value;
    errno = 4711;
    parse_duration("30", &span);
    parse_duration("99999999999999999999999", &span);
    parse_word("blue", colours, &value);
    parse_words("red,green", colours, &value);
    ck_assert_int_eq(errno, 4711);
}
END_TEST

int main(void)
{
    return run_tests("settings",
                     TESTS(a_duration_has_its_value_in_nanoseconds, what_is_no_duration_is_refused_and_the_value_stays,
                           a_word_is_one_of_the_list_exactly, words_are_a_list_without_anything_else,
                           a_name_is_included_if_it_is_one_of_the_list_exactly, errno_is_left_alone));
}
