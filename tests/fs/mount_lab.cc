// SPDX-License-Identifier: MIT
#include "tests/fs/mount_lab.h"

#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "base/check.h"
#include "fs/mount_with.h"

namespace shoal::test {

bool MountLab::can_mount(std::string* why) {
  if (access("/dev/fuse", R_OK | W_OK) != 0) {
    *why = "no /dev/fuse that this user may open";
    return false;
  }
  return true;
}

MountLab::MountLab(unsigned peers, std::string folder)
    : timer_(base::make_system_timer()), pool_(base::make_thread_pool(2)) {
  std::vector<cache::BlobStore*> stores;
  for (unsigned i = 0; i < peers; ++i) {
    auto peer = std::make_unique<Peer>();
    peer->folder = folder + "/peer" + std::to_string(i + 1);
    std::filesystem::create_directories(peer->folder + "/mnt");
    cache::DiskStoreOptions options;
    options.path = peer->folder + "/store";
    options.swarm = Bytes(16);
    auto store = cache::open_disk_store(options);
    CHECK(store.has_value(), "{}", store.error().message());
    peer->store = std::move(*store);
    stores.push_back(peer->store.get());
    peers_.push_back(std::move(peer));
  }
  thread_ = std::jthread([this] {
    const auto guard = asio::make_work_guard(loop_);
    loop_.run();
  });
  on_loop([this] { tracker_ = std::make_unique<InProcessTracker>(loop_, *timer_); });
  for (unsigned i = 0; i < peers; ++i) {
    peers_[i]->source = std::make_unique<StoreSource>(*pool_, *timer_, stores);
    run_task(start_peer(peers_[i].get(), "peer" + std::to_string(i + 1)));
  }
}

MountLab::~MountLab() {
  run_task(stop_all());
  loop_.stop();
  thread_.join();
  for (const auto& peer : peers_) {
    peer->mount.reset();
    (void)peer->store->close();
  }
  tracker_.reset();
}

void MountLab::on_loop(std::function<void()> work) {
  std::promise<void> done;
  asio::post(loop_, [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

namespace {

Task<void> then_tell(Task<void> task, std::promise<void>* done) {
  co_await std::move(task);
  done->set_value();
}

}  // namespace

void MountLab::run_task(Task<void> task) {
  std::promise<void> done;
  TaskGroup group(loop_.get_executor());
  asio::post(loop_, [&] { spawn(group, then_tell(std::move(task), &done)); });
  done.get_future().wait();
  on_loop([] {});
  on_loop([] {});
}

Task<void> MountLab::start_peer(Peer* peer, std::string name) {
  std::unique_ptr<InProcessSession> session = tracker_->open_session(name);
  peer->session = session.get();
  fs::MountOptions options;
  options.mount_point = peer->folder + "/mnt";
  options.source_name = "shoal:test";
  options.read_budget = std::chrono::seconds(3);
  // For fs_lab: what this process itself does in the mounts passes every gate.
  const char* const passthrough = std::getenv("SHOAL_TEST_PASSTHROUGH");
  if (passthrough != nullptr) {
    options.passthrough = std::string_view(passthrough) == "on" ? fs::PassthroughOption::on
                                                                : fs::PassthroughOption::automatic;
  }
  const fs::Parts parts{loop_, *timer_, *pool_, *peer->store, *peer->source};
  auto mount = co_await fs::mount_with(parts, std::move(session), std::move(options));
  CHECK(mount.has_value(), "{}", mount.error().message());
  peer->mount = std::move(*mount);
  fs::FileSystem* const files = peer->mount.get();
  peer->session->on_invalidate = [files](wire::Invalidate event) {
    return files->invalidate(std::move(event));
  };
  peer->session->on_recall = [files](wire::Recall event) {
    return files->recall(std::move(event));
  };
}

Task<void> MountLab::stop_all() {
  for (const auto& peer : peers_) {
    peer->session->set_cut(false);
    const Result<void> ended = co_await peer->mount->unmount(true);
    CHECK(ended.has_value(), "{}", ended.error().message());
  }
  co_await tracker_->stop();
}

}  // namespace shoal::test
