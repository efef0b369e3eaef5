// SPDX-License-Identifier: MIT
// The outbox on virtual time, over a tracker that does as it is told.
#include "fs/outbox.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/log.h"
#include "tests/support/temp_folder.h"
#include "tests/support/virtual_time.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

using namespace std::chrono_literals;

wire::Operation make_directory(const std::string& name) {
  wire::Create create;
  create.parent = kRootInode;
  create.name = name;
  create.inode = InodeId(7);
  return {.change = create, .time = 42};
}

wire::Operation publish(std::size_t layer_entries = 0) {
  wire::Publish publish;
  publish.inode = InodeId(7);
  publish.layer.resize(layer_entries);
  return {.change = publish};
}

std::string text_of(const wire::Operation& operation) {
  std::string text = std::to_string(operation.journal) + ":";
  const auto* create = std::get_if<wire::Create>(&operation.change);
  text += create != nullptr ? create->name : "publish";
  if (operation.detached) text += '!';
  return text;
}

/// Answers operations, or fails, or waits, as the test says. Only mutate() is ever called.
class ScriptedPort final : public TrackerPort {
 public:
  using Replies = std::vector<wire::OperationReply>;

  explicit ScriptedPort(Loop& loop) : gate(loop.get_executor()) { gate.set(); }

  /// "1:a 2:b! | 3:c": what came in which batch; ! is detached.
  std::string log;
  std::size_t batches = 0;
  /// Taken by the next batches in turn; when there are none they are answered well.
  std::deque<Result<Replies>> answers;
  base::Signal gate;  ///< answers wait for it
  std::function<void(const std::vector<wire::Operation>&)> on_batch;
  std::atomic<std::uint64_t> generation{1};
  std::uint64_t applied = 0;

  Task<Result<Replies>> mutate(std::vector<wire::Operation> operations, Deadline) override {
    ++batches;
    if (!log.empty()) log += " | ";
    for (std::size_t i = 0; i < operations.size(); ++i) {
      log += (i == 0 ? "" : " ") + text_of(operations[i]);
    }
    if (on_batch) on_batch(operations);
    Result<void> waited = co_await gate.wait();
    if (!waited) co_return pass(std::move(waited));
    if (answers.empty()) co_return Replies(operations.size());
    Result<Replies> answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }

  SteadyTime lease_end() const override { return SteadyTime::max(); }
  std::uint64_t session_generation() const override { return generation; }
  std::uint64_t journal_applied() const override { return applied; }
  wire::SwarmTotals totals() const override { return {}; }

  template <class Request>
  Task<Result<typename Request::Reply>> refuse(Request) {
    co_return fail(Errc::unsupported, "not scripted");
  }
#define SHOAL_REFUSE(Request)                                                        \
  Task<Result<wire::Request::Reply>> ask(wire::Request request, Deadline) override { \
    return refuse(std::move(request));                                               \
  }
  SHOAL_REFUSE(Lookup)
  SHOAL_REFUSE(GetInode)
  SHOAL_REFUSE(ReadDirectory)
  SHOAL_REFUSE(GetXattrs)
  SHOAL_REFUSE(GetParent)
  SHOAL_REFUSE(AllocateInodes)
  SHOAL_REFUSE(Delegate)
  SHOAL_REFUSE(ReturnDelegation)
  SHOAL_REFUSE(CloseOrphan)
  SHOAL_REFUSE(Locate)
  SHOAL_REFUSE(Lock)
  SHOAL_REFUSE(Unlock)
  SHOAL_REFUSE(TestLock)
#undef SHOAL_REFUSE
};

class OutboxTest : public testing::Test {
 protected:
  ~OutboxTest() override { stop(); }

