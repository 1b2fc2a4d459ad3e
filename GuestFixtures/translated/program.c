/* A program for a foreign processor, without a C library. It says what it was given, and runs other programs.
 *
 *   program say [ARG...]          prints its arguments
 *   program become PATH [ARG...]  executes PATH with these arguments, argv[0] first
 *   program spawn PATH [ARG...]   the same in a child, and prints what became of it
 */
#if !defined(__aarch64__)
#error "this fixture is for aarch64"
#endif

enum { SYS_write = 64, SYS_exit_group = 94, SYS_clone = 220, SYS_execve = 221, SYS_wait4 = 260, SIGCHLD_NUMBER = 17 };

static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}

static void print(const char *text)
{
    long length = 0;
    while (text[length]) length++;
    call(SYS_write, 1, (long)text, length, 0);
}

static void print_number(long number)
{
    char text[24], *end = text + sizeof text - 1;
    *end = 0;
    int negative = number < 0;
    if (negative) number = -number;
    do *--end = (char)('0' + number % 10);
    while (number /= 10);
    if (negative) *--end = '-';
    print(end);
}

static int is(const char *one, const char *other)
{
    while (*one && *one == *other) one++, other++;
    return *one == *other;
}

static int become(char **arguments, char **environment)
{
    long error = call(SYS_execve, (long)arguments[0], (long)(arguments + 1), (long)environment, 0);
    print("errno ");
    print_number(-error);
    print("\n");
    return 1;
}

static int run(int count, char **arguments, char **environment)
{
    if (count > 3 && is(arguments[1], "become")) return become(arguments + 2, environment);
    if (count > 3 && is(arguments[1], "spawn")) {
        int status = -1;
        long child = call(SYS_clone, SIGCHLD_NUMBER, 0, 0, 0);
        if (child == 0) return become(arguments + 2, environment);
        if (call(SYS_wait4, child, (long)&status, 0, 0) != child) return 2;
        print("status ");
        print_number(status);
        print("\n");
        return 0;
    }
    print("aarch64:");
    for (int i = 0; i < count; i++) {
        print(" <");
        print(arguments[i]);
        print(">");
    }
    print("\n");
    return 3;
}

__attribute__((used)) void begin(long *stack)
{
    char **arguments = (char **)(stack + 1);
    int count = (int)stack[0];
    int status = run(count, arguments, arguments + count + 1);
    for (;;) call(SYS_exit_group, status, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tb begin\n");
