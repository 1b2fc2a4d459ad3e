/* A library with thread-local storage of its own, for threads/dlopened.c. */
__thread int initialised = 4321;
__thread char large[20000];
static __thread struct {
    long a, b;
} aligned __attribute__((aligned(64))) = {5, 6};

int *its_number(void);
char *its_array(void);
long its_sum(void);

int *its_number(void)
{
    return &initialised;
}

char *its_array(void)
{
    return large;
}

long its_sum(void)
{
    return ((unsigned long)&aligned % 64) + (unsigned long)(aligned.a++ + aligned.b++);
}
