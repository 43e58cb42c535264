/* poll(2) of many connections. */
#ifndef POLLING_H
#define POLLING_H

#include "measure.h"

void on_silent(timing *batch, int size, int pairs);
void on_ready(timing *batch, int size, int pairs);
timing time_poll;

#endif
