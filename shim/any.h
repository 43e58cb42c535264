/* The bodies of calls that are made by another file too (time64.c, stream.c): a plain name,
 * called from inside, would go to the first library that is preloaded. */
#ifndef ANY_H
#define ANY_H

#include "real.h"

ssize_t any_read(int fd, void *buf, size_t len);
ssize_t any_write(int fd, const void *buf, size_t len);
int any_close(int fd);

int any_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int any_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
int any_pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                const sigset_t *mask);
int any_epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout,
                     const sigset_t *mask);

/* By which of libc's calls messages are received. */
struct message_calls {
    real_recvmsg *one;
    real_recvmmsg *several;
};

ssize_t any_recvmsg(real_recvmsg *call, int fd, struct msghdr *msg, int flags);
int any_recvmmsg(struct message_calls calls, int fd, struct mmsghdr *msgs, unsigned count, int flags,
                 struct timespec *timeout);

#endif