  void start(const std::string& path = "") {
    auto journal = Journal::open(path);
    ASSERT_TRUE(journal.has_value());
    outbox_ = std::make_unique<Outbox>(loop_, time_, *pool_, port_, std::move(*journal));
    outbox_->on_refused = [this](const wire::Operation& operation,
                                 const wire::OperationReply& reply) {
      refused_ += text_of(operation) + "->" +
                  (reply.error ? std::string(base::name(*reply.error)) : reply.renamed_to) + " ";
    };
    group_ = std::make_unique<TaskGroup>(loop_.get_executor());
    spawn(*group_, outbox_->run());
    test::run_ready(loop_);
  }
  /// As the daemon's end.
  void stop() {
    if (!group_) return;
    test::run_virtual_until_done(loop_, time_, group_->stop());
    group_.reset();
    outbox_.reset();
  }
  void add(const std::string& name) { add(make_directory(name), name); }
  void add(wire::Operation operation, const std::string& label) {
    const auto number = outbox_->add(std::move(operation),
                                     [this, label](const Result<wire::OperationReply>& reply) {
                                       done_ += label + "=";
                                       if (!reply) {
                                         done_ += base::name(reply.error().code());
                                       } else {
                                         done_ += reply->error ? base::name(*reply->error) : "ok";
                                       }
                                       done_ += ' ';
                                     });
    ASSERT_TRUE(number.has_value()) << number.error().message();
  }
  void advance(Duration duration) {
    time_.advance(duration);
    test::run_ready(loop_);
  }
  /// Begins a flush; *outcome is set when it has returned.
  void flush(std::string* outcome, Deadline deadline = Deadline::never()) {
    spawn(*group_, flush_task(outbox_.get(), outcome, deadline));
    test::run_ready(loop_);
  }
  static Task<void> flush_task(Outbox* outbox, std::string* outcome, Deadline deadline) {
    const Result<void> flushed = co_await outbox->flush(deadline);
    *outcome = flushed ? "ok" : std::string(base::name(flushed.error().code()));
  }

  Loop loop_;
  test::VirtualTime time_;
  std::unique_ptr<Pool> pool_ = base::make_inline_pool();
  ScriptedPort port_{loop_};
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<TaskGroup> group_;
  std::string done_;
  std::string refused_;
};

TEST_F(OutboxTest, operations_travel_together_in_order_when_the_first_is_old_enough) {
  start();
  EXPECT_TRUE(outbox_->is_empty());
  add("a");
  advance(Outbox::kBatchDelay - 50ms);
  add("b");
  advance(49ms);
  EXPECT_EQ(port_.log, "");
  EXPECT_FALSE(outbox_->is_empty());
  advance(1ms);
  EXPECT_EQ(port_.log, "1:a 2:b");
  EXPECT_EQ(done_, "a=ok b=ok ");
  EXPECT_TRUE(outbox_->is_empty());
  EXPECT_EQ(outbox_->last_added(), 2u);
  EXPECT_EQ(refused_, "");
}

TEST_F(OutboxTest, one_batch_is_on_its_way_at_a_time) {
  start();
  port_.gate.reset();
  add("a");
  advance(Outbox::kBatchDelay);
  add("b");
  add("c");
  advance(10s);
  EXPECT_EQ(port_.log, "1:a");
  port_.gate.set();
  test::run_ready(loop_);
  EXPECT_EQ(port_.log, "1:a | 2:b 3:c");
}

TEST_F(OutboxTest, a_full_batch_goes_at_once_and_is_never_too_long) {
  start();
  for (std::size_t i = 0; i < wire::kMaxOperations - 1; ++i) add("a");
  test::run_ready(loop_);
  EXPECT_EQ(port_.batches, 0u);
  for (std::size_t i = 0; i < 3; ++i) add("a");
  std::size_t longest = 0;
  port_.on_batch = [&](const auto& operations) { longest = std::max(longest, operations.size()); };
  test::run_ready(loop_);
  EXPECT_EQ(port_.batches, 1u);
  EXPECT_EQ(longest, wire::kMaxOperations);
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.batches, 2u);
  EXPECT_TRUE(outbox_->is_empty());
}

TEST_F(OutboxTest, large_operations_make_small_batches) {
  start();
  const std::size_t entries = Outbox::kBatchBytes / Digest::kBytes / 3;
  for (int i = 0; i < 4; ++i) add(publish(entries), "p");
  test::run_ready(loop_);
  EXPECT_EQ(port_.log, "1:publish 2:publish") << "three are too many, one is not full";
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "1:publish 2:publish | 3:publish 4:publish");
}

