/* What a person sees of us: single lines on standard error.  No malloc and no stdio,
 * both of which may belong to the host; the line is cut rather than split. */
#ifndef REPORT_H
#define REPORT_H

/* The words up to a NULL, one after the other.  A byte that could steer a terminal is
 * shown as \xNN, because values come from the environment. */
void report_line(const char *word, ...) __attribute__((sentinel));

#endif
