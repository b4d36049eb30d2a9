/* Preloaded: from the FAIL_AT-th write into a file on, the disk is full. Without FAIL_AT, the
 * process's writes are counted, and their number is written to WRITES at its end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

static long writes;

static int is_full(int fd) {
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode))
        return 0;
    const char *limit = getenv("FAIL_AT");
    if (__atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) < (limit ? atol(limit) : 1L << 40))
        return 0;
    errno = ENOSPC;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t size) {
    return is_full(fd) ? -1 : NEXT(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return is_full(fd) ? -1 : NEXT(writev)(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    return is_full(fd) ? -1 : NEXT(pwrite64)(fd, bytes, size, offset);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("WRITES");
    FILE *file = path && !getenv("FAIL_AT") ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", writes);
        fclose(file);
    }
}