TEST_F(OutboxTest, an_operation_above_the_bound_of_a_batch_travels_alone) {
  start();
  add("a");
  add(publish(2 * Outbox::kBatchBytes / Digest::kBytes), "p");
  add("b");
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "1:a | 2:publish | 3:b");
}

TEST_F(OutboxTest, adding_wakes_the_loop_twice_a_batch_at_most) {
  start();
  for (std::size_t i = 0; i < 4 * wire::kMaxOperations + 900; ++i) add("a");
  std::size_t handlers = 0;
  while (loop_.poll_one() != 0) ++handlers;
  EXPECT_LT(handlers, 200u);
  EXPECT_EQ(port_.batches, 4u);
}

TEST_F(OutboxTest, a_flush_sends_at_once_and_waits_for_what_was_there) {
  start();
  std::string first;
  flush(&first);
  EXPECT_EQ(first, "ok") << "there is nothing";
  add("a");
  port_.gate.reset();
  std::string second;
  flush(&second);
  EXPECT_EQ(port_.log, "1:a");
  add("b");
  EXPECT_EQ(second, "");
  port_.gate.set();
  test::run_ready(loop_);
  EXPECT_EQ(second, "ok");
  EXPECT_EQ(port_.log, "1:a") << "what came later waits as ever";
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "1:a | 2:b");
}

TEST_F(OutboxTest, a_flush_during_a_batch_also_hurries_what_waits_behind_it) {
  start();
  port_.gate.reset();
  add("a");
  advance(Outbox::kBatchDelay);
  add("b");
  std::string outcome;
  flush(&outcome);
  port_.gate.set();
  test::run_ready(loop_);
  EXPECT_EQ(port_.log, "1:a | 2:b");
  EXPECT_EQ(outcome, "ok");
}

TEST_F(OutboxTest, a_flush_ends_at_its_deadline) {
  start();
  port_.gate.reset();
  add("a");
  std::string outcome;
  flush(&outcome, Deadline::after(time_, 1s));
  advance(1s);
  EXPECT_EQ(outcome, "timed_out");
  port_.gate.set();
  test::run_ready(loop_);
  EXPECT_EQ(done_, "a=ok ");
}

TEST_F(OutboxTest, what_the_tracker_could_not_take_is_tried_until_it_can) {
  start();
  port_.answers.push_back(fail(Errc::unreachable, "no tracker"));
  port_.answers.push_back(fail(Errc::timed_out, "late"));
  port_.answers.push_back(fail(Errc::no_space, "its disk is full"));
  add("a");
  advance(Outbox::kBatchDelay);
  add("b");
  EXPECT_EQ(done_, "");
  for (int i = 0; i < 10; ++i) advance(100ms);
  EXPECT_EQ(port_.log, "1:a | 1:a | 1:a | 1:a | 2:b");
  EXPECT_EQ(done_, "a=ok b=ok ");
}

TEST_F(OutboxTest, a_refused_operation_is_told_and_the_others_go_on) {
  start();
  ScriptedPort::Replies replies(4);
  replies[1].error = Errc::not_found;
  replies[2].renamed_to = "c.conflict";
  replies[3].error = Errc::conflict;
  port_.answers.push_back(std::move(replies));
  add("a");
  add("b");
  add("c");
  add(publish(), "p");
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(done_, "a=ok b=not_found c=ok p=conflict ");
  EXPECT_EQ(refused_, "2:b->not_found 3:c->c.conflict ") << "a publish is its owner's";
  EXPECT_TRUE(outbox_->is_empty());
}

