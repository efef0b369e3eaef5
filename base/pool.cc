// SPDX-License-Identifier: MIT
#include <asio/associated_executor.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <cstdlib>
#include <deque>
#include <exception>
#include <thread>

#include <pthread.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/task.h"

namespace shoal::base {
namespace {

void run_or_abort(std::move_only_function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log_error("an exception left work on the pool: {}", error.what());
    std::abort();
  } catch (...) {
    log_error("an exception of unknown type left work on the pool");
    std::abort();
  }
}

class ThreadPool final : public Pool {
 public:
  explicit ThreadPool(unsigned threads) {
    CHECK(threads >= 1);
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { serve(); });
      pthread_setname_np(threads_.back().native_handle(), fmt::format("shoal-disk-{}", i).c_str());
    }
  }

  ~ThreadPool() override {
    {
      MutexLock lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 protected:
  void post(std::move_only_function<void()> work) override {
    {
      MutexLock lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_one();
  }

 private:
  void serve() {
    for (;;) {
      std::move_only_function<void()> work = take();
      if (!work) return;
      work();
    }
  }

  /// The next piece of work; empty when the pool ends and the queue is done.
  std::move_only_function<void()> take() {
    MutexLock lock(mutex_);
    while (queue_.empty() && !is_ending_) changed_.wait(mutex_);
    if (queue_.empty()) return nullptr;
    std::move_only_function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    return work;
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::move_only_function<void()>> queue_ GUARDED_BY(mutex_);
  bool is_ending_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

class InlinePool final : public Pool {
 protected:
  void post(std::move_only_function<void()> work) override { work(); }
};

}  // namespace

Task<void> Pool::run_borrowed(std::move_only_function<void()> work) {
  auto start = [this, &work](auto handler) {
    post([&work, handler = std::move(handler)]() mutable {
      run_or_abort(work);
      // From here on the coroutine may go on and take this frame with it.
      auto executor = asio::get_associated_executor(handler);
      asio::post(executor, [handler = std::move(handler)]() mutable { std::move(handler)(); });
    });
  };
  asio::use_awaitable_t<Executor> token;
  co_await asio::async_initiate<asio::use_awaitable_t<Executor>, void()>(std::move(start), token);
}

std::unique_ptr<Pool> make_thread_pool(unsigned threads) {
  return std::make_unique<ThreadPool>(threads);
}

std::unique_ptr<Pool> make_inline_pool() { return std::make_unique<InlinePool>(); }

}  // namespace shoal::base
