# Compilers that run here, and what they compile: dynamic and static, one file and several, with a make around it.
# Arguments: the compilers, with options.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

cat > main.c << 'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int twice(int value);

static void *run(void *argument)
{
    *(int *)argument = twice(*(int *)argument);
    return NULL;
}

int main(int argc, char **argv)
{
    int value = argc > 1 ? atoi(argv[1]) : 1, status;
    pthread_t thread;
    pthread_create(&thread, NULL, run, &value);
    pthread_join(thread, NULL);
    double sum = 0;
    for (int i = 1; i < 1000; i++) sum += 1.0 / i;
    printf("value %d, sum %.9f\n", value, sum);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(value & 0xff);
    waitpid(child, &status, 0);
    printf("the child said %d\n", WEXITSTATUS(status));
    return 3;
}
END
echo 'int twice(int value) { return 2 * value; }' > twice.c
cat > Makefile << 'END'
program: main.o twice.o
	$(CC) -o $@ main.o twice.o -lpthread
%.o: %.c
	$(CC) -c -o $@ $<
END

for compiler in "$@"; do
    rm -f program ./*.o
    make -s CC="$compiler" && ./program 21
    echo "$compiler: $?"
done
echo 'int main(void) { return undeclared; }' > wrong.c
for compiler in "$@"; do
    $compiler -c wrong.c 2> /dev/null && echo "compiled what is wrong" || echo "$compiler refuses"
done