TEST_F(OutboxTest, after_the_session_ended_operations_are_sent_again_detached) {
  start();
  port_.gate.reset();
  port_.answers.push_back(fail(Errc::stale, "the session ended"));
  add("a");
  add(publish(), "p");
  add("b");
  advance(Outbox::kBatchDelay);
  add("c");
  add(publish(), "q");
  port_.generation = 2;
  add("d");
  add(publish(), "r");
  port_.gate.set();
  for (int i = 0; i < 10; ++i) advance(100ms);
  EXPECT_EQ(port_.log, "1:a 2:publish 3:b | 1:a! 3:b! | 4:c! 6:d 7:publish");
  EXPECT_EQ(done_, "p=stale a=ok b=ok q=stale c=ok d=ok r=ok ");
  EXPECT_TRUE(outbox_->is_empty());
}

TEST_F(OutboxTest, an_ended_session_is_remembered_before_the_next_one_is_open) {
  start();
  port_.answers.push_back(fail(Errc::stale, "the session ended"));
  add("a");
  advance(Outbox::kBatchDelay);
  advance(100ms);
  EXPECT_EQ(port_.log, "1:a | 1:a!");
}

TEST_F(OutboxTest, a_batch_of_lost_publishes_alone_is_not_sent) {
  start();
  add(publish(), "p");
  port_.generation = 2;
  std::string outcome;
  flush(&outcome);
  EXPECT_EQ(outcome, "ok");
  EXPECT_EQ(done_, "p=stale ");
  EXPECT_EQ(port_.log, "");
}

TEST_F(OutboxTest, a_publish_may_be_made_anew_when_it_is_told_that_it_was_lost) {
  start();
  const auto again = [this](const Result<wire::OperationReply>& reply) {
    EXPECT_EQ(reply.error().code(), Errc::stale);
    add(publish(), "again");
  };
  ASSERT_TRUE(outbox_->add(publish(), again).has_value());
  port_.generation = 2;
  advance(Outbox::kBatchDelay);
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "2:publish");
  EXPECT_EQ(done_, "again=ok ");
}

TEST_F(OutboxTest, one_operation_that_spoils_its_message_is_found_and_refused) {
  start();
  port_.answers.push_back(fail(Errc::too_large, "the message"));
  port_.answers.push_back(ScriptedPort::Replies(1));
  port_.answers.push_back(fail(Errc::too_large, "the message"));
  add("a");
  add("b");
  add("c");
  advance(Outbox::kBatchDelay);
  add("d");
  add("e");
  for (int i = 0; i < 10; ++i) advance(100ms);
  EXPECT_EQ(port_.log, "1:a 2:b 3:c | 1:a | 2:b | 3:c | 4:d 5:e");
  EXPECT_EQ(done_, "a=ok b=too_large c=ok d=ok e=ok ");
  EXPECT_EQ(refused_, "2:b->too_large ");
}

TEST_F(OutboxTest, stopping_leaves_the_rest_in_the_journal_for_the_next_start) {
  const test::TempFolder folder;
  start(folder / "journal");
  port_.gate.reset();
  add("a");
  advance(Outbox::kBatchDelay);
  add("b");
  add(publish(), "p");
  std::string outcome;
  flush(&outcome);
  stop();
  EXPECT_EQ(done_, "a=canceled b=canceled p=canceled ");
  EXPECT_EQ(outcome, "canceled");

  port_.gate.set();
  port_.log.clear();
  done_.clear();
  port_.generation = 1;
  start(folder / "journal");
  EXPECT_EQ(port_.log, "1:a! 2:b!");
  add("c");
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "1:a! 2:b! | 3:c");
  stop();

  port_.log.clear();
  port_.applied = 3;
  start(folder / "journal");
  add("d");
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "4:d");
}

TEST_F(OutboxTest, a_restart_does_not_send_again_what_the_tracker_has) {
  const test::TempFolder folder;
  start(folder / "journal");
  port_.gate.reset();
  for (const char* name : {"a", "b", "c"}) add(name);
  advance(Outbox::kBatchDelay);
  stop();

  port_.gate.set();
  port_.log.clear();
  port_.applied = 2;
  start(folder / "journal");
  EXPECT_EQ(port_.log, "3:c!");
  EXPECT_TRUE(outbox_->is_empty());
}

