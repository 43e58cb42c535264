/* A peer that never stops sending. */
#ifndef DRIP_H
#define DRIP_H

#include "harness.h"

/* Starts a thread that sends to fd, whose total is none: a byte every gap_ms milliseconds, or
 * with 0 as much as there is room for. */
void start_dripping(int fd, int gap_ms);
void stop_dripping(void);

/* Receives until that fails; returns errno. */
int receive_all(int fd);

#endif
