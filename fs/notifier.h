// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/strong_id.h"
#include "base/task.h"
#include "fs/readahead.h"

namespace shoal::fs {

/// The kernel's caches, as one can clear them. Calls may block: a name waits for the directory's
/// lock, pages wait for reads in flight. Results are errno values: 0, ENOENT (the kernel does not
/// know it), others when the mount has gone.
class KernelCaches {
 public:
  virtual ~KernelCaches() = default;
  virtual int drop_name(InodeId directory, const std::string& name) = 0;
  virtual int drop_attributes(InodeId inode) = 0;
  /// Attributes too; dirty pages of a shared mapping are written out first. range.end 0: to the
  /// end.
  virtual int drop_pages(InodeId inode, ByteRange range) = 0;
  /// Makes every name stale at once without waiting for anybody. False where the kernel cannot.
  virtual bool drop_all_names() = 0;
  virtual bool can_drop_all_names() const = 0;
  /// Whether a call that waits in the kernel ends when this process is killed.
  virtual bool is_guarded() const = 0;
};

/// Clears kernel caches on threads of its own, because the calls deadlock inside a request. Several
/// threads, and pages apart from the rest, so that a call that waits for a slow reader does not
/// hold up the others; none holds a lock that a request may want. Owner: Core. Thread: submit,
/// drop_all_names any; finished: loop.
class Notifier {
 public:
  struct Job {
    enum class Kind : std::uint8_t { name, attributes, pages };
    Kind kind = Kind::attributes;
    InodeId inode;
    std::string name;
    ByteRange range;
  };

  /// A job that was handed in, until it is done.
  class Pending {
   public:
    explicit Pending(Executor executor) : done_(std::move(executor)) {}
    bool is_done() const { return done_.is_set(); }
    bool has_begun() const { return has_begun_.load(); }  ///< a thread has taken it up
    int result() const { return result_; }                ///< once done

   private:
    friend class Notifier;
    base::Signal done_;
    std::atomic<bool> has_begun_{false};
    int result_ = 0;
  };

  Notifier(Executor executor, Timer& timer) : executor_(std::move(executor)), timer_(timer) {}
  ~Notifier();  // after stop()
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// kernel outlives the threads.
  void start(KernelCaches& kernel);
  /// Jobs not begun are dropped as done, and later ones too; begun calls go on.
  void disarm();
  /// After disarm(): waits for the threads. Their calls end once the mount has gone. Thread: pool.
  void join();

  std::shared_ptr<Pending> submit(Job job);
  /// True when it was done before the deadline.
  Task<bool> finished(std::shared_ptr<Pending> pending, Deadline deadline);
  /// The same, but what counts against patience is the kernel's time alone: on a busy machine the
  /// job may not have been taken up yet. False: somebody keeps from the kernel what it needs.
  Task<bool> finished_unless_stuck(std::shared_ptr<Pending> pending, Duration patience);

  bool can_drop_all_names() const;
  bool drop_all_names();
  /// Whether a single name may be dropped, by a call that waits for its directory's lock.
  bool may_wait_for_names() const;

 private:
  struct Item {
    Job job;
    std::shared_ptr<Pending> pending;
  };
  struct Lane {
    std::condition_variable wake;
    std::deque<Item> queue;
  };
  void work(Lane& lane);
  int carry_out(const Job& job);
  void settle(std::shared_ptr<Pending> pending, int result);

  const Executor executor_;
  Timer& timer_;
  KernelCaches* kernel_ = nullptr;
  std::vector<std::jthread> threads_;
  std::mutex mutex_;           // guards what follows
  std::array<Lane, 3> lanes_;  // by Job::Kind
  bool is_armed_ = false;
};

}  // namespace shoal::fs
