/* Calls that libc has for both widths of time_t: what a program compiled for the one gets
 * is not what belongs to the other. */
#include <dlfcn.h>
#include <poll.h>
#include <sys/time.h>

#include "suites.h"

#define LIMIT 100

/* A message with a 32-bit time stamp, as a library of the other width has asked for. */
static int stamped(void)
{
    struct pair p = udp_pair();
    ck_ok(setsockopt(p.here, SOL_SOCKET, SO_TIMESTAMP_OLD, &(int){1}, sizeof(int)));
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    return p.here;
}

static char byte, control[256];
static struct iovec iov = {&byte, 1};

static struct msghdr with_control(void)
{
    return (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
}

static void ck_has_stamp(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    while (c && c->cmsg_type != SO_TIMESTAMP)
        c = CMSG_NXTHDR(msg, c);
    ck_assert_ptr_nonnull(c);
    struct timeval stamp;
    memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    ck_assert_int_le(llabs((long long)time(NULL) - stamp.tv_sec), 5);
}

START_TEST(a_message_has_the_time_stamp_that_the_program_understands)
{
    struct msghdr msg = with_control();
    ck_returns(1, recvmsg(stamped(), &msg, 0));
    ck_has_stamp(&msg);
    struct mmsghdr msgs = {with_control(), 0};
    ck_returns(1, recvmmsg(stamped(), &msgs, 1, 0, NULL));
    ck_has_stamp(&msgs.msg_hdr);
    msgs.msg_hdr = with_control();
    ck_returns(1, recvmmsg(stamped(), &msgs, 1, MSG_WAITALL, NULL));
    ck_has_stamp(&msgs.msg_hdr);
}
END_TEST

/* Its header files know this name in the newest glibc only. */
START_TEST(a_fortified_ppoll_with_a_wide_time_is_limited)
{
    void *found = dlsym(RTLD_DEFAULT, "__ppoll64_chk");
    int (*call)(struct pollfd *, nfds_t, const int64_t[2], const sigset_t *, size_t);
    memcpy(&call, &found, sizeof call);
    if (sizeof(long) == sizeof(int64_t)) {
        ck_assert(!found);
        return;
    }
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    ck_took_ms(LIMIT, ck_returns(1, call(&p, 1, (int64_t[2]){INT64_MAX, 0}, NULL, sizeof p)));
    p.fd = tcp_pair().here;
    ck_took_ms(LIMIT / 2, ck_returns(0, call(&p, 1, (int64_t[2]){0, LIMIT / 2 * 1000000}, NULL, sizeof p)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"widths", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_message_has_the_time_stamp_that_the_program_understands,
               a_fortified_ppoll_with_a_wide_time_is_limited), NULL},
        {0}};
    return run_suites(argv, suites);
}
