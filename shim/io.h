/* Calls that are made from inside the library too: by its own name a replaced call would go
 * to the first library that is preloaded. */
#ifndef IO_H
#define IO_H

#include <sys/types.h>

/* read(2), write(2) and close(2), as this library replaces them. */
ssize_t io_read(int fd, void *buf, size_t len);
ssize_t io_write(int fd, const void *buf, size_t len);
int io_close(int fd);

#endif
