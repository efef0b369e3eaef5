// SPDX-License-Identifier: MIT
// The operations of one session on their way to the tracker: numbered when they are first sent,
// sent in the order of their numbers, kept until answered, and sent again under the same numbers
// on the next connection. Numbers have no gaps: what has been sent once is sent until answered,
// whether or not its caller still waits. For wire/ only. Thread: the loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "base/task.h"
#include "wire/messages.h"

namespace shoal::wire {

class MutationQueue {
 public:
  struct Entry {
    explicit Entry(const Executor& executor) : settled(executor) {}
    Mutate message;         ///< first is 0 until it is sent
    bool was_sent = false;  ///< on an earlier connection: its numbers are taken for ever
    base::Signal settled;
    std::optional<Result<MutateReply>> result;
  };
  using Shared = std::shared_ptr<Entry>;

  explicit MutationQueue(Executor executor) : executor_(std::move(executor)) {}

  Shared add(std::vector<Operation> operations);
  /// A new session begins to count here.
  void start_numbering(Sequence last) { next_ = last.value() + 1; }

  /// The next entry to send, numbered; null when there is none or the window is full. It counts
  /// as sent: undo with unsend().
  Shared take_next();
  /// The entry that take_next() has just returned was not sent.
  void unsend(const Shared& entry);
  /// The connection is gone: what was sent and not answered is sent again, in order.
  void requeue();
  /// False: the entry was sent and stays.
  bool withdraw(const Shared& entry);

  /// Hands the entry its result; nothing when it has one.
  void settle(const Shared& entry, Result<MutateReply> result);
  void fail_all(const Error& error);
  bool is_empty() const { return sent_.empty() && waiting_.empty(); }

 private:
  static std::uint64_t count_of(const Entry& entry) { return entry.message.operations.size(); }

  const Executor executor_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, Shared> sent_;  ///< on the present connection, by first number
  std::deque<Shared> waiting_;            ///< numbered ones (sent before) first
};

}  // namespace shoal::wire
