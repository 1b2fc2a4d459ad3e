# A small C project: generated sources, a static and a shared library, a make in a make, four jobs at a time. What is built
# must be the same bit by bit, and must run.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir lib shared

for number in $(seq 12); do
    cat > "lib/part$number.c" << END
#include "project.h"
#include <stdio.h>
int part$number(int value) { char text[32]; return value * $number + snprintf(text, sizeof text, "%d", value); }
END
done
cat > shared/greeting.c << 'END'
#include <stdio.h>
void greet(const char *whom) { printf("hello, %s\n", whom); }
END
cat > main.c << 'END'
#include "project.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#define CALL(number) sum += part##number(sum);
int main(int argc, char **argv)
{
    unsigned sum = 1;
    PARTS(CALL)
    greet(argc > 1 ? argv[1] : "nobody");
    fflush(stdout);
    if (fork() == 0) execlp("sh", "sh", "-c", "echo from a child of $0; exit 3", argv[0], (char *)0);
    int status;
    wait(&status);
    printf("sum %u, child %d\n", sum, WEXITSTATUS(status));
    return WEXITSTATUS(status);
}
END
cat > Makefile << 'END'
CFLAGS = -O2 -Wall -Werror -I. -MMD
PARTS := $(shell seq 12)
OBJECTS := $(PARTS:%=lib/part%.o)
.PHONY: all check clean
all: project project-static
project: main.o lib/libparts.a shared/libgreeting.so
	$(CC) -o $@ $^ -Wl,-rpath,'$$ORIGIN/shared'
project-static: main.o lib/libparts.a shared/greeting.o
	$(CC) -static -o $@ $^
lib/libparts.a: $(OBJECTS)
	rm -f $@; ar rcsD $@ $^
main.o $(OBJECTS): project.h
project.h: Makefile
	{ echo 'void greet(const char *whom);'; for i in $(PARTS); do echo "int part$$i(int value);"; done; \
	  printf '#define PARTS(DO)'; printf ' DO(%s)' $(PARTS); echo; } > $@.new && mv $@.new $@
shared/libgreeting.so shared/greeting.o:
	+$(MAKE) --no-print-directory -C shared $(notdir $@)
check: all
	./project world; test $$? = 3
clean:
	rm -f project project-static project.h *.o *.d lib/*.o lib/*.d lib/*.a shared/*.o shared/*.so
-include *.d lib/*.d
END
cat > shared/Makefile << 'END'
libgreeting.so: greeting.pic.o
	$(CC) -shared -o $@ $<
greeting.pic.o: greeting.c
	$(CC) -O2 -fPIC -c -o $@ $<
greeting.o: greeting.c
	$(CC) -O2 -c -o $@ $<
END

make -j4 2>&1 | sort
make -j4
echo "again $?"
./project you || echo "status $?"
./project-static them || echo "status $?"
make check | tail -n 2
md5sum main.o lib/libparts.a shared/*.so project project-static
touch lib/part7.c
make -j4 -n | sort
echo 'int broken(' > lib/part3.c
make -j4 -k 2> errors > /dev/null || echo "make $?"
grep -c 'error:' errors
sed -i 's/$(CC) -static/false; $(CC) -static/' Makefile
make -j4 clean > /dev/null; ls | tr '\n' ' '; echo
