/* fd -> cell: what we know about one descriptor number.
 *
 * A cell is a handful of atomic words: no lock to repair after fork(), safe in signal
 * handlers.  The table is a cache: a stale cell may cost a system call but never changes
 * an answer, because whatever creates a descriptor resets its cell, ENOTSOCK drops it, and
 * the kernel is asked before anything is done to a connection.  So a close that we never
 * see (fclose, closefrom, a raw system call) does no harm. */
#ifndef FDTAB_H
#define FDTAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy.h"
#include "sparse.h"
#include "terms.h"

struct cell {
    _Atomic uint32_t state;     /* the fields below */
    _Atomic uint32_t own;       /* tsock_set_timeout: milliseconds - TSOCK_DEFAULT; 0 is TSOCK_DEFAULT;
                                 * OWN_TERMS: there is more to say (terms.h) */
    _Atomic int64_t since;      /* when the program began to wait for it in event waits, or, while
                                 * it is connecting, called connect(); 0: it is not waited for */
    _Atomic uint32_t watched;   /* what it is registered for in epoll (watched.h) ... */
    _Atomic int epoll;          /* ... in which instance ... */
    _Atomic uint32_t mark;      /* ... and what had moved when it was armed for one event, or else
                                 * when the kernel was last asked what has moved */
    _Atomic uint32_t next;      /* in a slot of the wheel (wheel.c); outlives the descriptor */
};

#define OWN_TERMS UINT32_MAX

/* state, from the lowest bit: the kind, flags, an errno, and a generation that tells a
 * descriptor from an earlier one of the same number. */
#define STATE_KIND    UINT32_C(0x0000000f)
#define CELL_RECORD   UINT32_C(0x00000010)  /* datagrams or packets: never split */
#define CELL_OPENED   UINT32_C(0x00000020)  /* this process connected it */
#define CELL_CONNECTING UINT32_C(0x00000040)  /* a non-blocking connect is under way */
#define CELL_PASSIVE  UINT32_C(0x00000080)  /* listening or unconnected: never expires in event waits */
#define CELL_EXPIRED  UINT32_C(0x00000100)  /* shut down by us */
#define CELL_LOWAT    UINT32_C(0x00000200)  /* SO_RCVLOWAT: only the kernel knows when a read is done */
#define CELL_NONBLOCK UINT32_C(0x00000400)  /* O_NONBLOCK was seen on it */
#define CELL_TIMER    UINT32_C(0x00000800)  /* the program uses SO_RCVTIMEO or SO_SNDTIMEO on it */
#define CELL_PACKET   UINT32_C(0x00001000)  /* SOCK_SEQPACKET: a write marks the end of a record */
#define CELL_GUARDED  UINT32_C(0x00002000)  /* a listener that has had our timer (op.h) */
#define STATE_ERROR   UINT32_C(0x003fc000)  /* the errno that the next call on it answers, once */
#define STATE_ERROR_SHIFT 14
#define STATE_GENERATION UINT32_C(0xffc00000)
#define STATE_GENERATION_ONE UINT32_C(0x00400000)

static inline enum kind state_kind(uint32_t state)
{
    return (enum kind)(state & STATE_KIND);
}

static inline uint32_t cell_state(const struct cell *cell)
{
    return atomic_load_explicit(&cell->state, memory_order_relaxed);
}

/* The first cells, enough for nearly every program, need no memory of their own. */
extern struct cell fdtab_first[SPARSE_LEAF_SIZE];
struct cell *fdtab_further_cell(int fd);

/* Finds the cell of fd, making room for it at first use; NULL for a negative fd and if
 * there is no memory. */
static inline struct cell *fdtab_cell(int fd)
{
    return (unsigned)fd < SPARSE_LEAF_SIZE ? &fdtab_first[fd] : fdtab_further_cell(fd);
}

/* The cell's state with its kind known: the kernel is asked about a descriptor that was
 * inherited or came in a way we do not see.  An fd that is not open stays unknown. */
uint32_t fdtab_ask(int fd, struct cell *cell);

