/* Loads another program beside itself, as a user-mode emulator does, and jumps into it: its segments go where they are linked
 * to, reserved with a plain hint; so do those of its own loader. Usage: loader PROGRAM [ARG...] */
#include "emulators/mappings.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

struct image {
    uintptr_t base, entry, headers;
    size_t header_count, header_size;
    char interpreter[256];
};

static uintptr_t down(uintptr_t address) { return address & ~(PAGE - 1); }
static uintptr_t up(uintptr_t address) { return down(address + PAGE - 1); }

static int protection_of(const Elf64_Phdr *segment)
{
    return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0)
           | (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

static void map_segment(const Elf64_Phdr *segment, uintptr_t base, int fd)
{
    uintptr_t start = base + segment->p_vaddr, file_end = start + segment->p_filesz, end = start + segment->p_memsz;
    int protection = protection_of(segment);
    if (segment->p_filesz) {
        bytes mapped = (bytes)syscall(SYS_mmap, down(start), up(file_end) - down(start), protection, MAP_PRIVATE | MAP_FIXED, fd,
                                      down(segment->p_offset));
        REQUIRE(mapped == AT(down(start)));
    }
    if (end > file_end) {
        if (up(file_end) > file_end) memset(AT(file_end), 0, up(file_end) - file_end);
        if (up(end) > up(file_end)) {
            REQUIRE(map_as(AT(up(file_end)), up(end) - up(file_end), protection, ANONYMOUS | MAP_FIXED) == AT(up(file_end)));
        }
    }
}

/* `wanted` is where a position-independent image goes. */
static struct image load(const char *path, uintptr_t wanted)
{
    struct image image = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    Elf64_Ehdr header;
    static Elf64_Phdr segments[32];
    REQUIRE(pread(fd, &header, sizeof header, 0) == sizeof header && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0);
    REQUIRE(header.e_phnum <= 32);
    REQUIRE(pread(fd, segments, header.e_phnum * sizeof *segments, header.e_phoff) == (ssize_t)(header.e_phnum * sizeof *segments));
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    for (int i = 0; i < header.e_phnum; i++) {
        const Elf64_Phdr *segment = &segments[i];
        if (segment->p_type == PT_INTERP) {
            REQUIRE(segment->p_filesz <= sizeof image.interpreter);
            REQUIRE(pread(fd, image.interpreter, segment->p_filesz, segment->p_offset) == (ssize_t)segment->p_filesz);
        }
        if (segment->p_type != PT_LOAD) continue;
        if (segment->p_vaddr < lowest) lowest = segment->p_vaddr;
        if (segment->p_vaddr + segment->p_memsz > highest) highest = segment->p_vaddr + segment->p_memsz;
    }
    uintptr_t start = header.e_type == ET_DYN ? wanted : down(lowest);
    size_t size = up(highest) - down(lowest);
    /* The plain hint that all of this is about. */
    REQUIRE(map_as(AT(start), size, PROT_NONE, RESERVE) == AT(start));
    image.base = start - down(lowest);
    for (int i = 0; i < header.e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) map_segment(&segments[i], image.base, fd);
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset <= header.e_phoff
            && header.e_phoff < segments[i].p_offset + segments[i].p_filesz) {
            image.headers = image.base + segments[i].p_vaddr + header.e_phoff - segments[i].p_offset;
        }
    }
    image.entry = image.base + header.e_entry;
    image.header_count = header.e_phnum;
    image.header_size = header.e_phentsize;
    close(fd);
    return image;
}

static uintptr_t *put_pair(uintptr_t *at, uintptr_t type, uintptr_t value)
{
    *at++ = type;
    *at++ = value;
    return at;
}

int main(int argc, char **argv)
{
    REQUIRE(argc > 1);
    struct image program = load(argv[1], 0x4000000000), loader = program;
    if (program.interpreter[0]) loader = load(program.interpreter, 0x5000000000);
    const size_t size = 8 * MIB;
    bytes stack = map_as(NULL, size, RW, RESERVE | MAP_STACK);
    REQUIRE(stack != MAP_FAILED);

    /* Far enough below the end for all pointers. */
    uintptr_t *sp = (uintptr_t *)(stack + size - 64 * KIB), *at = sp;
    *at++ = argc - 1;
    for (int i = 1; i <= argc; i++) *at++ = (uintptr_t)argv[i];
    for (char **variable = environ; ; variable++) {
        *at++ = (uintptr_t)*variable;
        if (!*variable) break;
    }
    static const uintptr_t COPIED[] = {AT_SYSINFO_EHDR, AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_FLAGS, AT_UID, AT_EUID, AT_GID, AT_EGID,
                                       AT_SECURE, AT_RANDOM, AT_HWCAP2, AT_PLATFORM, 51 /* AT_MINSIGSTKSZ */};
    for (size_t i = 0; i < sizeof COPIED / sizeof *COPIED; i++) at = put_pair(at, COPIED[i], getauxval(COPIED[i]));
    at = put_pair(at, AT_PHDR, program.headers);
    at = put_pair(at, AT_PHENT, program.header_size);
    at = put_pair(at, AT_PHNUM, program.header_count);
    at = put_pair(at, AT_ENTRY, program.entry);
    at = put_pair(at, AT_BASE, program.interpreter[0] ? loader.base : 0);
    at = put_pair(at, AT_EXECFN, (uintptr_t)argv[1]);
    put_pair(at, AT_NULL, 0);
    __asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%1" : : "r"(sp), "r"(loader.entry) : "memory");
    __builtin_unreachable();
}
