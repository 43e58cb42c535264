/* What a descriptor is, in the bits of a cell's state (fdtab.h). */
#ifndef KIND_H
#define KIND_H

#include <stdint.h>

#include "policy.h"

/* The kind of socket(domain, type, protocol), and its flags. */
enum kind kind_of_socket(int domain, int type, int protocol, uint32_t *flags);

/* Asks the kernel; KIND_UNKNOWN if fd is not open.  Changes errno. */
uint32_t kind_ask(int fd);

#endif
