// SPDX-License-Identifier: MIT
// std::mutex with clang's thread-safety annotations (-Wthread-safety); plain under g++.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define SHOAL_TSA(x) __attribute__((x))
#else
#define SHOAL_TSA(x)
#endif

#define GUARDED_BY(mutex) SHOAL_TSA(guarded_by(mutex))
#define REQUIRES(...) SHOAL_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) SHOAL_TSA(locks_excluded(__VA_ARGS__))

namespace shoal::base {

class SHOAL_TSA(capability("mutex")) Mutex {
 public:
  void lock() SHOAL_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() SHOAL_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() SHOAL_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Never held across co_await, never while calling out of the object it guards.
class SHOAL_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SHOAL_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() SHOAL_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class CondVar {
 public:
  /// Spurious wake-ups happen: wait in a loop over the condition.
  void wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  template <class Clock, class D>
  bool wait_until(Mutex& mutex, std::chrono::time_point<Clock, D> moment) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = condition_.wait_until(lock, moment) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace shoal::base
