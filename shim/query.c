/* The resolver's own calls: apt, for one, asks for SRV records so (lookup.c). */
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "lookup.h"
#include "real.h"

enum how { QUERY_NAME, SEARCH_NAME, SEND_MESSAGE };

struct question {
    enum how how;
    const void *text;       /* a name, or a message of len bytes */
    int len, class, type;
};

struct query_job {
    struct job job;
    struct question question;
    res_state state;        /* the program's own, which a worker must not touch */
    int room, result;
    unsigned char bytes[];  /* the answer, then the text */
};

/* By the thread's own _res, which in a worker is like the state that was asked for. */
static int ask(const struct question *q, unsigned char *answer, int room)
{
    switch (q->how) {
    case QUERY_NAME: return REAL(res_query)(q->text, q->class, q->type, answer, room);
    case SEARCH_NAME: return REAL(res_search)(q->text, q->class, q->type, answer, room);
    default: return REAL(res_send)(q->text, q->len, answer, room);
    }
}

static int ask_by(res_state state, const struct question *q, unsigned char *answer, int room)
{
    switch (q->how) {
    case QUERY_NAME: return REAL(res_nquery)(state, q->text, q->class, q->type, answer, room);
    case SEARCH_NAME: return REAL(res_nsearch)(state, q->text, q->class, q->type, answer, room);
    default: return REAL(res_nsend)(state, q->text, q->len, answer, room);
    }
}

static void run_query(struct job *job)
{
    struct query_job *w = (struct query_job *)job;
    w->result = job->is_callers ? ask_by(w->state, &w->question, w->bytes, w->room) : ask(&w->question, w->bytes, w->room);
}

static void discard_query(struct job *job)
{
    free(job);
}

static size_t text_size(const struct question *q)
{
    return q->how == SEND_MESSAGE ? (size_t)q->len : strlen(q->text);
}

static struct query_job *new_query_job(res_state state, const struct question *q, const unsigned char *answer, int room)
{
    size_t text_len = text_size(q) + 1;
    struct query_job *w = calloc(1, sizeof *w + (size_t)room + text_len);
    if (!w)
        return NULL;
    char *end = (char *)w->bytes;
    w->job.run = run_query;
    w->job.discard = discard_query;
    w->question = *q;
    w->state = state;
    w->room = room;
    lookup_put(&end, answer, (size_t)room);
    w->question.text = lookup_put(&end, q->text, text_len - 1);
    resolver_keep(&w->job.resolver, state);
    return w;
}

/* Only those that look up a name speak of hosts. */
static int fail(res_state state, enum how how, int error, int host_error)
{
    if (how != SEND_MESSAGE)
        state->res_h_errno = h_errno = host_error;
    errno = error;
    return -1;
}

/* What refuses is in the answer too. */
static int take_query(struct query_job *w, res_state state, unsigned char *answer)
{
    int result = w->result, error = w->job.error, host_error = w->job.host_error;
    enum how how = w->question.how;
    memcpy(answer, w->bytes, (size_t)w->room);
    free(w);
    return result < 0 ? fail(state, how, error, host_error) : result;
}

/* state: NULL is the thread's own. */
static int query(res_state state, const struct question *q, unsigned char *answer, int room)
{
    int error = errno;
    res_state asked = state ? state : &_res;
    int64_t deadline = lookup_deadline();
    struct query_job *w = NULL;
    if (deadline != NEVER && room >= 0 && q->len >= 0)
        w = new_query_job(asked, q, answer, room);
    errno = error;
    if (!w)
        return state ? ask_by(state, q, answer, room) : ask(q, answer, room);
    bool done = lookup_run(&w->job, q->text, text_size(q), deadline);
    errno = error;
    return done ? take_query(w, asked, answer) : fail(asked, q->how, ETIMEDOUT, TRY_AGAIN);
}

INTERPOSE int res_query(const char *name, int class, int type, unsigned char *answer, int room)
{
    struct question q = {QUERY_NAME, name, 0, class, type};
    return query(NULL, &q, answer, room);
}
ALIAS_OF(res_query, int, __res_query, (const char *name, int class, int type, unsigned char *answer, int room))

INTERPOSE int res_nquery(res_state state, const char *name, int class, int type, unsigned char *answer, int room)
{
    struct question q = {QUERY_NAME, name, 0, class, type};
    return query(state, &q, answer, room);
}
ALIAS_OF(res_nquery, int, __res_nquery, (res_state state, const char *name, int class, int type, unsigned char *answer, int room))

INTERPOSE int res_search(const char *name, int class, int type, unsigned char *answer, int room)
{
    struct question q = {SEARCH_NAME, name, 0, class, type};
    return query(NULL, &q, answer, room);
}
ALIAS_OF(res_search, int, __res_search, (const char *name, int class, int type, unsigned char *answer, int room))

INTERPOSE int res_nsearch(res_state state, const char *name, int class, int type, unsigned char *answer, int room)
{
    struct question q = {SEARCH_NAME, name, 0, class, type};
    return query(state, &q, answer, room);
}
ALIAS_OF(res_nsearch, int, __res_nsearch, (res_state state, const char *name, int class, int type, unsigned char *answer, int room))

INTERPOSE int res_send(const unsigned char *message, int len, unsigned char *answer, int room)
{
    struct question q = {SEND_MESSAGE, message, len, 0, 0};
    return query(NULL, &q, answer, room);
}
ALIAS_OF(res_send, int, __res_send, (const unsigned char *message, int len, unsigned char *answer, int room))

INTERPOSE int res_nsend(res_state state, const unsigned char *message, int len, unsigned char *answer, int room)
{
    struct question q = {SEND_MESSAGE, message, len, 0, 0};
    return query(state, &q, answer, room);
}
ALIAS_OF(res_nsend, int, __res_nsend, (res_state state, const unsigned char *message, int len, unsigned char *answer, int room))