TEST_F(OutboxTest, a_flush_waits_for_what_an_earlier_daemon_left) {
  const test::TempFolder folder;
  start(folder / "journal");
  add("a");
  stop();
  port_.gate.reset();
  start(folder / "journal");
  EXPECT_FALSE(outbox_->is_empty());
  std::string outcome;
  flush(&outcome);
  EXPECT_EQ(outcome, "");
  port_.gate.set();
  test::run_ready(loop_);
  EXPECT_EQ(outcome, "ok");
}

TEST_F(OutboxTest, numbers_begin_behind_those_that_the_tracker_knows) {
  port_.applied = 41;
  start();
  EXPECT_TRUE(outbox_->is_empty());
  add("a");
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "42:a");
}

TEST_F(OutboxTest, an_operation_that_the_journal_cannot_take_has_not_happened) {
  const test::TempFolder folder;
  start(folder / "journal");
  wire::SetXattr set;
  set.value.resize(1024 * 1024);
  const auto added = outbox_->add({.change = set});
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code(), Errc::too_large);
  EXPECT_TRUE(outbox_->is_empty());
  add("a");
  advance(Outbox::kBatchDelay);
  EXPECT_EQ(port_.log, "1:a");
}

TEST_F(OutboxTest, it_is_busy_when_too_much_waits) {
  start();
  port_.gate.reset();
  const std::size_t entries = 60'000;
  Result<std::uint64_t> added = 0;
  std::size_t count = 0;
  for (; added && count < 100; ++count) added = outbox_->add(publish(entries));
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code(), Errc::busy);
  EXPECT_LE((count - 1) * entries * Digest::kBytes, Outbox::kMaxUnsentBytes);
  port_.gate.set();
  advance(Outbox::kBatchDelay);
  EXPECT_TRUE(outbox_->is_empty());
  EXPECT_TRUE(outbox_->add(publish(entries)).has_value());
}

TEST_F(OutboxTest, nothing_is_taken_after_the_end) {
  start();
  test::run_virtual_until_done(loop_, time_, group_->stop());
  const auto added = outbox_->add(make_directory("a"));
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code(), Errc::canceled);
}

/// Many threads on the machine's clock: for the sanitizers, and for the order.
class OutboxThreadsTest : public testing::Test {
 protected:
  static Task<void> wait_for_all(base::Signal* all, Outbox* outbox, TaskGroup* group) {
    const Result<void> waited = co_await all->wait();
    EXPECT_TRUE(waited.has_value());
    const Result<void> flushed = co_await outbox->flush(Deadline::never());
    EXPECT_TRUE(flushed.has_value());
    co_await group->stop();
  }
};

TEST_F(OutboxThreadsTest, any_thread_adds_while_the_loop_sends) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kEach = 2000;
  Loop loop;
  const auto timer = base::make_system_timer();
  const auto pool = base::make_thread_pool(2);
  const test::TempFolder folder;
  ScriptedPort port(loop);
  std::uint64_t last = 0;
  port.on_batch = [&](const std::vector<wire::Operation>& operations) {
    for (const wire::Operation& operation : operations) {
      EXPECT_EQ(operation.journal, last + 1);
      last = operation.journal;
    }
  };
  auto journal = Journal::open(folder / "journal", 16 * 1024);
  ASSERT_TRUE(journal.has_value());
  Outbox outbox(loop, *timer, *pool, port, std::move(*journal));
  TaskGroup group(loop.get_executor());
  spawn(group, outbox.run());
  std::uint64_t answered = 0;
  base::Signal all(loop.get_executor());
  const auto note = [&](const auto&) {
    if (++answered == kThreads * kEach) all.set();
  };
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t n = 0; n < kEach; ++n) {
        const auto added = outbox.add(make_directory("a"), note);
        EXPECT_TRUE(added.has_value());
      }
    });
  }
  base::run_until_done(loop, wait_for_all(&all, &outbox, &group));
  threads.clear();
  EXPECT_EQ(last, kThreads * kEach);
  EXPECT_EQ(answered, kThreads * kEach);
  EXPECT_TRUE(outbox.is_empty());
}

}  // namespace
}  // namespace shoal::fs
