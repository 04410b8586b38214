/*
 * Preloaded into Node by test/engines/native/faults.test.ts (glibc): counts the memory that the addon asks the system for, and
 * refuses its requests for memory and threads when told to. Node's own requests pass. Told and read through a file that
 * both map: see struct control.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct control {
  int64_t armed;     /* in: 1 counts memory, 2 refuses as well */
  int64_t countdown; /* in: requests that still pass */
  int64_t sticky;    /* in: all later requests are refused too */
  int64_t refused;   /* out */
  int64_t live;      /* out: bytes that the addon holds */
};

static struct control idle;
static struct control* volatile control = &idle;
static uintptr_t first, last; /* the addon's code */

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

static int find(struct dl_phdr_info* info, size_t size, void* data) {
  (void)size, (void)data;
  if (!strstr(info->dlpi_name, "shacomp.node")) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* p = &info->dlpi_phdr[i];
    if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
    first = info->dlpi_addr + p->p_vaddr;
    last = first + p->p_memsz;
  }
  return 1;
}

__attribute__((constructor)) static void start(void) {
  const char* path = getenv("FAULTS_CONTROL");
  const int fd = path ? open(path, O_RDWR) : -1;
  if (fd < 0) return;
  void* at = (void*)syscall(SYS_mmap, NULL, sizeof idle, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) control = at;
  close(fd);
}

/* Whether the addon called. It is looked for once the test says that it is loaded. */
static int ours(void* caller) {
  if (control == &idle) return 0;
  if (!first) {
    static __thread int searching;
    if (searching || !control->armed) return 0;
    searching = 1;
    dl_iterate_phdr(find, NULL);
    searching = 0;
  }
  return (uintptr_t)caller >= first && (uintptr_t)caller < last;
}

/* Whether a request of the addon is to be refused. */
static int refuse(void) {
  if (control->armed < 2) return 0;
  if (control->countdown > 0) return control->countdown--, 0;
  if (control->countdown < 0) return 0;
  if (!control->sticky) control->countdown = -1;
  control->refused++;
  return 1;
}

/* What the addon holds: blocks by address, in a table without removal of places. */
enum { PLACES = 1 << 16 };
static struct { uintptr_t at; size_t size; } held[PLACES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void* take(void* at, size_t size) {
  if (!at) return at;
  pthread_mutex_lock(&mutex);
  for (size_t i = (uintptr_t)at >> 4, n = 0; n < PLACES; i++, n++) {
    if (held[i % PLACES].at > 1) continue;
    held[i % PLACES].at = (uintptr_t)at;
    held[i % PLACES].size = size;
    control->live += size;
    break;
  }
  pthread_mutex_unlock(&mutex);
  return at;
}

static void leave(void* at) {
  if (!at || !first) return;
  pthread_mutex_lock(&mutex);
  for (size_t i = (uintptr_t)at >> 4, n = 0; n < PLACES && held[i % PLACES].at; i++, n++) {
    if (held[i % PLACES].at != (uintptr_t)at) continue;
    held[i % PLACES].at = 1; /* was taken: searches go on behind it */
    control->live -= held[i % PLACES].size;
    break;
  }
  pthread_mutex_unlock(&mutex);
}

#define CALLER __builtin_return_address(0)

void* malloc(size_t n) {
  if (!ours(CALLER)) return __libc_malloc(n);
  if (refuse()) return errno = ENOMEM, NULL;
  return take(__libc_malloc(n), n);
}
void* calloc(size_t n, size_t size) {
  if (!ours(CALLER)) return __libc_calloc(n, size);
  if (refuse()) return errno = ENOMEM, NULL;
  return take(__libc_calloc(n, size), n * size);
}
void* aligned_alloc(size_t alignment, size_t n) {
  if (!ours(CALLER)) return __libc_memalign(alignment, n);
  if (refuse()) return errno = ENOMEM, NULL;
  return take(__libc_memalign(alignment, n), n);
}
void* realloc(void* at, size_t n) {
  leave(at);
  return __libc_realloc(at, n);
}
void free(void* at) {
  leave(at);
  __libc_free(at);
}
void* mmap(void* at, size_t n, int protection, int flags, int fd, off_t offset) {
  const int mine = ours(CALLER);
  if (mine && refuse()) return errno = ENOMEM, MAP_FAILED;
  void* got = (void*)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
  return mine && got != MAP_FAILED ? take(got, n) : got;
}
int munmap(void* at, size_t n) {
  leave(at);
  return (int)syscall(SYS_munmap, at, n);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  static int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  if (ours(CALLER) && refuse()) return EAGAIN;
  if (!next) next = (int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*))dlsym(RTLD_NEXT, "pthread_create");
  return next(thread, attributes, run, argument);
}
