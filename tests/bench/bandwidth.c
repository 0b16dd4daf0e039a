// Measures read bandwidth of DRAM and of the shared cache with 1, 2, .. N pinned threads; prints one JSON line.
// Usage: bandwidth [threads...]   (default: 1 2 and all). Build: cc -O3 -march=native -pthread bandwidth.c -o bandwidth
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { kMaxThreads = 256, kRounds = 9 };
static const size_t kDramBytes = (size_t)1 << 30; // all threads together: far over any cache here
static const size_t kCacheBytes = (size_t)12 << 20;

typedef struct {
  const uint64_t *data;
  size_t words;
  int core, repeats;
  double begin, end; // seconds, of the timed part
  uint64_t sum;
  pthread_barrier_t *barrier;
} Job;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Eight independent sums of 8 words: the compiler turns them into wide loads, enough of them in flight.
static uint64_t readAll(const uint64_t *p, size_t words) {
  uint64_t lanes[64] = {0};
  for (size_t i = 0; i + 64 <= words; i += 64)
    for (int j = 0; j < 64; j++)
      lanes[j] += p[i + j];
  uint64_t sum = 0;
  for (int j = 0; j < 64; j++)
    sum += lanes[j];
  return sum;
}

static void *work(void *arg) {
  Job *job = arg;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(job->core, &set);
  sched_setaffinity(0, sizeof set, &set);
  job->sum += readAll(job->data, job->words);
  pthread_barrier_wait(job->barrier);
  job->begin = now();
  for (int r = 0; r < job->repeats; r++)
    job->sum += readAll(job->data, job->words);
  job->end = now();
  return NULL;
}

static int compareDoubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// GB/s: fills rates[kRounds], sorted.
static void measure(const uint64_t *data, size_t bytes, int threads, int repeats, double *rates) {
  static volatile uint64_t sink;
  for (int round = 0; round < kRounds; round++) {
    pthread_t ids[kMaxThreads];
    Job jobs[kMaxThreads];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    size_t words = bytes / 8 / (size_t)threads / 64 * 64;
    for (int t = 0; t < threads; t++) {
      jobs[t] = (Job){data + (size_t)t * words, words, t, repeats, 0, 0, 0, &barrier};
      if (pthread_create(&ids[t], NULL, work, &jobs[t]) != 0)
        exit(1);
    }
    double begin = 1e300, end = 0;
    for (int t = 0; t < threads; t++) {
      pthread_join(ids[t], NULL);
      begin = jobs[t].begin < begin ? jobs[t].begin : begin;
      end = jobs[t].end > end ? jobs[t].end : end;
      sink += jobs[t].sum;
    }
    pthread_barrier_destroy(&barrier);
    rates[round] = (double)words * 8 * (double)threads * repeats / (end - begin) * 1e-9;
  }
  qsort(rates, kRounds, sizeof *rates, compareDoubles);
}

int main(int argc, char **argv) {
  int all = (int)sysconf(_SC_NPROCESSORS_ONLN), counts[kMaxThreads], n = 0;
  all = all > kMaxThreads ? kMaxThreads : all;
  for (int i = 1; i < argc && n < kMaxThreads; i++) {
    int t = atoi(argv[i]);
    if (t >= 1 && t <= all)
      counts[n++] = t;
  }
  if (n == 0)
    for (int t = 1; t <= all; t = t == 1 && all > 2 ? 2 : (t < all ? all : all + 1))
      counts[n++] = t;
  uint64_t *data = mmap(NULL, kDramBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  madvise(data, kDramBytes, MADV_HUGEPAGE);
  memset(data, 1, kDramBytes);
  printf("{\"unit\": \"GB/s read\"");
  for (int i = 0; i < n; i++) {
    double dram[kRounds], cache[kRounds];
    measure(data, kDramBytes, counts[i], 1, dram);
    measure(data, kCacheBytes, counts[i], 40, cache);
    printf(", \"%d\": {\"dram_median\": %.1f, \"dram_best\": %.1f, \"cache12MiB_median\": %.1f, \"cache12MiB_best\": "
           "%.1f}",
           counts[i], dram[kRounds / 2], dram[kRounds - 1], cache[kRounds / 2], cache[kRounds - 1]);
  }
  printf("}\n");
  return 0;
}
