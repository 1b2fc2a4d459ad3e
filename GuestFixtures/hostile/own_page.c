/* A program that writes into whatever it finds of the machine's where nothing is natively: pages that help its system calls along. It may
 * spoil its own calls, and die of it. Nothing else may come of it: whoever runs it goes on, and says no word. */
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "check.h"
#include "xorshift.h"

enum { CHILDREN = 24, MILLISECONDS = 60, WORDS = PAGE / 8 };

/* Where vmrun has such pages (docs/internals.md, The guest's view), the vCPU's own first. */
static const uintptr_t places[] = {0x6e8000200000, 0x6e8000000000, 0x6e8000001000, 0x6e8000002000, 0x6e8000003000, 0x6e8000004000, 0x6e8000010000};

static sigjmp_buf back;
static volatile uint64_t *page;
static uint64_t seed;

static void on_fault(int signal UNUSED)
{
    siglongjmp(back, 1);
}

static int can_be_written(uintptr_t address)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER}, before;
    sigaction(SIGSEGV, &action, &before);
    volatile int found = 0;
    if (sigsetjmp(back, 1) == 0) {
        *(volatile uint64_t *)address = *(volatile uint64_t *)address;
        found = 1;
    }
    sigaction(SIGSEGV, &before, NULL);
    return found;
}

static void *garble(void *ignored UNUSED)
{
    uint64_t state = seed;
    for (;;) {
        xorshift(&state);
        static const uint64_t likely[] = {0, 1, 2, 3, 4, UINT64_MAX, 0x555555554000, 0xffff800000000000};
        page[state % WORDS] = state & 4096 ? state : likely[state >> 20 & 7];
        if (state % 64 == 0) usleep(10);
    }
    return NULL;
}

/* Calls of all the ways there are, as fast as they can be made. */
static void *call(void *ignored UNUSED)
{
    char data[100];
    struct stat status;
    int ends[2], zero = open("/dev/zero", O_RDONLY);
    if (pipe2(ends, O_NONBLOCK) < 0) return NULL;
    for (;;) {
        getpid();
        getppid();
        read(zero, data, sizeof data);
        write(ends[1], data, sizeof data);
        read(ends[0], data, sizeof data);
        lseek(zero, 0, SEEK_SET);
        stat("/", &status);
        void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) munmap(memory, PAGE);
    }
    return NULL;
}

static void attack(void)
{
    /* Its lines would be nobody's. */
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    pthread_t thread;
    pthread_create(&thread, NULL, call, NULL);
    pthread_create(&thread, NULL, garble, NULL);
    /* Whatever its calls now say, it does not last: the first thread may never see its time run out. */
    call(NULL);
}

/* Kills what has had its time; a child may not be able to end by itself any more. */
static void every_page(void)
{
    for (unsigned place = 0; place < sizeof places / sizeof *places; place++) {
        if (!can_be_written(places[place])) continue;
        page = (volatile uint64_t *)places[place];
        for (int child = 0; child < CHILDREN; child++) {
            seed = 88172645463325252u + (uint64_t)child * 0x9e3779b97f4a7c15u;
            pid_t pid = start_child(attack);
            usleep(MILLISECONDS * 1000);
            kill(pid, SIGKILL);
            int status = wait_for(pid);
            /* An exit with vmrun's own status would be vmrun's. */
            CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 125);
        }
    }
}

static void the_parent_is_well(void)
{
    struct stat status;
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(stat("/", &status));
        CHECK(getppid() > 0);
    }
}

int main(void)
{
    RUN(every_page);
    RUN(the_parent_is_well);
    return finish();
}
