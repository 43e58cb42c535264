#ifndef API_H
#define API_H

#include "policy.h"

/* The program itself asks for limits, by whatever function of timeoutsock.h. */
void api_begin_to_serve(void);

static inline void api_serve_program(void)
{
    if (!policy_is_aware())
        api_begin_to_serve();
}

#endif
