/* One descriptor number, what the library knows of it, and the kernel: threads wait for it in
 * event waits until its limit passes, while the program calls, closes it and gets the number
 * again by accept, or copies another connection over it by dup2.
 *
 *   cell.state, cell.since  as in shim/fdtab.h: each atomic step here is one atomic operation there
 *   waiter                  shim/watch.c: watch_expire, claim, expire; shim/connection.c: connection_shut
 *   program                 shim/op.c: op_begin_armed; shim/files.c: any_close, dup2, accept
 *
 * Claimed, of every order in which these steps may come:
 *   - an expiry is answered only on the connection that has expired, once, and is not lost;
 *   - only a connection that has expired is marked as expired, and shut down.
 *
 * Assumed: a thread begins to wait only for what is open.  (One that begins while another is
 * closing the descriptor has asked for whatever gets the number.)
 *
 * From user space the last claim cannot be kept to the end: between the last look at the cell and
 * shutdown(2) in connection_shut, the number may come to mean another connection.  The kernel has
 * no call that shuts down a connection only if it is still the same, and to hold it by a
 * descriptor of our own would put that descriptor into the same danger and in the program's way.
 * So CELL_AND_SHUTDOWN is one step here and two with -DWINDOW, where the checker finds what
 * then happens; it takes a program that closes what another of its threads is waiting for.
 *
 * The checker must find a violation also with each of the mistakes -DANY_GENERATION,
 * -DANY_MARK, -DNO_CLAIM, -DPOST_TWICE, -DLATE_RESET and -DKEEP_ERROR (tests/model/run). */

#ifndef WAITERS
#define WAITERS 2
#endif
#define FORMER 1
#define LATTER 2
#define NOBODY 0

/* The kernel. */
byte owner = FORMER;            /* which connection the number means; NOBODY: it is closed */
bool shut[3];

/* The cell: state and since. */
byte generation = 1;
bool error, expired;
byte since, clock;              /* 0: not waited for; otherwise a moment */

/* What the claims are about. */
byte error_of;                  /* the connection whose expiry has left the error */
byte posted[3], taken[3];
byte waits[3];                  /* how many of its waits might have expired: by the wait's own
                                 * report each may, by the kernel's only one */
bool held;                      /* the program knows the number as open */

inline forget() {
    atomic { generation++; error = false; expired = false; since = 0 }
}

inline forget_late() {
#ifdef KEEP_ERROR
    atomic { generation++; expired = false; since = 0 }
#else
    forget()
#endif
}

inline post(before, judged, is_posted) {
    atomic {
        is_posted = true;
#ifndef ANY_GENERATION
        if :: before != generation -> is_posted = false :: else fi;
#endif
#ifndef POST_TWICE
        if :: by_kernel && expired -> is_posted = false :: else fi;
#endif
        if
        :: is_posted -> error = true; error_of = judged; posted[judged]++; expired = expired || by_kernel
        :: else
        fi
    }
}

inline shut_down() {
    if
    :: owner != NOBODY -> shut[owner] = true; assert(posted[owner] > 0)
    :: else
    fi
}

/* connection_shut: the mark is set if the generation is the same, and then shutdown(2). */
inline mark_and_shut(before) {
#ifdef ANY_MARK
    if
    :: before == generation -> expired = true; assert(posted[owner] > 0); shut_down()
    :: else
    fi
#else
#ifdef WINDOW
    atomic { may_shut = before == generation; expired = expired || may_shut };
    if :: may_shut -> atomic { shut_down() } :: else fi
#else
    atomic { if :: before == generation -> expired = true; shut_down() :: else fi }
#endif
#endif
}

/* Whether the limit ends the connection (then the kernel reports it to whoever waits), or the wait
 * alone reports it. */
bool by_kernel;

active [WAITERS] proctype waiter() {
    byte before, moment, judged;
    bool is_posted, may_shut, is_claimed;

    /* watch_begin and, much later, watch_expire; the second loads the state and since anew. */
    atomic { held && !error && !expired ->
        if :: since == 0 -> clock++; since = clock; waits[owner]++ :: else fi };
    atomic {
        before = generation;
        judged = owner;
        if :: expired || error || !held -> goto done :: else fi
    }
    moment = since;
    if :: moment == 0 -> goto done :: else fi;
    /* The kernel is asked whether it is silent: a closed number is not. */
    if :: owner == NOBODY -> goto done :: else fi;
    atomic {
        is_claimed = since == moment;
#ifdef NO_CLAIM
        is_claimed = true;
#endif
        if :: is_claimed -> since = 0 :: else -> goto done fi
    }
    post(before, judged, is_posted);
    if :: is_posted && by_kernel -> mark_and_shut(before) :: else fi;
done:
    skip
}

/* A call: takes the error, if one is there. */
inline call() {
    atomic {
        if
        :: error ->
            assert(error_of == owner);
            error = false;
            taken[owner]++;
            assert(taken[owner] <= (by_kernel -> 1 : waits[owner]))
        :: else
        fi
    }
}

active proctype program() {
    if :: by_kernel = true :: by_kernel = false fi;
    held = true;
    call();
    call();
    if
    :: true ->                              /* close and accept */
        held = false;
        forget_late();
        owner = NOBODY;
        owner = LATTER;
        forget_late();
        held = true
    :: true ->                              /* dup2 */
        held = false;
#ifndef LATE_RESET
        generation++;
#endif
        owner = LATTER;
        forget_late();
        held = true
    :: true                                 /* nothing */
    fi;
    call();
    call();
    assert(!expired || posted[owner] > 0)
}

/* In the end, what was posted about the connection that is there has been answered or will be. */
active proctype in_the_end() {
    (_nr_pr == 1);
    assert(posted[owner] == 0 || taken[owner] + error > 0);
    assert(!error || error_of == owner);
    assert(!expired || posted[owner] > 0)
}
