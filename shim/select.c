/* select and pselect.  The kernel writes its answer over the sets that it was asked about,
 * so they are kept for the next turn. */
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "any.h"
#include "policy.h"
#include "real.h"
#include "wait.h"

enum { IN, OUT, EXCEPT, SETS };

#define WORD_BITS (8 * sizeof(unsigned long))

struct select_set {
    int count;
    unsigned long *sets[SETS];      /* the program's; NULL is none */
    unsigned long *asked[SETS];
    const sigset_t *mask;           /* pselect's */
};

static const short events_of[SETS] = {POLLIN, POLLOUT, POLLPRI};

static size_t words(int count)
{
    return ((size_t)count + WORD_BITS - 1) / WORD_BITS;
}

static bool has_bit(const unsigned long *bits, size_t at)
{
    return bits && bits[at / WORD_BITS] >> at % WORD_BITS & 1;
}

/* The bits of all sets from `at` on, as far as they are in the same word. */
static unsigned long bits_from(unsigned long *const sets[SETS], size_t at)
{
    unsigned long bits = 0;
    for (int i = 0; i < SETS; i++)
        if (sets[i])
            bits |= sets[i][at / WORD_BITS];
    return bits >> at % WORD_BITS;
}

/* Words without a bit are passed over: few bits of a set are ever set. */
static bool next_bit(unsigned long *const sets[SETS], int count, struct wait_item *item)
{
    while (item->at < (size_t)count) {
        unsigned long bits = bits_from(sets, item->at);
        if (bits) {
            item->at += (size_t)__builtin_ctzl(bits);
            item->fd = (int)item->at;
            return item->at < (size_t)count;
        }
        item->at = (item->at / WORD_BITS + 1) * WORD_BITS;
    }
    return false;
}

static bool next(const void *select_set, struct wait_item *item)
{
    const struct select_set *set = select_set;
    if (!next_bit(set->asked, set->count, item))
        return false;
    item->events = 0;
    for (int i = 0; i < SETS; i++)
        if (has_bit(set->asked[i], item->at))
            item->events = (short)(item->events | events_of[i]);
    return true;
}

static bool next_ready(const void *select_set, struct wait_item *item)
{
    const struct select_set *set = select_set;
    return next_bit(set->sets, set->count, item);
}

static uint64_t digest(const void *select_set)
{
    const struct select_set *set = select_set;
    uint64_t sum = 0;
    for (int i = 0; i < SETS; i++)
        for (size_t word = 0; set->asked[i] && word < words(set->count); word++)
            sum += wait_mix(wait_mix(set->asked[i][word]) + SETS * word + (size_t)i);
    return sum;
}

/* select counts bits, not descriptors; one is enough for the program to make a call. */
static bool report(void *select_set, const struct wait_item *item)
{
    struct select_set *set = select_set;
    if (bits_from(set->sets, item->at) & 1)
        return false;
    int i = has_bit(set->asked[IN], item->at) ? IN : has_bit(set->asked[OUT], item->at) ? OUT : EXCEPT;
    set->sets[i][item->at / WORD_BITS] |= 1UL << item->at % WORD_BITS;
    return true;
}

static void clear(void *select_set)
{
    struct select_set *set = select_set;
    for (int i = 0; i < SETS; i++)
        if (set->sets[i])
            memset(set->sets[i], 0, words(set->count) * sizeof(unsigned long));
}

static void ask_again(struct select_set *set)
{
    for (int i = 0; i < SETS; i++)
        if (set->sets[i])
            memcpy(set->sets[i], set->asked[i], words(set->count) * sizeof(unsigned long));
}

static int call_select(void *select_set, int64_t span)
{
    struct select_set *set = select_set;
    struct timeval t;
    ask_again(set);
    return REAL(select)(set->count, (fd_set *)set->sets[IN], (fd_set *)set->sets[OUT], (fd_set *)set->sets[EXCEPT],
                        span_to_timeval(span, &t));
}

