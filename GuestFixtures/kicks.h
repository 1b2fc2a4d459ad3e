/* SIGUSR1 at random moments, for whoever counts them in `received`. */
#ifndef KICKS_H
#define KICKS_H

#include <pthread.h>
#include <signal.h>

static volatile int sent, stop_sending;
static volatile long received;

/* A thread that sends them to the thread `*target` until `stop_sending`, so many that four at most are under way. */
static void *kick(void *target)
{
    unsigned seed = 4711;
    while (!stop_sending) {
        seed = seed * 1103515245 + 12345;
        for (volatile unsigned i = seed >> 16 & 0x7fff; i > 0; i--) continue;
        if (sent - received < 4 && pthread_kill(*(pthread_t *)target, SIGUSR1) == 0) sent++;
    }
    return NULL;
}

#endif
