// SPDX-License-Identifier: MIT
#include "tracker/driver.h"

#include <pthread.h>

#include <asio/post.hpp>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace shoal::tracker {
namespace {

Moment moment(const Clock& clock) { return {clock.steady(), clock.wall()}; }

class ThreadedDriver final : public Driver {
 public:
  ThreadedDriver(Executor loop, const Clock& clock, Core& core, Deliver deliver)
      : loop_(std::move(loop)),
        clock_(clock),
        core_(core),
        deliver_(std::make_shared<Deliver>(std::move(deliver))),
        thread_([this] { work(); }) {}

  ~ThreadedDriver() override { end(); }

  void submit(Input input) override {
    const base::MutexLock lock(mutex_);
    inputs_.push_back(std::move(input));
    wake_.notify_one();
  }

  Task<void> stop() override {
    end();
    *deliver_ = [](std::vector<Output>) {};  // what is posted already comes too late
    co_return;
  }

 private:
  void end() {
    {
      const base::MutexLock lock(mutex_);
      is_stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

  /// The next batch, or what is due by time. False: no more to do.
  bool next(std::vector<Input>& batch, bool& is_tick) EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    while (inputs_.empty() && !is_stopping_ && clock_.steady() < next_tick_) {
      wake_.wait_until(mutex_, next_tick_);
    }
    if (inputs_.empty() && is_stopping_) return false;
    batch = std::exchange(inputs_, {});
    is_tick = clock_.steady() >= next_tick_;
    if (is_tick) next_tick_ = clock_.steady() + kTick;
    return true;
  }

  void work() {
    pthread_setname_np(pthread_self(), "shoal-core");
    std::vector<Input> batch;
    bool is_tick = false;
    while (next(batch, is_tick)) {
      auto outputs = core_.run(std::move(batch), moment(clock_), is_tick);
      if (outputs.empty()) continue;
      asio::post(loop_, [deliver = deliver_, outputs = std::move(outputs)]() mutable {
        (*deliver)(std::move(outputs));
      });
    }
  }

  const Executor loop_;
  const Clock& clock_;
  Core& core_;
  const std::shared_ptr<Deliver> deliver_;  ///< shared with posted calls; called on the loop only

  base::Mutex mutex_;
  base::CondVar wake_;
  std::vector<Input> inputs_ GUARDED_BY(mutex_);
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  SteadyTime next_tick_ GUARDED_BY(mutex_);

  std::thread thread_;  ///< last: it uses all of the above
};

class InlineDriver final : public Driver {
 public:
  InlineDriver(Executor loop, Timer& timer, Core& core, Deliver deliver)
      : timer_(timer), core_(core), deliver_(std::move(deliver)), work_(loop), group_(loop) {
    spawn(group_, run());
    spawn(group_, tick());
  }

  void submit(Input input) override {
    inputs_.push_back(std::move(input));
    work_.set();
  }

  Task<void> stop() override { co_await group_.stop(); }

 private:
  Task<void> run() {
    for (;;) {
      auto waited = co_await work_.wait();
      if (!waited) co_return;
      work_.reset();
      deliver_(core_.run(std::exchange(inputs_, {}), moment(timer_.clock()), false));
    }
  }

  Task<void> tick() {
    for (;;) {
      auto waited = co_await timer_.wait_for(kTick);
      if (!waited) co_return;
      deliver_(core_.run({}, moment(timer_.clock()), true));
    }
  }

  Timer& timer_;
  Core& core_;
  const Deliver deliver_;
  std::vector<Input> inputs_;
  base::Signal work_;
  TaskGroup group_;
};

}  // namespace

std::unique_ptr<Driver> make_threaded_driver(Executor loop, const Clock& clock, Core& core,
                                             Driver::Deliver deliver) {
  return std::make_unique<ThreadedDriver>(std::move(loop), clock, core, std::move(deliver));
}

std::unique_ptr<Driver> make_inline_driver(Executor loop, Timer& timer, Core& core,
                                           Driver::Deliver deliver) {
  return std::make_unique<InlineDriver>(std::move(loop), timer, core, std::move(deliver));
}

}  // namespace shoal::tracker
