/* A program with mistakes that valgrind finds: reads and writes beside a block, a value never set, a leak, a race. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int unguarded;

static void *race(void *argument)
{
    for (int i = 0; i < 100; i++) unguarded++;
    return argument;
}

__attribute__((noinline)) static char *leak(size_t size) { return malloc(size); }

int main(void)
{
    pthread_t one, other;
    pthread_create(&one, NULL, race, NULL);
    pthread_create(&other, NULL, race, NULL);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    volatile char *block = malloc(10);
    block[10] = 1;
    int sum = block[11];
    volatile int *unset = malloc(sizeof *unset);
    if (*unset == 12345) sum++;
    free((void *)block);
    free((void *)unset);
    volatile char *lost = leak(77);
    lost[0] = (char)sum;
    lost = NULL;
    puts(sum == 99999 ? "odd" : "done");
    fflush(stdout);
    return 0;
}
