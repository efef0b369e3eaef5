// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/task.h"
#include "fs/journal.h"
#include "fs/tracker_port.h"

namespace shoal::fs {

/// The operations that took effect on this peer and have yet to reach the tracker, in their order.
/// They are numbered, kept in the journal, and sent in batches, one at a time; docs/coherence.md
/// says why each happens once. Owner: the mount's Core. What is in the journal survives the
/// daemon, and so the next one begins with it.
class Outbox {
 public:
  /// The tracker's answer; an operation that it refused comes as a reply with `error` set. Errors:
  /// stale (a Publish whose session ended before it was answered: it must be made anew, if it is
  /// still due), canceled (the outbox stopped). Called once, on the loop, under no lock.
  using Done = std::move_only_function<void(const Result<wire::OperationReply>&)>;

  /// Operations, and bytes of them, that may wait: about what 20 s of a lease can bring.
  static constexpr std::uint64_t kMaxUnsent = 256 * 1024;
  static constexpr std::uint64_t kMaxUnsentBytes = 64 * 1024 * 1024;
  /// So long an operation waits for others to travel with: DESIGN section 5 allows a second.
  static constexpr Duration kBatchDelay = std::chrono::milliseconds(700);
  /// A batch goes at once when it has so many bytes; far below wire::kMaxBodyBytes.
  static constexpr std::uint64_t kBatchBytes = 1024 * 1024;

  /// Made on the loop once the first session is open: numbers begin behind those that the tracker
  /// has seen. All outlive it.
  Outbox(Loop& loop, Timer& timer, Pool& pool, TrackerPort& port, std::unique_ptr<Journal> journal);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  /// Puts an operation under the next number, into the journal as well unless it is a Publish,
  /// whose bytes the store knows of. The order of the calls is the order at the tracker. Thread:
  /// any; callers may hold the Volume's lock. Errors: busy (too much waits: flush first), no_space
  /// (the tracker's disk is full), canceled (stopped), those of the journal; then nothing has
  /// happened.
  Result<std::uint64_t> add(wire::Operation operation, Done done = {});

  /// True when everything that was added has been answered. Thread: any.
  bool is_empty() const { return answered_.load() >= last_.load(); }
  /// The number given last. Thread: any.
  std::uint64_t last_added() const { return last_.load(); }

  /// Sends what is there at once; returns when everything that was added before the call has been
  /// answered. Errors: timed_out, no_space (the tracker's disk is full), canceled (also: stopped).
  /// Thread: the loop.
  Task<Result<void>> flush(Deadline deadline);

  /// Sends until it is canceled; spawned once by the owner. Thread: the loop.
  Task<void> run();

  /// Told, on the loop, of each operation but a Publish that the tracker did not take, or took
  /// under another name (renamed_to). Set before run().
  std::function<void(const wire::Operation&, const wire::OperationReply&)> on_refused;

 private:
  struct Entry {
    wire::Operation operation;
    std::uint64_t generation = 0;  ///< of the session it was made in; 0: of none that still is
    std::uint64_t bytes = 0;
    SteadyTime added;
    Done done;

    bool is_publish() const;
  };
  /// What the pump sleeps for, so that nobody wakes it for less.
  enum class Awaited { nothing, first, full };

  void recover();
  bool is_full() const REQUIRES(mutex_);
  Deadline next_due();
  Task<bool> wait_until_due();
  void take_batch();
  void drop_lost();
  Task<Result<void>> send_batch();
  Result<void> take_failure(const Error& error);
  void settle_batch(std::vector<wire::OperationReply> replies);
  Task<void> shorten_journal(std::uint64_t number);
  void settle(Entry entry, const Result<wire::OperationReply>& reply);
  void finish_batch();
  void give_up();
  Task<Result<void>> wait_answered(std::uint64_t number);

  Loop& loop_;
  Timer& timer_;
  Pool& pool_;
  TrackerPort& port_;

  base::Mutex write_mutex_;  ///< taken before mutex_; orders numbers, journal and queue
  const std::unique_ptr<Journal> journal_ GUARDED_BY(write_mutex_);

  base::Mutex mutex_;
  std::deque<Entry> waiting_ GUARDED_BY(mutex_);
  std::uint64_t waiting_bytes_ GUARDED_BY(mutex_) = 0;
  Awaited awaited_ GUARDED_BY(mutex_) = Awaited::nothing;
  bool is_stopped_ GUARDED_BY(mutex_) = false;

  std::atomic<std::uint64_t> last_{0};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> unsent_{0};  ///< waiting or on their way
  std::atomic<std::uint64_t> unsent_bytes_{0};
  std::atomic<bool> is_tracker_full_{
      false};  ///< its disk: nothing more is taken on until it is not

  // The loop's.
  std::deque<Entry> batch_;            ///< on its way
  std::uint64_t batch_last_ = 0;       ///< the last number of it
  std::uint64_t flush_through_ = 0;    ///< due at once up to here
  std::uint64_t isolate_through_ = 0;  ///< sent one by one up to here
  const std::shared_ptr<base::Signal> wake_;
  base::Signal progress_;
};

}  // namespace shoal::fs
