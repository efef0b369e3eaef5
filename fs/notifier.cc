// SPDX-License-Identifier: MIT
#include "fs/notifier.h"

#include <pthread.h>

#include <asio/post.hpp>
#include <cerrno>

#include "base/check.h"

namespace shoal::fs {

Notifier::~Notifier() { CHECK(threads_.empty(), "the notifier was not joined"); }

namespace {

/// Threads for each kind: as many calls may be stuck before later ones have to wait.
constexpr std::array<unsigned, 3> kThreads{3, 1, 12};

}  // namespace

void Notifier::start(KernelCaches& kernel) {
  kernel_ = &kernel;
  {
    const std::lock_guard lock(mutex_);
    is_armed_ = true;
  }
  for (std::size_t kind = 0; kind < lanes_.size(); ++kind) {
    for (unsigned i = 0; i < kThreads[kind]; ++i) {
      threads_.emplace_back([this, kind] {
        pthread_setname_np(pthread_self(), "shoal-notify");
        work(lanes_[kind]);
      });
    }
  }
}

void Notifier::disarm() {
  std::deque<Item> dropped;
  {
    const std::lock_guard lock(mutex_);
    is_armed_ = false;
    for (Lane& lane : lanes_) {
      for (Item& item : lane.queue) dropped.push_back(std::move(item));
      lane.queue.clear();
    }
  }
  for (Lane& lane : lanes_) lane.wake.notify_all();
  for (Item& item : dropped) settle(std::move(item.pending), ENOTCONN);
}

void Notifier::join() { threads_.clear(); }

std::shared_ptr<Notifier::Pending> Notifier::submit(Job job) {
  auto pending = std::make_shared<Pending>(executor_);
  Lane& lane = lanes_[static_cast<std::size_t>(job.kind)];
  bool is_taken = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_armed_) {
      lane.queue.push_back({std::move(job), pending});
      is_taken = true;
    }
  }
  if (is_taken) {
    lane.wake.notify_one();
  } else {
    settle(pending, ENOTCONN);
  }
  return pending;
}

Task<bool> Notifier::finished(std::shared_ptr<Pending> pending, Deadline deadline) {
  const Result<void> waited = co_await base::with_deadline(timer_, deadline, pending->done_.wait());
  co_return waited.has_value() || pending->is_done();
}

Task<bool> Notifier::finished_unless_stuck(std::shared_ptr<Pending> pending, Duration patience) {
  for (;;) {
    const bool had_begun = pending->has_begun();
    const bool done = co_await finished(pending, Deadline::after(timer_.clock(), patience));
    if (done || had_begun) co_return done;
    const bool is_canceled = co_await base::cancel_requested();
    if (is_canceled) co_return false;
  }
}

bool Notifier::can_drop_all_names() const {
  return kernel_ != nullptr && kernel_->can_drop_all_names();
}

bool Notifier::may_wait_for_names() const {
  return kernel_ != nullptr && (kernel_->is_guarded() || !kernel_->can_drop_all_names());
}

bool Notifier::drop_all_names() {
  {
    const std::lock_guard lock(mutex_);
    if (!is_armed_) return true;
  }
  return kernel_->drop_all_names();
}

void Notifier::work(Lane& lane) {
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      lane.wake.wait(lock, [&] { return !lane.queue.empty() || !is_armed_; });
      if (lane.queue.empty()) return;
      item = std::move(lane.queue.front());
      lane.queue.pop_front();
    }
    item.pending->has_begun_ = true;
    const int result = carry_out(item.job);
    settle(std::move(item.pending), result);
  }
}

int Notifier::carry_out(const Job& job) {
  switch (job.kind) {
    case Job::Kind::name:
      return kernel_->drop_name(job.inode, job.name);
    case Job::Kind::attributes:
      return kernel_->drop_attributes(job.inode);
    case Job::Kind::pages:
      return kernel_->drop_pages(job.inode, job.range);
  }
  return 0;
}

void Notifier::settle(std::shared_ptr<Pending> pending, int result) {
  asio::post(executor_, [pending = std::move(pending), result] {
    pending->result_ = result;
    pending->done_.set();
  });
}

}  // namespace shoal::fs
