/* Streams on limited sockets: what waits ends at the limit as a read or write on the
 * descriptor does, and the stream stays what it was. */
#include <fcntl.h>
#include <stdio.h>
#include <wchar.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

#define LIMIT 60        /* as in the settings below */

static FILE *opened(int fd, const char *mode)
{
    FILE *f = fdopen(fd, mode);
    ck_assert_ptr_nonnull(f);
    return f;
}

static char line[64];

static bool by_getc(FILE *f) { return getc(f) != EOF; }
static bool by_fgets(FILE *f) { return fgets(line, sizeof line, f); }
static bool by_fread(FILE *f) { return fread(line, 1, 1, f) == 1; }
static bool by_fscanf(FILE *f) { return fscanf(f, "%63s", line) == 1; }

static bool by_getline(FILE *f)
{
    static char *text;
    static size_t size;
    return getline(&text, &size, f) > 0;
}

static bool by_getdelim(FILE *f)
{
    static char *text;
    static size_t size;
    return getdelim(&text, &size, ';', f) > 0;
}

static bool (*const readings[])(FILE *) = {by_getc, by_fgets, by_fread, by_fscanf, by_getline, by_getdelim};

#define EACH_READING(by) for (bool (*const *by)(FILE *) = readings; by < readings + sizeof readings / sizeof *readings; by++)

START_TEST(reading_a_silent_peer_ends_at_the_limit)
{
    EACH_READING(by) {
        FILE *f = opened(tcp_pair().here, "r");
        errno = 0;
        ck_took_ms(LIMIT, ck_idles(ck_assert(!(*by)(f))));
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_assert(ferror(f) && !feof(f));
        ck_assert_int_eq(fclose(f), 0);
    }
}
END_TEST

START_TEST(what_came_before_the_limit_is_kept)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r");
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(LIMIT, ck_assert_uint_eq(fread(line, 1, 8, f), 3));
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert(ferror(f) && !feof(f) && !memcmp(line, "abc", 3));
}
END_TEST

/* The limit is the program's own, so nothing has happened to the connection. */
START_TEST(a_stream_can_be_used_again)
{
    EACH_READING(by) {
        struct pair p = tcp_pair();
        FILE *f = opened(p.here, "r+");
        ck_ok(tsock_set_timeout(p.here, LIMIT));
        ck_took_ms(LIMIT, ck_assert(!(*by)(f)));
        clearerr(f);
        ck_assert_int_eq(plain_write(p.there, "again;\n", 7), 7);
        ck_assert((*by)(f) && !ferror(f));
    }
}
END_TEST

START_TEST(after_an_imposed_limit_the_connection_has_ended)
{
    FILE *f = opened(tcp_pair().here, "r");
    ck_took_ms(LIMIT, ck_assert_int_eq(getc(f), EOF));
    clearerr(f);
    ck_took_ms(0, ck_assert_int_eq(getc(f), EOF));
    ck_assert(feof(f) && !ferror(f));
}
END_TEST

START_TEST(data_that_is_there_is_read_at_once)
{
    EACH_READING(by) {
        struct pair p = tcp_pair();
        ck_assert_int_eq(plain_write(p.there, "here;\n", 6), 6);
        errno = 4711;
        ck_took_ms(0, ck_assert((*by)(opened(p.here, "r"))));
        ck_assert_int_eq(errno, 4711);
    }
}
END_TEST

static bool by_fflush(FILE *f) { return putc('x', f) != EOF && fflush(f) == 0; }
static bool by_fprintf(FILE *f) { return setvbuf(f, NULL, _IONBF, 0) == 0 && fprintf(f, "%d", 1) > 0; }
static bool by_fputs(FILE *f) { return setvbuf(f, NULL, _IOLBF, 64) == 0 && fputs("line\n", f) >= 0; }
static bool by_fwrite(FILE *f) { return fwrite(keep(1 << 16), 1 << 16, 1, f) == 1; }

static bool (*const writings[])(FILE *) = {by_fflush, by_fprintf, by_fputs, by_fwrite};

START_TEST(writing_to_a_peer_that_does_not_read_ends_at_the_limit)
{
    for (size_t i = 0; i < sizeof writings / sizeof *writings; i++) {
        FILE *f = opened(full_pair().here, "w");
        ck_took_ms(LIMIT, ck_idles(ck_assert(!writings[i](f))));
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_assert(ferror(f));
    }
}
END_TEST

START_TEST(closing_a_stream_whose_rest_cannot_be_sent_ends_at_the_limit)
{
    struct pair p = full_pair();
    FILE *f = opened(p.here, "w");
    ck_assert_int_eq(putc('x', f), 'x');
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, fclose(f)));
    ck_fails(EBADF, fcntl(p.here, F_GETFD));
}
END_TEST

START_TEST(a_limit_that_is_set_later_holds_for_a_stream_of_an_aware_program)
{
    struct pair p = tcp_pair(), other = tcp_pair();
    ck_ok(tsock_set_timeout(other.here, 1));
    FILE *f = opened(p.here, "r");
    ck_ok(tsock_set_timeout(p.here, LIMIT));
    ck_took_ms(LIMIT, ck_assert_int_eq(getc(f), EOF));
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(fclose(f), 0);
}
END_TEST

static void *say_so_late(void *there)
{
    plain_sleep_ms(3 * LIMIT);
    plain_write(*(int *)there, "late\n", 5);
    return NULL;
}

/* Its memory is lost (shim/stream.c), which LeakSanitizer minds. */
#ifdef __SANITIZE_ADDRESS__
#define WIDE
#else
START_TEST(a_stream_of_wide_characters_waits_without_a_limit)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r");
    pthread_t peer = when_asleep(say_so_late, &p.there);
    ck_took_ms(3 * LIMIT, ck_assert(fgetwc(f) == L'l'));
    pthread_join(peer, NULL);
    ck_assert_int_eq(fclose(f), 0);
}
END_TEST

#define WIDE a_stream_of_wide_characters_waits_without_a_limit,
#endif

START_TEST(a_stream_without_a_limit_waits)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r");
    pthread_t peer = when_asleep(say_so_late, &p.there);
    ck_took_ms(3 * LIMIT, ck_assert(by_fgets(f)));
    ck_assert_str_eq(line, "late\n");
    pthread_join(peer, NULL);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"streams", SETTINGS("TIMEOUTSOCK_DEFAULT=60ms"),
         TESTS(reading_a_silent_peer_ends_at_the_limit, what_came_before_the_limit_is_kept,
               a_stream_can_be_used_again, after_an_imposed_limit_the_connection_has_ended,
               data_that_is_there_is_read_at_once, writing_to_a_peer_that_does_not_read_ends_at_the_limit,
               WIDE closing_a_stream_whose_rest_cannot_be_sent_ends_at_the_limit), NULL},
        {"streams of an aware program", SETTINGS("TIMEOUTSOCK_DEFAULT=none"),
         TESTS(a_limit_that_is_set_later_holds_for_a_stream_of_an_aware_program, a_stream_without_a_limit_waits), NULL},
        {"streams of other kinds", SETTINGS("TIMEOUTSOCK_DEFAULT=60ms", "TIMEOUTSOCK_KINDS=udp"),
         TESTS(a_stream_without_a_limit_waits), NULL},
        {0}};
    return run_suites(argv, suites);
}
