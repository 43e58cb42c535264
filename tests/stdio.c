/* Streams on sockets and pipes behave as libc's own, with a limit as without: each of these
 * tests runs under both. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <wchar.h>

#include "peer.h"
#include "suites.h"

static FILE *opened(int fd, const char *mode)
{
    FILE *f = fdopen(fd, mode);
    ck_assert_ptr_nonnull(f);
    return f;
}

#define ck_opens_not(error, fd, mode)                        \
    do {                                                     \
        errno = 0;                                           \
        ck_assert_ptr_null(fdopen(fd, mode));                \
        ck_assert_int_eq(errno, error);                      \
    } while (0)

#define ck_has_come(text, fd)                                                      \
    do {                                                                           \
        char come_[64] = "";                                                       \
        ck_assert(plain_is_readable(fd, 5000));                                    \
        ck_assert_int_gt(plain_read(fd, come_, sizeof come_ - 1), 0);              \
        ck_assert_str_eq(come_, text);                                             \
    } while (0)

static void put(int fd, const char *text)
{
    ck_assert_int_eq(plain_write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(a_stream_has_the_number_of_its_descriptor_and_closes_it)
{
    int fd = tcp_pair().here;
    FILE *f = opened(fd, "r+");
    ck_assert_int_eq(fileno(f), fd);
    ck_returns(0, fclose(f));
    ck_fails(EBADF, fcntl(fd, F_GETFD));
}
END_TEST

START_TEST(what_cannot_be_opened_is_refused)
{
    struct pair tcp = tcp_pair(), pipe = pipe_pair();
    const char *const modes[] = {"", "x", "br", "+"};
    for (int i = 0; i < 4; i++)
        ck_opens_not(EINVAL, tcp.here, modes[i]);
    ck_opens_not(EINVAL, pipe.here, "w");
    ck_opens_not(EINVAL, pipe.here, "r+");
    ck_opens_not(EINVAL, pipe.there, "r");
    ck_opens_not(EINVAL, pipe.there, "w+");
    ck_opens_not(EBADF, -1, "r");
    ck_opens_not(EBADF, 9999, "r");
}
END_TEST

START_TEST(a_stream_reads_and_writes_as_its_mode_says)
{
    const struct { const char *mode; bool reads, writes; } modes[] = {
        {"r", true, false}, {"rb", true, false}, {"w", false, true}, {"a", false, true},
        {"r+", true, true}, {"w+", true, true}, {"rb+", true, true}, {"a+b", true, true}, {"r+e", true, true},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct pair p = tcp_pair();
        FILE *f = opened(p.here, modes[i].mode);
        put(p.there, "x");
        ck_assert_msg((getc(f) == 'x') == modes[i].reads && !!ferror(f) != modes[i].reads, "%s", modes[i].mode);
        clearerr(f);
        ck_assert_msg((putc('y', f) == 'y') == modes[i].writes && !!ferror(f) != modes[i].writes, "%s", modes[i].mode);
        ck_assert_int_eq(fclose(f), 0);
        ck_receives(p.there, "y", modes[i].writes);
    }
}
END_TEST

START_TEST(appending_sets_o_append)
{
    int fd = tcp_pair().here;
    opened(fd, "a");
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_APPEND, 0);
}
END_TEST

START_TEST(questions_and_answers_take_turns)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r+");
    char line[64];
    for (int i = 0; i < 100; i++) {
        ck_assert_int_gt(fprintf(f, "question\n"), 0);
        ck_assert_int_eq(fflush(f), 0);
        ck_has_come("question\n", p.there);
        put(p.there, "answer\n");
        ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
        ck_assert_str_eq(line, "answer\n");
    }
}
END_TEST

/* Behind what was read ahead libc would have to go back, and a socket cannot. */
START_TEST(a_question_before_the_answer_has_been_read_is_refused)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r+");
    put(p.there, "ab");
    ck_assert_int_eq(getc(f), 'a');
    ck_assert(putc('x', f) == EOF || fflush(f));
    ck_assert_int_eq(errno, ESPIPE);
}
END_TEST

START_TEST(a_socket_has_no_position)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r+");
    ck_fails(ESPIPE, fseek(f, 0, SEEK_SET));
    ck_fails(ESPIPE, ftell(f));
    put(p.there, "a");
    ck_assert_int_eq(getc(f), 'a');
    ck_assert_int_eq(ungetc('b', f), 'b');
    ck_assert_int_eq(getc(f), 'b');
}
END_TEST

