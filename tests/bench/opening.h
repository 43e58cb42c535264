/* Connections that are opened and closed, at either end. */
#ifndef OPENING_H
#define OPENING_H

#include "measure.h"

void at_listener(timing *batch, int size, int pairs);
timing time_connects, time_accepts;

#endif
