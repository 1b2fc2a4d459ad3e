/* Nanoseconds for a unit of work that needs no system call. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(void)
{
    enum { STEPS = 100000000, WORDS = 4 << 20, CLOCKS = 300000 };
    double start = now();
    uint64_t value = 1;
    for (int i = 0; i < STEPS; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value));
    }
    printf("loop %.3f\n", (now() - start) / STEPS);

    /* Pages that are already there, in an order that nothing predicts. */
    uint64_t *memory = malloc(WORDS * sizeof *memory);
    for (uint64_t i = 0; i < WORDS; i++) memory[i] = i;
    start = now();
    for (uint64_t i = 0; i < WORDS; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        memory[value >> 42] += i;
    }
    printf("memory %.3f\n", (now() - start) / WORDS);

    start = now();
    for (int i = 0; i < CLOCKS; i++) now();
    printf("clock %.3f\n", (now() - start) / CLOCKS);
    return memory[0] == 0x123456789 ? 1 : 0;
}
