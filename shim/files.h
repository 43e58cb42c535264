/* What creates, copies or alters a descriptor, told to the table. */
#ifndef FILES_H
#define FILES_H

#include <sys/socket.h>

/* Each takes the result of the call, notes what it means and returns it; errno stays. */
int files_connected(int fd, const struct sockaddr *to, int result);
int files_accepted(int listener, int result, int flags);

/* The descriptors that came with a message (SCM_RIGHTS). */
void files_received(const struct msghdr *msg);

#endif
