/* A socket on which each receive has had to wait is waited for first, before it is tried; what
 * the program sees is the same. */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "peer.h"
#include "suites.h"

#define LIMIT 200           /* as in the settings below */

static char bytes[8];

static ssize_t by_read(int fd) { return read(fd, bytes, 1); }
static ssize_t by_readv(int fd) { return readv(fd, &(struct iovec){bytes, 1}, 1); }
static ssize_t by_recv(int fd) { return recv(fd, bytes, 1, 0); }
static ssize_t by_recvmsg(int fd)
{
    return recvmsg(fd, &(struct msghdr){.msg_iov = &(struct iovec){bytes, 1}, .msg_iovlen = 1}, 0);
}
static ssize_t by_recvmmsg(int fd)
{
    struct mmsghdr msg = {.msg_hdr = {.msg_iov = &(struct iovec){bytes, 1}, .msg_iovlen = 1}};
    int n = recvmmsg(fd, &msg, 1, 0, NULL);
    return n < 0 ? n : (ssize_t)msg.msg_len;
}

static const struct receiver {
    const char *name;
    ssize_t (*call)(int fd);
} receivers[] = {{"read", by_read}, {"readv", by_readv}, {"recv", by_recv}, {"recvmsg", by_recvmsg},
                 {"recvmmsg", by_recvmmsg}};

/* A peer that answers each byte when the receiver sleeps, for so many rounds. */
#define ROUNDS 3

static void *answer(void *fd)
{
    pid_t process = getpid();
    char byte;
    for (int i = 0; i < ROUNDS && plain_read(*(int *)fd, &byte, 1) == 1; i++) {
        await_sleep(process);
        plain_write(*(int *)fd, &byte, 1);
    }
    return NULL;
}

/* A pair on whose end here each receive has had to wait. */
static struct pair waited_on(const struct receiver *receiver)
{
    struct pair p = tcp_pair();
    pthread_t peer;
    ck_assert_int_eq(pthread_create(&peer, NULL, answer, &p.there), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(plain_write(p.here, "x", 1), 1);
        ck_returns(1, receiver->call(p.here));
    }
    ck_assert_int_eq(pthread_join(peer, NULL), 0);
    return p;
}

START_TEST(it_times_out_at_its_limit)
{
    const struct receiver *receiver = VARIANT_IN(receivers);
    struct pair p = waited_on(receiver);
    ck_idles(ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, receiver->call(p.here))));
    ck_returns(0, receiver->call(p.here));
}
END_TEST

START_TEST(it_takes_what_is_there)
{
    const struct receiver *receiver = VARIANT_IN(receivers);
    struct pair p = waited_on(receiver);
    ck_assert_int_eq(plain_write(p.there, "ab", 2), 2);
    ck_returns(1, receiver->call(p.here));
    ck_returns(1, receiver->call(p.here));
    shutdown(p.there, SHUT_WR);
    ck_took_ms(0, ck_returns(0, receiver->call(p.here)));
}
END_TEST

START_TEST(o_nonblock_that_we_have_not_seen_holds)
{
    const struct receiver *receiver = VARIANT_IN(receivers);
    struct pair p = waited_on(receiver);
    ck_ok((int)syscall(SYS_fcntl, p.here, F_SETFL, O_NONBLOCK));
    ck_took_ms(0, ck_fails(EAGAIN, receiver->call(p.here)));
    ck_assert_int_eq(plain_write(p.there, "a", 1), 1);
    ck_assert(plain_is_readable(p.here, 1000));
    ck_returns(1, receiver->call(p.here));
}
END_TEST

START_TEST(msg_dontwait_does_not_wait)
{
    struct pair p = waited_on(VARIANT_IN(receivers));
    ck_took_ms(0, ck_fails(EAGAIN, recv(p.here, bytes, 1, MSG_DONTWAIT)));
}
END_TEST

static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

/* One signal, when the process sleeps. */
static void *raise_signal(void *unused)
{
    await_sleep(getpid());
    tgkill(getpid(), getpid(), SIGURG);
    return unused;
}

static void ck_takes_signal(const struct receiver *receiver, int flags, int error)
{
    struct pair p = waited_on(receiver);
    signal(SIGALRM, SIG_DFL);       /* Check's own handlers are without SA_RESTART */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    ck_ok(sigaction(SIGURG, &(struct sigaction){.sa_handler = count, .sa_flags = flags}, NULL));
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, raise_signal, NULL), 0);
    ck_took_ms(error == EINTR ? 0 : LIMIT, ck_fails(error, receiver->call(p.here)));
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_int_eq(signals, 1);
}

START_TEST(a_signal_interrupts_it)
{
    ck_takes_signal(VARIANT_IN(receivers), 0, EINTR);
}
END_TEST

START_TEST(with_sa_restart_a_signal_does_not_and_the_limit_stays)
{
    ck_takes_signal(VARIANT_IN(receivers), SA_RESTART, ETIMEDOUT);
}
END_TEST

/* The number means another kind of descriptor by now. */
START_TEST(a_file_behind_the_same_number_is_read)
{
    struct pair p = waited_on(VARIANT_IN(receivers));
    int file = open("/dev/zero", O_RDONLY);
    ck_ok((int)syscall(SYS_dup3, file, p.here, 0));
    bytes[0] = 'x';
    ck_returns(1, read(p.here, bytes, 1));
    ck_assert_int_eq(bytes[0], 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"habit", SETTINGS("TIMEOUTSOCK_DEFAULT=200ms"),
         TESTS(it_times_out_at_its_limit, it_takes_what_is_there, o_nonblock_that_we_have_not_seen_holds,
               msg_dontwait_does_not_wait, a_signal_interrupts_it, with_sa_restart_a_signal_does_not_and_the_limit_stays,
               a_file_behind_the_same_number_is_read),
         NAMES_IN(receivers)},
        {0}};
    return run_suites(argv, suites);
}
