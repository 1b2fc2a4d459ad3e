/* The least a C program does: the loader, stdio, a clean exit. */
#include <stdio.h>

int main(void)
{
    printf("hello, world\n");
    return 0;
}
