/* A thread's scopes are a list through the program's own variables, the innermost first.
 * Initial-exec TLS and no memory: all of this is async-signal-safe, and a signal handler's
 * scopes stand before those of the code that it has interrupted. */
#include "scope.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "deadline.h"
#include "real.h"
#include "timeoutsock.h"

/* tsock_scope_t with its names.  libc calls `left` when a longjmp(3) leaves the frame in
 * which the scope lies, or the thread ends in it. */
struct scope {
    struct scope *outer;
    int64_t deadline;
    bool expired, shielded, local;
    struct _pthread_cleanup_buffer left;
};

_Static_assert(sizeof(struct scope) <= sizeof(tsock_scope_t), "a scope fits into what the program keeps it in");

void _pthread_cleanup_push(struct _pthread_cleanup_buffer *, void (*)(void *), void *);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *, int execute);

_Thread_local struct scope *scope_innermost;

/* A handler that comes in between sees a scope whole or not at all. */
static void set_innermost(struct scope *scope)
{
    atomic_signal_fence(memory_order_release);
    scope_innermost = scope;
}

static void leave(void *scope)
{
    set_innermost(((struct scope *)scope)->outer);
}

/* The one whose deadline is the earliest, as far out as one that is shielded. */
static struct scope *earliest_scope(void)
{
    struct scope *earliest = scope_innermost;
    for (struct scope *s = scope_innermost; s; s = s->shielded ? NULL : s->outer)
        if (s->deadline < earliest->deadline)
            earliest = s;
    return earliest;
}

int64_t scope_deadline(void)
{
    const struct scope *s = earliest_scope();
    return s ? s->deadline : NEVER;
}

void scope_note_expiry(void)
{
    struct scope *s = earliest_scope();
    if (s)
        s->expired = true;
}

/* The pointer that leads to the scope; to NULL if the thread is not in it. */
static struct scope **find(const tsock_scope_t *scope)
{
    struct scope **place = &scope_innermost;
    while (*place && *place != (const struct scope *)(const void *)scope)
        place = &(*place)->outer;
    return place;
}

static int invalid(void)
{
    errno = EINVAL;
    return -1;
}

static int64_t deadline_in(int ms)
{
    return ms == TSOCK_NONE ? NEVER : deadline_after(clock_now(), ms * MILLISECOND);
}

/* libc looks at where a scope lies to tell whether a jump leaves it, which is right for
 * local variables only: those lie above our frame, and below the thread's static TLS, which
 * is at the top of its stack (the main thread's is elsewhere).  One further away than any
 * function's own variables is not taken for one. */
static bool is_local(const void *scope)
{
    enum { NEAR = 1 << 20 };
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    uintptr_t above = (uintptr_t)scope - frame, top = (uintptr_t)&scope_innermost - frame;
    return above < NEAR && above < top;
}

static int begin(tsock_scope_t *scope, int ms)
{
    struct scope *s = (struct scope *)(void *)scope;
    if (ms < TSOCK_NONE || *find(scope))
        return invalid();
    api_serve_program();
    s->outer = scope_innermost;
    s->deadline = deadline_in(ms);
    s->expired = s->shielded = false;
    s->local = is_local(s);
    if (s->local)
        _pthread_cleanup_push(&s->left, leave, s);
    set_innermost(s);
    return 0;
}

static void do_nothing(void *argument)
{
    (void)argument;
}

/* From libc's list; what is put before it only tells where that begins. */
static void take_out_of_libc(const struct scope *s)
{
    struct _pthread_cleanup_buffer first, *before = &first;
    _pthread_cleanup_push(&first, do_nothing, NULL);
    while (before->__prev && before->__prev != &s->left)
        before = before->__prev;
    if (before->__prev)
        before->__prev = s->left.__prev;
    _pthread_cleanup_pop(&first, 0);
}

/* Another one than the innermost is taken out too, because its memory may be gone soon.
 * First from our list: libc's routine does no harm after that. */
static void take_out(struct scope **place)
{
    struct scope *s = *place;
    *place = s->outer;
    if (s->local)
        take_out_of_libc(s);
}

static int end(tsock_scope_t *scope)
{
    struct scope **place = find(scope);
    bool in_order = place == &scope_innermost;
    if (!*place)
        return invalid();
    take_out(place);
    return in_order ? 0 : invalid();
}

INTERPOSE int tsock_scope_begin(tsock_scope_t *scope, int ms)
{
    return begin(scope, ms);
}

INTERPOSE int tsock_scope_end(tsock_scope_t *scope)
{
    return end(scope);
}

INTERPOSE int tsock_scope_set(tsock_scope_t *scope, int ms)
{
    struct scope *s = *find(scope);
    if (ms < TSOCK_NONE || !s)
        return invalid();
    s->deadline = deadline_in(ms);
    return 0;
}

INTERPOSE int tsock_scope_shield(tsock_scope_t *scope, int on)
{
    struct scope *s = *find(scope);
    if (!s)
        return invalid();
    s->shielded = on;
    return 0;
}

static bool has_expired(const tsock_scope_t *scope)
{
    return ((const struct scope *)(const void *)scope)->expired;
}

INTERPOSE int tsock_scope_expired(const tsock_scope_t *scope)
{
    return has_expired(scope);
}

INTERPOSE int tsock_scope_pending(const tsock_scope_t *scope)
{
    const struct scope *s = *find(scope);
    return s && s->deadline != NEVER && clock_now() < s->deadline;
}

INTERPOSE int tsock_scope_remaining(const tsock_scope_t *scope)
{
    const struct scope *s = *find(scope);
    if (!s) {
        errno = EINVAL;
        return TSOCK_ERROR;
    }
    if (s->deadline == NEVER)
        return TSOCK_NONE;
    int64_t ms = divide_up(left_until(s->deadline, clock_now()), MILLISECOND);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int answer_expiry(int result, const tsock_options_t *options)
{
    if (options && options->value)
        return *options->value;
    if (options && options->silent)
        return result;
    errno = ETIMEDOUT;
    return -1;
}

INTERPOSE int tsock_with_timeout(int ms, int (*fn)(void *), void *arg, tsock_options_t *options)
{
    tsock_scope_t scope;
    if (begin(&scope, ms))
        return -1;
    int result = fn(arg), error = errno;
    bool expired = has_expired(&scope);
    end(&scope);
    if (expired && options && options->cleanup)
        options->cleanup(arg);
    if (options)
        options->expired = expired;
    errno = error;
    return expired ? answer_expiry(result, options) : result;
}
