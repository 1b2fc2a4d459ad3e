/* A program linked at an unusual address lies there, with its data, its zeroes and its heap. */
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

extern char __ehdr_start[], end[];
static int initialised[10] = {1, 2, 3};
static const int constant[3] = {7, 8, 9};
static unsigned char zeroed[64 << 20];

static void at_its_address(void)
{
    CHECK(memcmp(__ehdr_start, ELFMAG, SELFMAG) == 0);
    CHECK_EQ((uintptr_t)__ehdr_start, LINKED_AT);
    CHECK_EQ(getauxval(AT_ENTRY) >> 24, (uintptr_t)LINKED_AT >> 24);
    CHECK_EQ(((Elf64_Ehdr *)__ehdr_start)->e_type, ET_EXEC);
}

static void the_data(void)
{
    CHECK_EQ(initialised[0] + initialised[1] + initialised[2] + initialised[9], 6);
    CHECK_EQ(constant[2], 9);
}

static void the_zeroed_data(void)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < sizeof zeroed; i += 512) sum += zeroed[i];
    for (size_t i = 0; i < 2 * PAGE; i++) sum += zeroed[i] + zeroed[sizeof zeroed - 1 - i];
    CHECK_EQ(sum, 0);
    memset(zeroed, 1, sizeof zeroed);
    CHECK_EQ(zeroed[sizeof zeroed - 1], 1);
}

static void the_heap_follows(void)
{
    unsigned char *break_now = sbrk(0);
    CHECK(break_now >= (unsigned char *)end);
    unsigned char *block = malloc(100000), *large = malloc(50 << 20);
    CHECK(block != NULL && large != NULL);
    memset(block, 1, 100000);
    memset(large, 1, 50 << 20);
    free(block);
    free(large);
}

static void a_child(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(zeroed[5] == 1 && constant[1] == 8 ? 0 : 1);
    CHECK_EQ(wait_for(pid), 0);
}

int main(void)
{
    RUN(at_its_address);
    RUN(the_data);
    RUN(the_zeroed_data);
    RUN(the_heap_follows);
    RUN(a_child);
    return finish();
}
