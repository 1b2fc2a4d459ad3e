/* fork without a second flow of control.
 *
 * sfork() enters a child process that goes on in the caller's place, on its stack and in its memory; the parent is
 * suspended. The child prepares itself with ordinary code: descriptors, working directory, signals. Then
 * sfork_execveat() or sfork_exit() ends it, and the parent goes on from there: it returns from that call with the
 * child's pid. So the code reads, and runs, from top to bottom once. Contexts nest.
 *
 * It is vfork(2) underneath. What the child writes to memory stays; what belongs to a process is its own. */
#ifndef SFORK_H
#define SFORK_H

/* How deep contexts nest in one thread. */
#define SFORK_DEPTH 16

/* 0 in the child context; -errno where none could be made.
 * The child's pid where it came to its end in another way than by the calls below: it was killed, or ended itself.
 * Then the parent goes on from here, like that of vfork(2); the function that called sfork() must not have returned. */
int sfork(void) __attribute__((returns_twice));

/* Ends the child context, with this exit status. Returns its pid, in the parent. -EINVAL outside of any. */
int sfork_exit(int status);

/* Makes the child context execute a program, as execveat(2). Returns its pid, in the parent; where it fails -errno, still in
 * the child. -EINVAL outside of any child context. */
int sfork_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);

#endif
