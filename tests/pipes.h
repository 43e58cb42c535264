/* Pipes on two kernels: RWF_NOWAIT is known to pipes since Linux 6.4, and a filter makes this
 * kernel one that does not know it.  What holds for pipes is tested once for each, as a
 * variant of a suite (tests/suites.h). */
#ifndef PIPES_H
#define PIPES_H

#include "peer.h"
#include "suites.h"

#define ROOM 65536      /* in a pipe */
#define MUCH ((size_t)1 << 20)

const char *const *kernel_names(void);

/* From now on this process runs on the kernel that the test runs for. */
void enter_kernel(void);

/* On that kernel. */
struct pair a_pipe(void);
struct pair full_pipe(void);

/* Write it all by one call; the second in pieces of which the first one is empty. */
ssize_t by_write(int fd, char *data, size_t len);
ssize_t by_writev(int fd, char *data, size_t len);

/* For when_asleep: closes the descriptor. */
void *close_late(void *fd);

#endif
