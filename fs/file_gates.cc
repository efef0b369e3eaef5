// SPDX-License-Identifier: MIT
#include "fs/file_gates.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/log.h"

// Newer than the oldest headers that we build with: fanotify(7), <linux/fanotify.h>.
#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif
#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x00000400
#endif

namespace shoal::fs {
namespace {

constexpr unsigned kIgnore = FAN_MARK_IGNORE | FAN_MARK_IGNORED_SURV_MODIFY;
constexpr unsigned kErrnoShift = 24;

Result<void> mark(const base::Fd& group, const base::Fd& file, unsigned how) {
  if (fanotify_mark(group.get(), how, FAN_PRE_ACCESS, file.get(), nullptr) == 0) return {};
  return base::fail_errno(errno, "fanotify_mark");
}

}  // namespace

Result<FileGates::Key> FileGates::key_of(const base::Fd& file) {
  struct stat found{};
  if (fstat(file.get(), &found) != 0) return base::fail_errno(errno, "fstat");
  return Key{found.st_dev, found.st_ino};
}

FileGates::Knock::~Knock() {
  if (file_) refuse(EIO);
}

void FileGates::Knock::allow() { answer(FAN_ALLOW); }

void FileGates::Knock::refuse(int number) {
  answer(FAN_DENY | static_cast<std::uint32_t>(number) << kErrnoShift);
}

void FileGates::Knock::answer(std::uint32_t response) {
  if (!file_) return;
  const fanotify_response out{file_.get(), response};
  const ssize_t written = ::write(gates_->group_.get(), &out, sizeof out);
  // ENOENT: whoever waited was killed.
  if (written < 0 && errno != ENOENT) {
    base::log_warning("an answer at a file's gate was not taken errno={}", errno);
  }
  file_ = base::Fd();
}

Result<std::unique_ptr<FileGates>> FileGates::open() {
  constexpr unsigned kKind = FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK |
                             FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS;
  base::Fd group(fanotify_init(kKind, O_RDONLY | O_CLOEXEC | O_LARGEFILE | O_NOATIME));
  if (!group) return base::fail_errno(errno, "fanotify_init");
  base::Fd wake(eventfd(0, EFD_CLOEXEC));
  if (!wake) return base::fail_errno(errno, "eventfd");
  return std::unique_ptr<FileGates>(new FileGates(std::move(group), std::move(wake)));
}

FileGates::~FileGates() { stop(); }

void FileGates::start(OnKnock on_knock) {
  on_knock_ = std::move(on_knock);
  thread_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "shoal-gates");
    listen();
  });
}

void FileGates::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  (void)written;
  thread_.join();
}

void FileGates::listen() {
  for (;;) {
    std::array<pollfd, 2> ready{pollfd{group_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
    if (poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return;
    if (ready[1].revents != 0) return;
    if (ready[0].revents != 0) take_events();
  }
}

void FileGates::take_events() {
  alignas(fanotify_event_metadata) std::array<std::byte, 4096> buffer;
  const ssize_t got = ::read(group_.get(), buffer.data(), buffer.size());
  if (got <= 0) return;
  auto left = static_cast<std::size_t>(got);
  const auto* event = reinterpret_cast<const fanotify_event_metadata*>(buffer.data());
  for (; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
    if (event->fd < 0) continue;
    Knock knock(*this, base::Fd(event->fd));
    const auto key = key_of(knock.file());
    // We ourselves must never wait for us.
    if (event->pid == getpid() || !key) {
      knock.allow();
    } else {
      on_knock_(*key, std::move(knock));
    }
  }
}

Result<void> FileGates::add(const base::Fd& file) { return mark(group_, file, FAN_MARK_ADD); }

Result<void> FileGates::close(const base::Fd& file) {
  return mark(group_, file, FAN_MARK_REMOVE | FAN_MARK_IGNORE);
}

Result<void> FileGates::reopen(const base::Fd& file) {
  return mark(group_, file, FAN_MARK_ADD | kIgnore);
}

void FileGates::remove(const base::Fd& file) {
  for (const int how : {FAN_MARK_REMOVE, FAN_MARK_REMOVE | FAN_MARK_IGNORE}) {
    const Result<void> removed = mark(group_, file, static_cast<unsigned>(how));
    (void)removed;  // of a file that went, or was not marked in full
  }
}

}  // namespace shoal::fs