START_TEST(a_buffer_is_sent_when_its_kind_says)
{
    const struct { int kind; const char *first, *second; } kinds[] = {{_IONBF, "ab", "cd\n"}, {_IOLBF, "", "abcd\n"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct pair p = tcp_pair();
        FILE *f = opened(p.here, "w");
        ck_assert_int_eq(setvbuf(f, NULL, kinds[i].kind, 64), 0);
        fputs("ab", f);
        if (*kinds[i].first)
            ck_has_come(kinds[i].first, p.there);
        else
            ck_assert(!plain_is_readable(p.there, 0));
        fputs("cd\n", f);
        ck_has_come(kinds[i].second, p.there);
    }
}
END_TEST

START_TEST(a_full_buffer_goes_in_order_and_completely)
{
    struct pair p = tcp_pair();
    size_t len = 3 << 20;
    char *data = pattern(len);
    struct intake intake = intake_of(p.there, len);
    pthread_t peer;
    ck_assert_int_eq(pthread_create(&peer, NULL, take_in, &intake), 0);
    FILE *f = opened(p.here, "w");
    for (size_t at = 0, step = 1; at < len; at += step, step = step % 9001 + 17) {
        step = step < len - at ? step : len - at;
        ck_assert_uint_eq(fwrite(data + at, 1, step, f), step);
    }
    ck_assert_int_eq(fclose(f), 0);
    pthread_join(peer, NULL);
    ck_assert_uint_eq(intake.got, len);
    ck_assert_int_eq(memcmp(intake.data, data, len), 0);
}
END_TEST

START_TEST(end_of_file_is_no_error)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r");
    put(p.there, "ab");
    close(p.there);
    char text[8];
    ck_assert_uint_eq(fread(text, 1, sizeof text, f), 2);
    ck_assert(feof(f) && !ferror(f));
}
END_TEST

START_TEST(a_stream_follows_its_number_to_another_socket)
{
    struct pair one = tcp_pair(), two = tcp_pair();
    FILE *f = opened(one.here, "r");
    ck_ok(dup2(two.here, fileno(f)));
    put(two.there, "2");
    ck_assert_int_eq(getc(f), '2');
}
END_TEST

/* What libc lets go of a stream, LeakSanitizer does not (shim/stream.c). */
#ifdef __SANITIZE_ADDRESS__
#define LETTING_GO
#else
START_TEST(wide_characters_are_read_and_written)
{
    struct pair p = tcp_pair();
    FILE *in = opened(p.here, "r"), *out = opened(dup(p.here), "w");
    put(p.there, "wide\n");
    wchar_t line[64];
    ck_assert_ptr_nonnull(fgetws(line, 64, in));
    ck_assert_int_eq(wcscmp(line, L"wide\n"), 0);
    ck_assert_int_gt(fwide(in, 0), 0);
    ck_assert_int_gt(fwprintf(out, L"%ls %d", L"also", 7), 0);
    ck_assert_int_eq(fclose(out), 0);
    ck_has_come("also 7", p.there);
    ck_assert_int_eq(fclose(in), 0);
}
END_TEST

START_TEST(a_stream_is_opened_anew_on_a_file)
{
    struct pair p = tcp_pair();
    FILE *f = opened(p.here, "r+");
    ck_assert_int_gt(fprintf(f, "before"), 0);
    ck_assert_ptr_eq(freopen("/proc/self/status", "r", f), f);
    ck_receives(p.there, "before", 6);
    char line[64];
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_ptr_nonnull(strstr(line, "Name:"));
    ck_assert_int_eq(fclose(f), 0);
}
END_TEST

#define LETTING_GO a_stream_is_opened_anew_on_a_file, wide_characters_are_read_and_written,
#endif

static void leave_something_in_the_buffer(void *fd)
{
    fprintf(opened(*(int *)fd, "w"), "to the last");
    exit(EXIT_SUCCESS);
}

START_TEST(nothing_is_lost_at_exit)
{
    struct pair p = tcp_pair();
    in_child(leave_something_in_the_buffer, &p.here);
    close(p.here);
    ck_receives(p.there, "to the last", 11);
}
END_TEST

START_TEST(a_stream_without_a_descriptor_is_no_concern)
{
    char text[] = "memory";
    FILE *f = fmemopen(text, sizeof text, "r");
    ck_assert_int_eq(getc(f), 'm');
    ck_assert_int_eq(fclose(f), 0);
}
END_TEST

START_TEST(popen_is_as_ever)
{
    FILE *f = popen("echo said; exit 3", "r");
    char line[64];
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_str_eq(line, "said\n");
    int status = pclose(f);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const TTest *const *tests =
        TESTS(a_stream_has_the_number_of_its_descriptor_and_closes_it, what_cannot_be_opened_is_refused,
              a_stream_reads_and_writes_as_its_mode_says, appending_sets_o_append, questions_and_answers_take_turns,
              a_question_before_the_answer_has_been_read_is_refused, a_socket_has_no_position,
              a_buffer_is_sent_when_its_kind_says, a_full_buffer_goes_in_order_and_completely,
              end_of_file_is_no_error,
              a_stream_follows_its_number_to_another_socket, LETTING_GO
              nothing_is_lost_at_exit, a_stream_without_a_descriptor_is_no_concern, popen_is_as_ever);
    const struct suite suites[] = {
        {"stdio, nothing limited", SETTINGS("TIMEOUTSOCK_DEFAULT=none"), tests, NULL},
        {"stdio, everything limited", SETTINGS("TIMEOUTSOCK_DEFAULT=20", "TIMEOUTSOCK_KINDS=all"), tests, NULL},
        {0}};
    return run_suites(argv, suites);
}
