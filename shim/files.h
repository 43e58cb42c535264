/* What creates, copies or alters a descriptor, told to the table. */
#ifndef FILES_H
#define FILES_H

#include <stdint.h>
#include <sys/socket.h>

/* Each takes the result of the call, notes what it means and returns it; errno stays.
 * A connect may take long: `before` is what files_connecting has said, and if the number has
 * become another descriptor's meanwhile, nothing is noted. */
uint32_t files_connecting(int fd);
int files_connected(int fd, uint32_t before, const struct sockaddr *to, int result);
int files_accepted(int listener, int result, int flags);

/* The descriptors that came with a message (SCM_RIGHTS). */
void files_received(const struct msghdr *msg);

#endif
