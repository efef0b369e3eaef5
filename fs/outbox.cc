// SPDX-License-Identifier: MIT
//   add() --> journal, waiting_ --(full, flush, 200 ms)--> batch_ --mutate--> answered
//                                                             |   ^
//                                                             +---+ no answer: the same again;
//                                                                   session ended: detached
#include "fs/outbox.h"

#include <algorithm>
#include <asio/post.hpp>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "wire/limits.h"

namespace shoal::fs {
namespace {

constexpr std::chrono::milliseconds kRetryPause{100};
/// What an operation costs beside its names and values, roughly.
constexpr std::uint64_t kBaseBytes = 192;

std::uint64_t bytes_of(const wire::Operation& operation) {
  std::uint64_t bytes = kBaseBytes;
  if (const auto* create = std::get_if<wire::Create>(&operation.change)) {
    bytes += create->target.size();
  } else if (const auto* set = std::get_if<wire::SetXattr>(&operation.change)) {
    bytes += set->value.size();
  } else if (const auto* publish = std::get_if<wire::Publish>(&operation.change)) {
    bytes += publish->layer.size() * Digest::kBytes;
  }
  return bytes;
}

/// Whether the tracker refuses the message itself, so that the same one never gets through.
bool is_hopeless(Errc code) {
  switch (code) {
    case Errc::stale:
    case Errc::canceled:
    case Errc::unreachable:
    case Errc::timed_out:
    case Errc::busy:
    case Errc::no_space:
    case Errc::io:
    case Errc::internal:
      return false;
    default:
      return true;
  }
}

Error tracker_full() { return Error(Errc::no_space, "the tracker's disk is full"); }

base::Gauge& unsent_gauge() {
  static base::Gauge& gauge = base::gauge("shoal_journal_unsent");
  return gauge;
}

}  // namespace

bool Outbox::Entry::is_publish() const {
  return std::holds_alternative<wire::Publish>(operation.change);
}

Outbox::Outbox(Loop& loop, Timer& timer, Pool& pool, TrackerPort& port,
               std::unique_ptr<Journal> journal)
    : loop_(loop),
      timer_(timer),
      pool_(pool),
      port_(port),
      journal_(std::move(journal)),
      wake_(std::make_shared<base::Signal>(loop.get_executor())),
      progress_(loop.get_executor()) {
  recover();
}

Outbox::~Outbox() { unsent_gauge().add(-static_cast<std::int64_t>(unsent_.load())); }

void Outbox::recover() {
  const base::MutexLock writing(write_mutex_);
  const base::MutexLock lock(mutex_);
  const std::uint64_t applied = port_.journal_applied();
  std::vector<Journal::Entry> recovered = journal_->take_recovered();
  last_ = answered_ = std::max(applied, journal_->last_number());
  for (Journal::Entry& left : recovered) {
    if (left.number <= applied) continue;
    if (waiting_.empty()) answered_ = left.number - 1;
    Entry entry;
    entry.operation = std::move(left.operation);
    entry.operation.journal = left.number;
    entry.bytes = bytes_of(entry.operation);
    entry.added = SteadyTime::min();
    waiting_bytes_ += entry.bytes;
    waiting_.push_back(std::move(entry));
  }
  unsent_ = waiting_.size();
  unsent_bytes_ = waiting_bytes_;
  unsent_gauge().add(static_cast<std::int64_t>(waiting_.size()));
  if (!waiting_.empty()) {
    base::log_info("operations of an earlier run are sent to the tracker count={}",
                   waiting_.size());
  }
}

Result<std::uint64_t> Outbox::add(wire::Operation operation, Done done) {
  static base::Counter& operations = base::counter("shoal_journal_operations_total");
  Entry entry;
  entry.bytes = bytes_of(operation);
  entry.operation = std::move(operation);
  entry.done = std::move(done);
  const base::MutexLock writing(write_mutex_);
  {
    const base::MutexLock lock(mutex_);
    if (is_stopped_) return fail(Errc::canceled, "the mount is ending");
  }
  if (is_tracker_full_) return std::unexpected(tracker_full());
  if (unsent_ >= kMaxUnsent || unsent_bytes_ + entry.bytes > kMaxUnsentBytes) {
    return fail(Errc::busy, "{} operations wait for the tracker", unsent_.load());
  }
  const std::uint64_t number = last_ + 1;
  entry.operation.journal = number;
  entry.generation = port_.session_generation();
  entry.added = timer_.clock().steady();
  if (!entry.is_publish()) {
    Result<void> kept = journal_->append(number, entry.operation);
    if (!kept) return pass(std::move(kept));
  }
  ++unsent_;
  unsent_bytes_ += entry.bytes;
  bool is_waking = false;
  {
    const base::MutexLock lock(mutex_);
    waiting_bytes_ += entry.bytes;
    waiting_.push_back(std::move(entry));
    is_waking = awaited_ == Awaited::first || (awaited_ == Awaited::full && is_full());
    if (is_waking) awaited_ = Awaited::nothing;
  }
  last_ = number;
  operations.add();
  unsent_gauge().add(1);
  if (is_waking) asio::post(loop_, [wake = wake_] { wake->set(); });
  return number;
}

Task<Result<void>> Outbox::flush(Deadline deadline) {
  const std::uint64_t target = last_;
  if (answered_ >= target) co_return ok();
  flush_through_ = std::max(flush_through_, target);
  wake_->set();
  Result<void> answered = co_await base::with_deadline(timer_, deadline, wait_answered(target));
  co_return answered;
}

Task<Result<void>> Outbox::wait_answered(std::uint64_t number) {
  while (answered_ < number) {
    if (is_tracker_full_) co_return std::unexpected(tracker_full());
    {
      const base::MutexLock lock(mutex_);
      if (is_stopped_) co_return fail(Errc::canceled, "the mount is ending");
    }
    Result<void> waited = co_await progress_.wait();
    if (!waited) co_return waited;
  }
  co_return ok();
}

Task<void> Outbox::run() {
  for (;;) {
    const bool is_due = co_await wait_until_due();
    if (!is_due) break;
    take_batch();
    Result<void> sent;
    while (!batch_.empty()) {
      sent = co_await send_batch();
      if (!sent) break;
    }
    if (!sent) break;
    co_await shorten_journal(batch_last_);
  }
  give_up();
}

bool Outbox::is_full() const {
  return waiting_.size() >= wire::kMaxOperations || waiting_bytes_ >= kBatchBytes;
}

/// When the next batch goes; never when nothing is there. Notes what may change that.
Deadline Outbox::next_due() {
  const base::MutexLock lock(mutex_);
  awaited_ = Awaited::first;
  if (waiting_.empty()) return Deadline::never();
  awaited_ = Awaited::full;
  const Entry& first = waiting_.front();
  if (is_full() || first.operation.journal <= flush_through_) return Deadline{SteadyTime::min()};
  return Deadline{first.added + kBatchDelay};
}

Task<bool> Outbox::wait_until_due() {
  for (;;) {
    const Deadline due = next_due();
    if (due.has_passed(timer_.clock())) break;
    Task<Result<void>> waking = wake_->wait();
    if (due.at != Deadline::never().at) {
      waking = base::with_deadline(timer_, due, std::move(waking));
    }
    const Result<void> woken = co_await std::move(waking);
    wake_->reset();
    if (!woken && woken.error().code() == Errc::canceled) co_return false;
  }
  const bool is_canceled = co_await base::cancel_requested();
  co_return !is_canceled;
}

void Outbox::take_batch() {
  const base::MutexLock lock(mutex_);
  awaited_ = Awaited::nothing;
  std::uint64_t bytes = 0;
  while (!waiting_.empty() && batch_.size() < wire::kMaxOperations) {
    Entry& next = waiting_.front();
    if (!batch_.empty() && bytes + next.bytes > kBatchBytes) break;
    if (!batch_.empty() && batch_.front().operation.journal <= isolate_through_) break;
    bytes += next.bytes;
    batch_last_ = next.operation.journal;
    batch_.push_back(std::move(next));
    waiting_.pop_front();
  }
  waiting_bytes_ -= bytes;
}

/// Marks what was made in a session that has ended, and takes the Publishes among it out.
void Outbox::drop_lost() {
  const std::uint64_t generation = port_.session_generation();
  std::deque<Entry> batch = std::exchange(batch_, {});
  for (Entry& entry : batch) {
    entry.operation.detached = entry.generation != generation;
    if (entry.operation.detached && entry.is_publish()) {
      settle(std::move(entry), fail(Errc::stale, "the session with the tracker ended"));
    } else {
      batch_.push_back(std::move(entry));
    }
  }
}

/// Sends the batch once. When it is not empty afterwards, it is to be sent again. Errors: canceled.
Task<Result<void>> Outbox::send_batch() {
  static base::Counter& batches = base::counter("shoal_journal_batches_total");
  drop_lost();
  if (batch_.empty()) {
    finish_batch();
    co_return ok();
  }
  std::vector<wire::Operation> operations;
  operations.reserve(batch_.size());
  for (const Entry& entry : batch_) operations.push_back(entry.operation);
  batches.add();
  // Without a deadline: the client sends it until there is an answer or the session has ended.
  // Sent anew, what it had done would be answered without saying what came of it.
  auto replies = co_await port_.mutate(std::move(operations), Deadline::never());
  if (replies && replies->size() != batch_.size()) {
    replies = fail(Errc::internal, "the tracker answered {} of {} operations", replies->size(),
                   batch_.size());
  }
  is_tracker_full_ = !replies && replies.error().code() == Errc::no_space;
  if (replies) {
    settle_batch(std::move(*replies));
    co_return ok();
  }
  if (is_tracker_full_) progress_.pulse();  // who waits for an answer hears why there is none
  Result<void> taken = take_failure(replies.error());
  if (!taken || batch_.empty()) co_return taken;
  Result<void> waited = co_await timer_.wait_for(kRetryPause);
  co_return waited;
}

Result<void> Outbox::take_failure(const Error& error) {
  if (error.code() == Errc::canceled) return std::unexpected(error);
  if (error.code() == Errc::stale) {
    base::log_info("the session ended: operations are sent again in the next one count={}",
                   batch_.size());
    for (Entry& entry : batch_) entry.generation = 0;
    return {};
  }
  base::log_warning("the tracker did not take operations count={} reason=\"{}\"", batch_.size(),
                    error.message());
  if (!is_hopeless(error.code())) return {};
  if (batch_.size() == 1) {
    wire::OperationReply refused;
    refused.error = error.code();
    refused.context = error.context();
    Entry entry = std::move(batch_.front());
    batch_.clear();
    settle(std::move(entry), refused);
    finish_batch();
    return {};
  }
  // One of them spoils the message: each has to go by itself.
  isolate_through_ = batch_last_;
  const base::MutexLock lock(mutex_);
  while (batch_.size() > 1) {
    waiting_bytes_ += batch_.back().bytes;
    waiting_.push_front(std::move(batch_.back()));
    batch_.pop_back();
  }
  flush_through_ = std::max(flush_through_, isolate_through_);
  batch_last_ = batch_.front().operation.journal;
  return {};
}

void Outbox::settle_batch(std::vector<wire::OperationReply> replies) {
  for (wire::OperationReply& reply : replies) {
    Entry entry = std::move(batch_.front());
    batch_.pop_front();
    settle(std::move(entry), std::move(reply));
  }
  finish_batch();
}

Task<void> Outbox::shorten_journal(std::uint64_t number) {
  const Result<void> cut = co_await pool_.run([this, number]() -> Result<void> {
    const base::MutexLock writing(write_mutex_);
    return journal_->applied(number);
  });
  if (!cut) base::log_warning("the journal stays long: {}", cut.error().message());
}

void Outbox::settle(Entry entry, const Result<wire::OperationReply>& reply) {
  --unsent_;
  unsent_bytes_ -= entry.bytes;
  unsent_gauge().add(-1);
  const bool is_news = reply && (reply->error || !reply->renamed_to.empty());
  if (is_news && on_refused && !entry.is_publish()) on_refused(entry.operation, *reply);
  if (entry.done) entry.done(reply);
}

void Outbox::finish_batch() {
  answered_ = batch_last_;
  progress_.pulse();
}

void Outbox::give_up() {
  std::deque<Entry> left = std::exchange(batch_, {});
  {
    const base::MutexLock lock(mutex_);
    is_stopped_ = true;
    std::ranges::move(waiting_, std::back_inserter(left));
    waiting_.clear();
    waiting_bytes_ = 0;
  }
  if (!left.empty()) {
    base::log_info("operations stay in the journal until the next start count={}", left.size());
  }
  for (Entry& entry : left) {
    if (entry.done) entry.done(fail(Errc::canceled, "the mount is ending"));
  }
  progress_.pulse();
}

}  // namespace shoal::fs
