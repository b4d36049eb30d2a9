/* Preloaded: from the `fail_at`-th write into a file on, the disk is full, and says so when asked.
 * `written` points to the number of writes, which a process shares with those that it forks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

long fail_at = 1L << 40;
long *written;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void share(void) {
    written = mmap(0, sizeof *written, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int is_full(int fd) {
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode))
        return 0;
    if (__atomic_add_fetch(written, 1, __ATOMIC_SEQ_CST) < fail_at)
        return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    return is_full(fd) ? -1 : NEXT(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return is_full(fd) ? -1 : NEXT(writev)(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    return is_full(fd) ? -1 : NEXT(pwrite64)(fd, bytes, size, offset);
}

int statvfs64(const char *path, struct statvfs64 *status) {
    int result = NEXT(statvfs64)(path, status);
    if (*written >= fail_at)
        status->f_bavail = status->f_bfree = 0;
    return result;
}

int statvfs(const char *path, struct statvfs *status) {
    return statvfs64(path, (struct statvfs64 *)status);
}
