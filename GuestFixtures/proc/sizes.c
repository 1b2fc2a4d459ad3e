/* What /proc says of a process's size: of its own mappings and pages, and nothing else's. */
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>

static char text[1 << 20];

static void contents(const char *path)
{
    int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0);
    size_t size = 0;
    ssize_t part;
    while (size < sizeof text - 1 && (part = read(fd, text + size, sizeof text - 1 - size)) > 0) size += (size_t)part;
    text[size] = 0;
    close(fd);
}

/* A field of status, in kB. */
static long field(const char *name)
{
    contents("/proc/self/status");
    char *found = strstr(text, name);
    REQUIRE(found != NULL);
    return strtol(found + strlen(name), NULL, 10);
}

/* The sum of a field over smaps, in kB, and of the mappings themselves. */
static long sum(const char *name, long *mapped)
{
    contents("/proc/self/smaps");
    long total = 0;
    *mapped = 0;
    size_t length = strlen(name);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long start, end;
        if (strncmp(line, name, length) == 0) total += strtol(line + length, NULL, 10);
        if (!strstr(line, "[vsyscall]") && sscanf(line, "%lx-%lx ", &start, &end) == 2) *mapped += (long)((end - start) / 1024);
    }
    return total;
}

/* The kernel counts pages for each processor, and adds up now and then. */
#define SLACK 600

static int close_to(long one, long two)
{
    if (labs(one - two) <= SLACK) return 1;
    fprintf(stderr, "%ld and %ld\n", one, two);
    return 0;
}

static void mapped(void)
{
    long total, before = field("\nVmSize:");
    sum("Rss:", &total);
    CHECK(labs(total - before) <= 64);
    char *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(labs(field("\nVmSize:") - before - (64 << 10)) <= 64);
    CHECK(labs(field("\nVmData:")) >= 64 << 10);
    munmap(p, 64 << 20);
    CHECK(labs(field("\nVmSize:") - before) <= 64);
    CHECK(field("\nVmPeak:") >= before + (64 << 10));
}

static void resident(void)
{
    long total, before = field("\nVmRSS:");
    CHECK(close_to(sum("Rss:", &total), before));
    /* A small static program is small. */
    CHECK(before < 6000);
    size_t size = 32 << 20;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(close_to(field("\nVmRSS:"), before));
    memset(p, 1, size);
    CHECK(close_to(field("\nVmRSS:"), before + (32 << 10)));
    CHECK(close_to(field("\nRssAnon:") + field("\nRssFile:") + field("\nRssShmem:"), field("\nVmRSS:")));
    CHECK(field("\nRssAnon:") >= (32 << 10) - SLACK);
    CHECK(close_to(sum("Rss:", &total), before + (32 << 10)));
    munmap(p, size);
    CHECK(close_to(field("\nVmRSS:"), before));
    CHECK(field("\nVmHWM:") >= before + (32 << 10) - SLACK);
    CHECK(field("\nVmHWM:") <= before + (40 << 10));
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, size);
    CHECK(close_to(field("\nRssShmem:"), 32 << 10));
    munmap(p, size);
}

static void other_files(void)
{
    long size, pages, shared, code, data, unused;
    long status_size = field("\nVmSize:"), rss = field("\nVmRSS:");
    contents("/proc/self/statm");
    CHECK_EQ(sscanf(text, "%ld %ld %ld %ld %ld %ld", &size, &pages, &shared, &code, &unused, &data), 6);
    CHECK(labs(size * 4 - status_size) <= 64);
    CHECK(close_to(pages * 4, rss));
    CHECK(shared <= pages && code > 0 && data > 0 && unused == 0);
    CHECK_EQ(code * 4, field("\nVmExe:"));
    CHECK(close_to(shared * 4, field("\nRssFile:") + field("\nRssShmem:")));
    contents("/proc/self/stat");
    char *rest = strrchr(text, ')');
    REQUIRE(rest != NULL);
    unsigned long bytes;
    long resident;
    CHECK_EQ(sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %lu %ld",
                    &bytes, &resident), 2);
    CHECK(labs((long)bytes / 1024 - status_size) <= 64);
    CHECK(close_to(resident * 4, rss));
    long total, rolled;
    long from_smaps = sum("Rss:", &total), pss = sum("Pss:", &total);
    contents("/proc/self/smaps_rollup");
    CHECK(strstr(text, "[rollup]\n") != NULL);
    rolled = strtol(strstr(text, "\nRss:") + 5, NULL, 10);
    CHECK(close_to(rolled, from_smaps));
    rolled = strtol(strstr(text, "\nPss:") + 5, NULL, 10);
    CHECK(close_to(rolled, pss));
    long parts = strtol(strstr(text, "\nPss_Anon:") + 10, NULL, 10) + strtol(strstr(text, "\nPss_File:") + 10, NULL, 10)
        + strtol(strstr(text, "\nPss_Shmem:") + 11, NULL, 10);
    CHECK(labs(parts - rolled) <= 64);
}

/* Each line of numa_maps is that of a mapping. */
static void by_node(void)
{
    static char maps[1 << 18];
    contents("/proc/self/maps");
    strcpy(maps, text);
    contents("/proc/self/numa_maps");
    int lines = 0, heap = 0, stack = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        char policy[100], start[40];
        unsigned long address;
        CHECK_EQ(sscanf(line, "%lx %99s", &address, policy), 2);
        snprintf(start, sizeof start, "%08lx-", address);
        CHECK(strstr(maps, start) != NULL);
        CHECK_STR(policy, "default");
        heap += strstr(line, " default heap") != NULL;
        stack += strstr(line, " default stack") != NULL;
    }
    CHECK(lines >= 5);
    CHECK(heap >= 1);
    CHECK_EQ(stack, 1);
}

int main(void)
{
    /* Not every C library has a heap there. */
    char *heap = (char *)syscall(SYS_brk, 0);
    syscall(SYS_brk, heap + PAGE);
    *heap = 1;
    RUN(mapped);
    RUN(resident);
    RUN(other_files);
    RUN(by_node);
    return finish();
}
