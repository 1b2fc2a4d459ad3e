/* Memory, semaphores and queues by name, and System V's: shared by processes that fork, by programs that are executed, and by
 * processes that have nothing but the session in common. */
#include "check.h"
#include <dirent.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>

static char memory_name[64], semaphore_name[64], queue_name[64];
static key_t key;

static void make_names(pid_t pid)
{
    snprintf(memory_name, sizeof memory_name, "/fixture-memory-%d", pid);
    snprintf(semaphore_name, sizeof semaphore_name, "/fixture-semaphore-%d", pid);
    snprintf(queue_name, sizeof queue_name, "/fixture-queue-%d", pid);
    key = 0x46580000 ^ pid;
}

struct page {
    int number;
    char text[60];
};

static struct page *map(int flags)
{
    int fd = shm_open(memory_name, O_RDWR | flags, 0600);
    REQUIRE(fd >= 0);
    if (flags & O_CREAT) CHECK_OK(ftruncate(fd, PAGE));
    struct page *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(page != MAP_FAILED);
    close(fd);
    return page;
}

/* What the other side does, however it came to be: answers all that waits for it. */
static int answer(void)
{
    check_failures = 0;
    struct page *page = map(0);
    CHECK_EQ(page->number, 1);
    strcpy(page->text, "seen");
    page->number = 2;
    sem_t *semaphore = sem_open(semaphore_name, 0);
    REQUIRE(semaphore != SEM_FAILED);
    CHECK_OK(sem_post(semaphore));
    CHECK_OK(sem_close(semaphore));
    mqd_t queue = mq_open(queue_name, O_WRONLY);
    REQUIRE(queue != (mqd_t)-1);
    CHECK_OK(mq_send(queue, "by queue", 9, 7));
    CHECK_OK(mq_close(queue));
    int segment = shmget(key, PAGE, 0600);
    CHECK_OK(segment);
    char *attached = shmat(segment, NULL, 0);
    REQUIRE(attached != (void *)-1);
    CHECK_STR(attached, "system five");
    strcpy(attached, "answered");
    CHECK_OK(shmdt(attached));
    int set = semget(key, 1, 0600);
    struct sembuf post = {0, 1, 0};
    CHECK_OK(semop(set, &post, 1));
    struct {
        long type;
        char text[20];
    } message = {3, "message"};
    CHECK_OK(msgsnd(msgget(key, 0600), &message, sizeof message.text, 0));
    munmap(page, PAGE);
    return check_failures != 0;
}

/* Makes everything, lets the other side be started, and looks at what it did. */
static void exchange(void (*start)(void))
{
    struct page *page = map(O_CREAT | O_EXCL);
    page->number = 1;
    sem_t *semaphore = sem_open(semaphore_name, O_CREAT | O_EXCL, 0600, 0);
    REQUIRE(semaphore != SEM_FAILED);
    struct mq_attr limits = {.mq_maxmsg = 4, .mq_msgsize = 64};
    mqd_t queue = mq_open(queue_name, O_CREAT | O_EXCL | O_RDONLY, 0600, &limits);
    REQUIRE(queue != (mqd_t)-1);
    int segment = shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600);
    int set = semget(key, 1, IPC_CREAT | IPC_EXCL | 0600), messages = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    CHECK(segment >= 0 && set >= 0 && messages >= 0);
    char *attached = shmat(segment, NULL, 0);
    strcpy(attached, "system five");
    start();
    CHECK_OK(sem_wait(semaphore));
    CHECK_EQ(page->number, 2);
    CHECK_STR(page->text, "seen");
    char text[64] = "";
    unsigned priority = 0;
    CHECK_EQ(mq_receive(queue, text, sizeof text, &priority), 9);
    CHECK_STR(text, "by queue");
    CHECK_EQ(priority, 7);
    struct sembuf wait = {0, -1, 0};
    CHECK_OK(semop(set, &wait, 1));
    CHECK_STR(attached, "answered");
    struct {
        long type;
        char text[20];
    } message = {0, ""};
    CHECK_EQ(msgrcv(messages, &message, sizeof message.text, 3, 0), sizeof message.text);
    CHECK_STR(message.text, "message");
    shmdt(attached);
    CHECK_OK(shmctl(segment, IPC_RMID, NULL));
    CHECK_OK(semctl(set, 0, IPC_RMID));
    CHECK_OK(msgctl(messages, IPC_RMID, NULL));
    sem_close(semaphore);
    mq_close(queue);
    munmap(page, PAGE);
    CHECK_OK(shm_unlink(memory_name));
    CHECK_OK(sem_unlink(semaphore_name));
    CHECK_OK(mq_unlink(queue_name));
    CHECK_ERROR(shm_open(memory_name, O_RDWR, 0), ENOENT);
    CHECK(sem_open(semaphore_name, 0) == SEM_FAILED);
}

