/* One fault after the other, at the same offsets of many different blocks of memory: each is told at its own address, and no access
   reaches a page that it does not name. Who finds the address by looking at accesses one by one must not remember those of
   the fault before. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>

#define BLOCK (512 * PAGE)
#define BLOCKS 3UL

static sigjmp_buf out;
static uintptr_t told;
static unsigned char *blocks[BLOCKS];

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    told = (uintptr_t)info->si_addr;
    siglongjmp(out, 1);
}

/* What is in each byte of a page. */
static unsigned char filling(unsigned long block, unsigned long page)
{
    return (unsigned char)(1 + block * 83 + page % 79);
}

static unsigned char *page_of(unsigned long block, unsigned long page)
{
    return blocks[block % BLOCKS] + page % 512 * PAGE;
}

/* The forms of access, each refused at `refused`. */
static void read_it(volatile unsigned char *refused, volatile unsigned char *allowed)
{
    *allowed = *refused;
}

static void write_it(volatile unsigned char *refused, volatile unsigned char *allowed)
{
    *refused = *allowed;
}

/* One instruction that reads in one block and writes in another, where the processor has one. */
static void copy(volatile unsigned char *to, volatile unsigned char *from)
{
#ifdef __x86_64__
    __asm__ volatile("movsb" : "+S"(from), "+D"(to) :: "memory");
#else
    *to = *from;
#endif
}

static void copy_out(volatile unsigned char *refused, volatile unsigned char *allowed)
{
    copy(allowed, refused);
}

static void copy_in(volatile unsigned char *refused, volatile unsigned char *allowed)
{
    copy(refused, allowed);
}

static void add_to_it(volatile unsigned char *refused, volatile unsigned char *allowed)
{
    (void)allowed;
    __atomic_fetch_add(refused, 1, __ATOMIC_SEQ_CST);
}

/* Each page of each block in turn cannot be accessed. */
static void refuse_each(void (*access)(volatile unsigned char *, volatile unsigned char *))
{
    for (volatile unsigned long page = 0; page < 512; page++) {
        volatile unsigned long block = page % BLOCKS;
        unsigned char *refused = page_of(block, page);
        CHECK_OK(mprotect(refused, PAGE, PROT_NONE));
        for (volatile unsigned long other = 1; other < BLOCKS; other++) {
            told = 0;
            if (sigsetjmp(out, 1) == 0) {
                access(refused + 5, page_of(block + other, page * 7 + other) + 9);
                CHECK(!"the access went through");
            }
            CHECK_EQ(told, (uintptr_t)refused + 5);
        }
        CHECK_OK(mprotect(refused, PAGE, PROT_READ | PROT_WRITE));
    }
}

static void nothing_was_changed(void)
{
    for (unsigned long block = 0; block < BLOCKS; block++)
        for (unsigned long page = 0; page < 512; page++)
            for (unsigned long byte = 0; byte < PAGE; byte++)
                if (page_of(block, page)[byte] != filling(block, page)) {
                    CHECK_EQ(page_of(block, page)[byte], filling(block, page));
                    return;
                }
}

static void reads(void) { refuse_each(read_it); }
static void writes(void) { refuse_each(write_it); }
static void copies_out(void) { refuse_each(copy_out); }
static void copies_in(void) { refuse_each(copy_in); }
static void atomic_additions(void) { refuse_each(add_to_it); }

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    for (unsigned long block = 0; block < BLOCKS; block++) {
        /* Far from each other, and at block boundaries. */
        unsigned char *room = mmap(NULL, 513 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        REQUIRE(room != MAP_FAILED);
        blocks[block] = (unsigned char *)(((uintptr_t)room + BLOCK - 1) & ~(BLOCK - 1));
        CHECK_OK(mprotect(blocks[block], BLOCK, PROT_READ | PROT_WRITE));
        for (unsigned long page = 0; page < 512; page++) memset(page_of(block, page), filling(block, page), PAGE);
    }
    RUN(reads);
    RUN(writes);
    RUN(copies_out);
    RUN(copies_in);
    RUN(atomic_additions);
    RUN(nothing_was_changed);
    return finish();
}
