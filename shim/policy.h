/* The configuration: text from the environment, turned once, at start, into limits.
 * Only the default limit may change afterwards (tsock_set_default_timeout). */
#ifndef POLICY_H
#define POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum kind { KIND_UNKNOWN, KIND_OTHER, KIND_EPOLL, KIND_TCP, KIND_UDP, KIND_UNIX, KIND_VSOCK, KIND_PIPE, KIND_SOCKET };

static inline bool kind_has_limits(enum kind kind)
{
    return kind >= KIND_TCP;
}

/* The first are those of timeoutsock.h. */
enum phase { PHASE_CONNECT, PHASE_ACCEPT, PHASE_READ, PHASE_WRITE, PHASE_TOTAL, PHASE_LOOKUP, PHASE_COUNT };
#define PHASE_OWN_COUNT PHASE_LOOKUP

enum events { EVENTS_CONNECTED, EVENTS_ALL, EVENTS_OFF };

/* Who wants a limit decides what becomes of the connection: a program that asked itself
 * (tsock_set_default_timeout) keeps it. */
struct limit {
    int64_t span;       /* nanoseconds; NEVER is no limit */
    bool imposed;       /* by the configuration, on a program that knows nothing of it */
};

/* Whether anything at all is limited.  Until it is, every call is passed on at its first
 * instruction and nothing is remembered of any fd. */
extern atomic_bool policy_armed;

static inline bool policy_is_armed(void)
{
    return atomic_load_explicit(&policy_armed, memory_order_relaxed);
}

/* Reads the environment. */
void policy_init(void);

/* The limit that is configured for a kind of fd in a phase. */
struct limit policy_limit(enum kind kind, enum phase phase);

/* Whether there is one: a bit (1 << enum kind) for each kind that is limited in a phase. */
extern _Atomic uint32_t policy_limited[PHASE_COUNT];

static inline bool policy_limits(enum kind kind, enum phase phase)
{
    return atomic_load_explicit(&policy_limited[phase], memory_order_relaxed) >> kind & 1;
}

/* That of looking up a name, whatever the kinds; in nanoseconds. */
int64_t policy_lookup_span(void);

/* Whether fds of this kind are limited by what is configured. */
bool policy_covers(enum kind kind);

/* The smallest limit in force anywhere in the process, at least 1 ms; NEVER if there is none.
 * It only ever shrinks. */
int64_t policy_smallest(void);
void policy_note_limit(int64_t span);

enum events policy_events(void);

/* Whether an imposed limit ends the connection (TIMEOUTSOCK_ACTION), and the errno that it
 * answers (TIMEOUTSOCK_ERRNO). */
bool policy_shuts_down(void);
int policy_error(void);

/* The default limit in milliseconds, in the terms of timeoutsock.h. */
void policy_set_default_ms(int ms);
int policy_default_ms(void);

/* Something is limited: from now on the table of fds is kept. */
void policy_arm(void);

/* The program itself asks for limits; and whether it has ever done so. */
void policy_note_program(void);
extern atomic_bool policy_aware;

static inline bool policy_is_aware(void)
{
    return atomic_load_explicit(&policy_aware, memory_order_relaxed);
}

/* The program has put itself into a sandbox: from now on everything is passed on, for
 * good, because a system call that it never made before may kill it. */
void policy_step_aside(void);

#endif