static void start_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(answer());
    CHECK_EQ(wait_for(pid), 0);
}

static void start_program(void)
{
    char number[20];
    snprintf(number, sizeof number, "%d", getpid());
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "shared", number, (char *)NULL);
        _exit(99);
    }
    CHECK_EQ(wait_for(pid), 0);
}

/* An orphan in a session of its own: it shares nothing but the names. */
static void start_stranger(void)
{
    char number[20];
    snprintf(number, sizeof number, "%d", getpid());
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() == 0) {
            execl("/proc/self/exe", "shared", number, (char *)NULL);
            _exit(99);
        }
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void with_a_child(void)
{
    exchange(start_fork);
}

static void with_a_program(void)
{
    exchange(start_program);
}

static void with_a_stranger(void)
{
    exchange(start_stranger);
}

/* What /dev/shm shows of them. */
static void as_files(void)
{
    char path[128];
    struct page *page = map(O_CREAT | O_EXCL);
    snprintf(path, sizeof path, "/dev/shm%s", memory_name);
    struct stat directory, by_name, by_descriptor, other;
    CHECK_OK(stat("/dev/shm", &directory));
    CHECK_EQ(directory.st_mode, S_IFDIR | 01777);
    CHECK_OK(stat(path, &by_name));
    CHECK_EQ(by_name.st_mode, S_IFREG | 0600);
    CHECK_EQ(by_name.st_size, PAGE);
    CHECK_EQ(by_name.st_dev, directory.st_dev);
    CHECK_EQ(by_name.st_blksize, PAGE);
    int fd = shm_open(memory_name, O_RDWR, 0);
    CHECK_OK(fstat(fd, &by_descriptor));
    CHECK_EQ(by_descriptor.st_ino, by_name.st_ino);
    CHECK_EQ(by_descriptor.st_dev, by_name.st_dev);
    sem_t *semaphore = sem_open(semaphore_name, O_CREAT | O_EXCL, 0600, 0);
    char with[128], link[128], target[256] = "";
    /* What the C library calls it. */
#ifdef __GLIBC__
    snprintf(with, sizeof with, "/dev/shm/sem.%s", semaphore_name + 1);
#else
    snprintf(with, sizeof with, "/dev/shm%s", semaphore_name);
#endif
    CHECK_OK(stat(with, &other));
    CHECK(other.st_ino != by_name.st_ino);
    CHECK_EQ(other.st_dev, by_name.st_dev);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    CHECK(readlink(link, target, sizeof target - 1) > 0);
    CHECK_STR(target, path);
    DIR *stream = opendir("/dev/shm");
    REQUIRE(stream != NULL);
    struct dirent *entry;
    int found = 0;
    while ((entry = readdir(stream)) != NULL)
        found += strcmp(entry->d_name, memory_name + 1) == 0 || strcmp(entry->d_name, with + 9) == 0;
    closedir(stream);
    CHECK_EQ(found, 2);
    /* A mapping's name. */
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    found = 0;
    while (fgets(line, sizeof line, maps)) found += strstr(line, path) != NULL && strstr(line, "rw-s") != NULL;
    fclose(maps);
    CHECK_EQ(found, 1);
    page->number = 5;
    CHECK_OK(rename(path, with));
    CHECK_OK(unlink(with));
    CHECK_EQ(page->number, 5);
    CHECK(readlink(link, target, sizeof target - 1) > 0);
    CHECK(strstr(target, " (deleted)") != NULL);
    sem_close(semaphore);
    close(fd);
    munmap(page, PAGE);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        make_names(atoi(argv[1]));
        return answer();
    }
    make_names(getpid());
    RUN(with_a_child);
    RUN(with_a_program);
    RUN(with_a_stranger);
    RUN(as_files);
    return finish();
}
