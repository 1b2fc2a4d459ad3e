/* What of sfork can be said in C; the rest is in sfork_x86_64.S. */
#include "sfork.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where a flow of control goes on: callee-saved registers, and stack pointer and address behind a call. */
struct place {
    unsigned long rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

/* One level. Parent and child share it, as all memory. */
struct context {
    struct place origin;  /* behind sfork() */
    struct place landing; /* behind the call that ends the child, while it is in that */
    long lands;
    unsigned long mask; /* the caller's signal mask */
};
_Static_assert(offsetof(struct context, landing) == 64 && offsetof(struct context, lands) == 128, "as in sfork_x86_64.S");

static __thread struct context contexts[SFORK_DEPTH];
static __thread int depth;

struct context *sfork_begin(void);
struct context *sfork_current(void);
int sfork_enter(struct context *context);
int sfork_leave(struct context *context, int result);

enum { SETMASK = 2, MASK_SIZE = 8 };

/* A new level, with all signals blocked: a handler in the parent would run on the part of the stack that the child used. */
struct context *sfork_begin(void)
{
    if (depth == SFORK_DEPTH) return NULL;
    struct context *context = &contexts[depth++];
    memset(context, 0, sizeof *context);
    unsigned long all = ~0UL;
    syscall(SYS_rt_sigprocmask, SETMASK, &all, &context->mask, MASK_SIZE);
    return context;
}

struct context *sfork_current(void)
{
    return depth == 0 ? NULL : &contexts[depth - 1];
}

/* The child's first steps. */
int sfork_enter(struct context *context)
{
    syscall(SYS_rt_sigprocmask, SETMASK, &context->mask, NULL, MASK_SIZE);
    return 0;
}

/* The parent's, wherever it landed. Levels above this one have ended with the child. */
int sfork_leave(struct context *context, int result)
{
    depth = (int)(context - contexts);
    syscall(SYS_rt_sigprocmask, SETMASK, &context->mask, NULL, MASK_SIZE);
    return result;
}