static int call_pselect(void *select_set, int64_t span)
{
    struct select_set *set = select_set;
    struct timespec t;
    ask_again(set);
    return REAL(pselect)(set->count, (fd_set *)set->sets[IN], (fd_set *)set->sets[OUT], (fd_set *)set->sets[EXCEPT],
                         span_to_timespec(span, &t), set->mask);
}

static const struct wait_form select_form = {next, next_ready, digest, call_select, report, clear};
static const struct wait_form pselect_form = {next, next_ready, digest, call_pselect, report, clear};

/* The kernel copies whole words, so that nothing is lost by doing the same. */
static void keep(struct select_set *set, unsigned long *room)
{
    size_t size = words(set->count);
    for (int i = 0; i < SETS; i++) {
        if (!set->sets[i])
            continue;
        memcpy(room, set->sets[i], size * sizeof *room);
        set->asked[i] = room;
        room += size;
    }
}

/* The kernel looks at no more bits than its own table has descriptors, and old programs
 * rely on that: select(getdtablesize(), ...) with sets of FD_SETSIZE bits.  0: unknown. */
static int kernel_table_size(void)
{
    static const char key[] = "FDSize:";
    char text[1024];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : REAL(read)(fd, text, sizeof text - 1);
    if (fd >= 0)
        REAL(close)(fd);
    text[n < 0 ? 0 : n] = 0;
    const char *found = strstr(text, key);
    return found ? atoi(found + sizeof key - 1) : 0;
}

/* How many bits the sets hold; 0: cannot tell, or too many to keep on a thread's stack. */
static int watched_count(int count)
{
    enum { MOST = 1 << 17 };
    if (count <= 0 || !policy_is_armed())
        return 0;
    if (count <= FD_SETSIZE)
        return count;
    int saved_errno = errno, size = kernel_table_size();
    errno = saved_errno;
    count = count < size ? count : size;
    return count <= MOST ? count : 0;
}

WAIT_INLINE int run(struct wait_form form, struct select_set *set, int64_t span)
{
    unsigned long room[SETS * words(set->count)];
    keep(set, room);
    return wait_run(form, set, span);
}

static struct select_set set_of(int count, fd_set *in, fd_set *out, fd_set *except, const sigset_t *mask)
{
    return (struct select_set){
        .count = count,
        .sets = {(unsigned long *)in, (unsigned long *)out, (unsigned long *)except},
        .mask = mask,
    };
}

/* glibc takes any number of microseconds and carries them over. */
static bool is_timeval(const struct timeval *t)
{
    return !t || (t->tv_sec >= 0 && t->tv_usec >= 0);
}

/* Linux writes back how much of the timeout is left, also when it fails. */
static int run_select(struct select_set *set, struct timeval *timeout)
{
    if (!timeout)
        return run(select_form, set, NEVER);
    int64_t carry = timeout->tv_usec / 1000000, span = NEVER;
    if (timeout->tv_sec < NEVER / SECOND - carry)
        span = span_of(timeout->tv_sec + carry, timeout->tv_usec % 1000000 * MICROSECOND);
    int64_t end = deadline_after(clock_now(), span);
    int ready = run(select_form, set, span);
    if (end != NEVER)
        span_to_timeval(left_until(end, clock_now()), timeout);
    return ready;
}

int any_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    int watched = is_timeval(timeout) ? watched_count(count) : 0;
    if (!watched)
        return REAL(select)(count, in, out, except, timeout);
    struct select_set set = set_of(watched, in, out, except, NULL);
    return run_select(&set, timeout);
}

INTERPOSE int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    return any_select(count, in, out, except, timeout);
}
ALIAS_OF(select, int, __select, (int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout))

int any_pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                const sigset_t *mask)
{
    int watched = is_timespec(timeout) ? watched_count(count) : 0;
    if (!watched)
        return REAL(pselect)(count, in, out, except, timeout, mask);
    struct select_set set = set_of(watched, in, out, except, mask);
    return run(pselect_form, &set, timespec_to_span(timeout));
}

INTERPOSE int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
                      const sigset_t *mask)
{
    return any_pselect(count, in, out, except, timeout, mask);
}