static inline uint32_t fdtab_learn(int fd, struct cell *cell)
{
    uint32_t state = cell_state(cell);
    return state_kind(state) == KIND_UNKNOWN ? fdtab_ask(fd, cell) : state;
}

/* The kind of fd, asked likewise. */
static inline enum kind fdtab_kind(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    return cell ? state_kind(fdtab_learn(fd, cell)) : KIND_UNKNOWN;
}

/* The same, but what the cell says is held against the kernel first, for whoever is about to
 * act on it in a way that ENOTSOCK would not mend. */
uint32_t fdtab_verify(int fd, struct cell *cell);

/* A descriptor was created: all that was known of its number is void. */
void fdtab_reset(int fd, enum kind kind, uint32_t flags);

/* A descriptor is about to be closed.  That its number was no socket may as well stay: the
 * next one most likely is none either, and a socket's creation resets the cell. */
void fdtab_forget(int fd);

/* A descriptor is about to be replaced by a copy of another, which may yet fail: what is known
 * stays, but whoever has judged it by an earlier state is too late. */
void fdtab_outdate(int fd);

/* What is settled about fd beyond one limit, NULL if nothing is; and a place to settle it, NULL
 * if there is no memory. */
struct terms *fdtab_terms(int fd, const struct cell *cell);
struct terms *fdtab_make_terms(int fd, struct cell *cell);

/* `to` was made a copy of `from`. */
void fdtab_copy(int from, int to);

/* It is no socket after all. */
void cell_drop(int fd, struct cell *cell);

void cell_set(struct cell *cell, uint32_t flags);
void cell_clear(struct cell *cell, uint32_t flags);

/* The same, of the descriptor that the cell spoke of in `state`: false if it speaks of another
 * one by now, which is then left alone. */
bool cell_change(struct cell *cell, uint32_t state, uint32_t clear, uint32_t set);

/* The next call on the descriptor shall answer `error`; and that call taking it (0: none).
 * Setting fails if the cell is no longer of this generation, and if one of the flags is set:
 * then another thread has done it. */
bool cell_post_error(struct cell *cell, uint32_t state, int error, uint32_t flags);
int cell_take_error(struct cell *cell);

/* The program has switched O_NONBLOCK on fd.  What a cell says of it is a hint that saves
 * an fcntl(2): a call on a descriptor known to be non-blocking is made plainly, and if the
 * hint is wrong (another process has cleared the flag of a shared description) that call
 * is only not bounded. */
void fdtab_set_nonblock(int fd, bool nonblock);
extern atomic_bool fdtab_hints_are_void;

static inline bool fdtab_is_nonblock(uint32_t state)
{
    return state & CELL_NONBLOCK && !atomic_load_explicit(&fdtab_hints_are_void, memory_order_relaxed);
}

/* Whether the cell still speaks of the descriptor that it spoke of in `state`. */
static inline bool cell_same(const struct cell *cell, uint32_t state)
{
    return !((cell_state(cell) ^ state) & STATE_GENERATION);
}

/* Whether fd is known to be an epoll instance; and whether some instance has been copied, so
 * that one may have several numbers. */
static inline bool fdtab_is_epoll(int fd)
{
    const struct cell *cell = fdtab_cell(fd);
    return cell && state_kind(cell_state(cell)) == KIND_EPOLL;
}

extern atomic_bool fdtab_epolls_are_copied;

static inline bool fdtab_epolls_have_copies(void)
{
    return atomic_load_explicit(&fdtab_epolls_are_copied, memory_order_relaxed);
}

/* The program has set SO_RCVTIMEO or SO_SNDTIMEO on fd; and whether it may have done so on
 * the descriptor of this state.  Where it has not, nobody need ask the kernel before each
 * wait, and nobody takes another thread's timer (op.h) for the program's. */
void fdtab_note_timer(int fd);
bool fdtab_has_timer(uint32_t state);

/* Registers the fork handler. */
void fdtab_init(void);

/* From now on this process keeps the table.  Before, nothing is written into it. */
void fdtab_own(void);

/* Whether it does.  Not in a child of vfork(), whose memory is its parent's. */
bool fdtab_is_ours(void);

#endif
