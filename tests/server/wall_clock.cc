// A wall clock that a test may set: LD_PRELOAD this library, with LLMC_TEST_WALL_CLOCK naming a file of 16 bytes. Its
// first 8 bytes are added to the wall clock's seconds; the other 8 count waits that end at a time of that clock, which
// a jump would make longer or shorter. Not installed.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

struct Shared {
  std::atomic<int64_t> offset{0}, waits{0};
};

Shared& shared() {
  static Shared& mapped = []() -> Shared& {
    static Shared none;
    const char* path = std::getenv("LLMC_TEST_WALL_CLOCK");
    const int file = path ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return none;
    void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return at == MAP_FAILED ? none : *static_cast<Shared*>(at);
  }();
  return mapped;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool isWall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI; }
void count(bool wall) { shared().waits += wall; }

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  static auto* real = next<int(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, out);
  if (result == 0 && isWall(clock)) out->tv_sec += shared().offset;
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(timeval* __restrict out, void* __restrict) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

// What waits until a time of the wall clock. A condition variable may have been told to use another: none of ours is.
int pthread_cond_timedwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex,
                           const timespec* __restrict until) {
  count(true);
  static auto* real = next<int(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  return real(condition, mutex, until);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  count(isWall(clock));
  static auto* real =
      next<int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)>("pthread_cond_clockwait");
  return real(condition, mutex, clock, until);
}

int sem_timedwait(sem_t* __restrict semaphore, const timespec* __restrict until) {
  count(true);
  static auto* real = next<int(sem_t*, const timespec*)>("sem_timedwait");
  return real(semaphore, until);
}

int timerfd_create(int clock, int flags) noexcept {
  count(isWall(clock));
  static auto* real = next<int(int, int)>("timerfd_create");
  return real(clock, flags);
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* left) {
  count(isWall(clock) && (flags & TIMER_ABSTIME) != 0);
  static auto* real = next<int(clockid_t, int, const timespec*, timespec*)>("clock_nanosleep");
  return real(clock, flags, time, left);
}

}  // extern "C"
