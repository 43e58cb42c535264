/* stdio calls libc's own read and write.  A stream on a limited socket or pipe is therefore
 * one over ours, and behaves in all else like any other. */
#ifndef STREAM_H
#define STREAM_H

/* At the start of the program.  Replaces those of stdin, stdout and stderr that are limited,
 * as under inetd(8). */
void stream_init(void);

#endif
