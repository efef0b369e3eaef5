// SPDX-License-Identifier: MIT
// Random tasks that take, wait, give up and are canceled: nothing may be lost, stuck or left.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"
#include "base/task.h"
#include "tests/support/virtual_time.h"

namespace shoal::base {
namespace {

constexpr std::uint64_t kPermits = 5;

struct World {
  World(Loop& loop, std::uint64_t seed)
      : random(seed),
        semaphore(loop.get_executor(), kPermits),
        mutex(loop.get_executor()),
        signal(loop.get_executor()) {}

  Duration some_time() { return std::chrono::milliseconds(random.below(20)); }

  test::VirtualTime time;
  Random random;
  Semaphore semaphore;
  AsyncMutex mutex;
  Signal signal;
  std::uint64_t taken = 0;
  int inside = 0;
  int finished = 0;
};

Task<Result<void>> use_permits(World* world) {
  const std::uint64_t n = 1 + world->random.below(kPermits);
  const Result<void> acquired = co_await world->semaphore.acquire(n);
  if (!acquired) co_return pass(acquired);
  world->taken += n;
  EXPECT_LE(world->taken, kPermits);
  const Result<void> waited = co_await world->time.wait_for(world->some_time());
  world->taken -= n;
  world->semaphore.release(n);
  co_return waited;
}

Task<Result<void>> use_section(World* world) {
  const Result<AsyncMutex::Guard> guard = co_await world->mutex.lock();
  if (!guard) co_return pass(guard);
  EXPECT_EQ(++world->inside, 1);
  const Result<void> waited = co_await world->time.wait_for(world->some_time());
  --world->inside;
  co_return waited;
}

Task<Result<void>> some_wait(World* world, int depth);

Task<Result<void>> fan_out(World* world, int depth) {
  std::vector<Task<Result<void>>> tasks;
  for (std::uint64_t i = world->random.below(4); i > 0; --i) {
    tasks.push_back(some_wait(world, depth));
  }
  Result<void> done = co_await all_within(1 + world->random.below(3), std::move(tasks));
  co_return done;
}

Task<Result<void>> hurry(World* world, int depth) {
  const Deadline deadline = Deadline::after(world->time, world->some_time());
  Result<void> done = co_await with_deadline(world->time, deadline, some_wait(world, depth));
  co_return done;
}

Task<Result<void>> some_wait(World* world, int depth) {
  const std::uint64_t choice = world->random.below(depth > 0 ? 6 : 4);
  if (choice == 0) return use_permits(world);
  if (choice == 1) return use_section(world);
  if (choice == 2) return world->signal.wait();
  if (choice == 3) return world->time.wait_for(world->some_time());
  return choice == 4 ? fan_out(world, depth - 1) : hurry(world, depth - 1);
}

Task<void> wander(World* world) {
  for (int i = 0; i < 5; ++i) {
    const Result<void> done = co_await some_wait(world, 3);
    if (!done && done.error().code() == Errc::canceled) break;
  }
  ++world->finished;
}

Task<void> pulse_often(World* world) {
  for (;;) {
    const Result<void> waited = co_await world->time.wait_for(std::chrono::milliseconds(7));
    if (!waited) co_return;
    world->signal.pulse();
  }
}

void run_world(std::uint64_t seed) {
  SCOPED_TRACE(fmt::format("replay with SHOAL_SEED={}", seed));
  Loop loop;
  World world(loop, seed);
  TaskGroup pulse(loop.get_executor());
  spawn(pulse, pulse_often(&world));
  std::vector<std::unique_ptr<TaskGroup>> groups;
  for (int i = 0; i < 10; ++i) {
    groups.push_back(std::make_unique<TaskGroup>(loop.get_executor()));
    for (int j = 0; j < 5; ++j) spawn(*groups.back(), wander(&world));
  }
  for (std::size_t i = 0; i < groups.size() / 2; ++i) {  // half are canceled, half run to the end
    const SteadyTime moment = world.time.steady() + world.some_time();
    (void)test::run_virtual(loop, world.time, [&] { return world.time.steady() >= moment; });
    groups[i]->cancel();
  }
  const auto all_ended = [&] {
    return std::ranges::all_of(groups, [](const auto& group) { return group->size() == 0; });
  };
  ASSERT_TRUE(test::run_virtual(loop, world.time, all_ended, std::chrono::minutes(10))) << "stuck";
  test::run_virtual_until_done(loop, world.time, pulse.stop());
  EXPECT_EQ(world.semaphore.available(), kPermits);
  EXPECT_FALSE(world.mutex.is_locked());
  EXPECT_EQ(world.time.waiting(), 0u);
}

TEST(TaskStressTest, random_tasks_lose_nothing) {
  if (const char* const seed = getenv("SHOAL_SEED")) {
    run_world(std::strtoull(seed, nullptr, 10));
    return;
  }
  const std::uint64_t first = system_seed();
  for (std::uint64_t i = 0; i < 200 && !HasFailure(); ++i) run_world(first + i);
}

}  // namespace
}  // namespace shoal::base
