/* TCP Fast Open's send (MSG_FASTOPEN) is a connect that takes data along, and is bounded
 * as a connect. */
#ifndef CONNECT_H
#define CONNECT_H

#include <sys/socket.h>
#include <sys/types.h>

ssize_t connect_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len);
ssize_t connect_sendmsg(int fd, const struct msghdr *msg, int flags);

#endif
