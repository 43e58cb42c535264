#ifndef API_H
#define API_H

/* The program itself asks for limits, by whatever function of timeoutsock.h. */
void api_serve_program(void);

#endif
