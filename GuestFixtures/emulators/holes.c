/* An emulator that reads /proc/self/maps to find what is free, and maps there what must not replace anything. */
#include "emulators/mappings.h"

struct range { uintptr_t start, end; char permissions[5]; };
enum { MOST = 512 };
static struct range ranges[MOST];
static int count;

/* Reads without stdio: what it maps for its buffer would be in the list or not. */
static void read_maps(void)
{
    static char text[256 * 1024];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, text + length, sizeof text - 1 - length)) > 0) length += got;
    REQUIRE(got == 0);
    close(fd);
    text[length] = 0;
    count = 0;
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        REQUIRE(end && count < MOST);
        struct range *range = &ranges[count];
        unsigned long offset, inode;
        unsigned major, minor;
        int fields = sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &range->start, &range->end, range->permissions, &offset, &major,
                            &minor, &inode);
        REQUIRE(fields == 7);
        count++;
    }
}

static const struct range *range_of(const void *address)
{
    for (int i = 0; i < count; i++) {
        if ((uintptr_t)address >= ranges[i].start && (uintptr_t)address < ranges[i].end) return &ranges[i];
    }
    return NULL;
}

static void sorted_and_disjoint(void)
{
    read_maps();
    CHECK(count > 3);
    for (int i = 0; i < count; i++) {
        CHECK(ranges[i].start < ranges[i].end);
        CHECK(ranges[i].start % PAGE == 0 && ranges[i].end % PAGE == 0);
        if (i) CHECK(ranges[i - 1].end <= ranges[i].start);
    }
    int local;
    CHECK(range_of(&local) && strcmp(range_of(&local)->permissions, "rw-p") == 0);
    CHECK(range_of(&count) && strcmp(range_of(&count)->permissions, "rw-p") == 0);
    CHECK(range_of((void *)(uintptr_t)read_maps) && strcmp(range_of((void *)(uintptr_t)read_maps)->permissions, "r-xp") == 0);
}

static void what_is_listed_is_taken(void)
{
    read_maps();
    for (int i = 0; i < count && ranges[i].start < USER_TOP; i++) {
        errno = 0;
        bytes p = map_as(AT(ranges[i].start), PAGE, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE);
        CHECK(p == MAP_FAILED);
        p = map_as(AT(ranges[i].end - PAGE), PAGE, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE);
        CHECK(p == MAP_FAILED);
    }
}

/* Up to the first thread's stack: what lies above it is the kernel's to arrange. */
static int index_of_stack(void)
{
    int local;
    for (int i = 0; i < count; i++) {
        if ((uintptr_t)&local >= ranges[i].start && (uintptr_t)&local < ranges[i].end) return i;
    }
    REQUIRE(!"the stack is listed");
    return 0;
}

static void what_is_not_listed_is_free(void)
{
    read_maps();
    int last = index_of_stack(), holes = 0;
    uintptr_t previous = 0x10000;
    for (int i = 0; i <= last; i++) {
        uintptr_t start = previous, end = ranges[i].start;
        previous = ranges[i].end;
        if (end <= start) continue;
        holes++;
        size_t size = end - start < 16 * PAGE ? end - start : 16 * PAGE;
        /* Its begin, its end, its middle. */
        const uintptr_t places[] = {start, end - size, start + (end - start - size) / 2 / PAGE * PAGE};
        for (int place = 0; place < 3; place++) {
            /* Not right below the stack, which may have to grow. */
            if (i == last && places[place] + 2 * MIB > end) continue;
            bytes p = map_at(AT(places[place]), size, MAP_FIXED_NOREPLACE);
            CHECK(p == AT(places[place]));
            if (p == MAP_FAILED) continue;
            stamp(p, size);
            CHECK(is_stamped(p, size));
            unmap(p, size);
        }
    }
    CHECK(holes > 0);
}

static void the_largest_hole_whole(void)
{
    read_maps();
    int last = index_of_stack();
    uintptr_t start = 0, size = 0, previous = 0x10000;
    for (int i = 0; i <= last; i++) {
        uintptr_t room = ranges[i].start > previous ? ranges[i].start - previous : 0;
        if (i == last) room = room > GIB ? room - GIB : 0;
        if (room > size) {
            start = previous;
            size = room;
        }
        previous = ranges[i].end;
    }
    CHECK(size > 1UL << 40);
    CHECK(map_as(AT(start), size, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE) == AT(start));
    CHECK(map_at(AT(start + size / 2 / PAGE * PAGE), PAGE, MAP_FIXED) == AT(start + size / 2 / PAGE * PAGE));
    CHECK_WRITABLE(AT(start + size / 2 / PAGE * PAGE));
    read_maps();
    const struct range *reservation = range_of(AT(start));
    CHECK(reservation && strcmp(reservation->permissions, "---p") == 0);
    unmap(AT(start), size);
    read_maps();
    CHECK(!range_of(AT(start)));
}

static void changes_are_listed(void)
{
    bytes p = free_place(0x60000000, 0x70000000, MIB, 8 * PAGE);
    read_maps();
    CHECK(!range_of(p));
    CHECK(map_at(p, 8 * PAGE, 0) == p);
    CHECK_OK(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
    CHECK_OK(mprotect(p + 4 * PAGE, PAGE, PROT_READ | PROT_EXEC));
    unmap(p + 6 * PAGE, PAGE);
    read_maps();
    static const char *const EXPECTED[] = {"rw-p", "rw-p", "r--p", "rw-p", "r-xp", "rw-p", NULL, "rw-p"};
    for (int i = 0; i < 8; i++) {
        const struct range *range = range_of(p + i * PAGE);
        CHECK((range == NULL) == (EXPECTED[i] == NULL));
        if (range && EXPECTED[i]) CHECK_STR(range->permissions, EXPECTED[i]);
    }
    CHECK_EQ(range_of(p + 2 * PAGE)->end - range_of(p + 2 * PAGE)->start, PAGE);
    CHECK_EQ(range_of(p)->end - range_of(p)->start, 2 * PAGE);
    unmap(p, 8 * PAGE);
    read_maps();
    CHECK(!range_of(p) && !range_of(p + 7 * PAGE));
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(sorted_and_disjoint);
    RUN(what_is_listed_is_taken);
    RUN(what_is_not_listed_is_free);
    RUN(the_largest_hole_whole);
    RUN(changes_are_listed);
    return finish();
}
