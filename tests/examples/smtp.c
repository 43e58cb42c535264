/* The idea of timeoutsocket (Timothy O'Malley, for Python): a client that knows nothing of
 * timeouts, here of SMTP, gets a default one for all of its sockets by a single call. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "../../shim/timeoutsock.h"
#include "../harness.h"

#define LIMIT 200

static const struct step {
    const char *says, *answer;
} steps[] = {
    {"", "220 ready\r\n"},
    {"HELO here\r\n", "250 hello\r\n"},
    {"MAIL FROM:<a@example.org>\r\n", "250 fine\r\n"},
    {"RCPT TO:<b@example.org>\r\n", "250 fine\r\n"},
    {"DATA\r\n", "354 go on\r\n"},
    {"Subject: news\r\n\r\nnone\r\n.\r\n", "250 taken\r\n"},
    {"QUIT\r\n", "221 bye\r\n"},
};
#define STEPS (sizeof steps / sizeof *steps)

/* The client. */

static int take_step(int fd, FILE *answers, const struct step *step)
{
    char line[512];
    if (send(fd, step->says, strlen(step->says), 0) < 0 || !fgets(line, sizeof line, answers))
        return -1;
    return strtol(line, NULL, 10) == strtol(step->answer, NULL, 10) ? 0 : -1;
}

/* Returns after how many steps it was over, and errno. */
static size_t send_mail(int listener)
{
    struct sockaddr_storage server = {0};
    socklen_t len;
    size_t step = 0;
    server = name_of(listener, &len);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&server, len))
        return 0;
    FILE *answers = fdopen(fd, "r");
    while (step < STEPS && !take_step(fd, answers, &steps[step]))
        step++;
    int error = errno;
    fclose(answers);
    errno = error;
    return step;
}

/* The server: gives so many answers and is silent then. */

static void serve(int listener, size_t answers)
{
    char line[512];
    int fd = accept(listener, NULL, NULL);
    for (size_t i = 0; i < answers; i++) {
        if (i)
            while (recv(fd, line, sizeof line, 0) < 0) {}
        send(fd, steps[i].answer, strlen(steps[i].answer), 0);
    }
    pause();
}

static int server_with(size_t answers)
{
    int listener = tcp_listener(1);
    pid_t child = fork();
    ck_ok(child);
    if (child)
        return listener;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(listener, answers);
    _exit(EXIT_SUCCESS);
}

START_TEST(a_silent_server_ends_a_client_that_knows_of_no_timeout)
{
    for (size_t answers = 0; answers < STEPS; answers++) {
        int listener = server_with(answers);
        ck_ok(tsock_set_default_timeout(LIMIT));
        ck_took_ms(LIMIT, ck_assert_uint_eq(send_mail(listener), answers));
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_ok(tsock_set_default_timeout(TSOCK_DEFAULT));
    }
}
END_TEST

START_TEST(so_does_one_that_cannot_be_reached)
{
    int listener = full_listener();
    ck_ok(tsock_set_default_timeout(LIMIT));
    ck_took_ms(LIMIT, ck_assert_uint_eq(send_mail(listener), 0));
    ck_assert_int_eq(errno, ETIMEDOUT);
}
END_TEST

START_TEST(a_server_that_answers_gets_its_mail)
{
    int listener = server_with(STEPS);
    ck_ok(tsock_set_default_timeout(LIMIT));
    ck_assert_uint_eq(send_mail(listener), STEPS);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("smtp", TESTS(a_silent_server_ends_a_client_that_knows_of_no_timeout,
                                   so_does_one_that_cannot_be_reached, a_server_that_answers_gets_its_mail));
}
