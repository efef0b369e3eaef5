// SPDX-License-Identifier: MIT
#include "fs/kernel_read_ahead.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/file.h"

namespace shoal::fs {
namespace {

/// The number that a file of sysfs holds; 0 when it has none.
unsigned number_in(const std::string& path) {
  const auto file = base::open_file(path, O_RDONLY);
  if (!file) return 0;
  std::array<char, 32> text{};
  const ssize_t got = ::read(file->get(), text.data(), text.size());
  unsigned number = 0;
  if (got > 0) std::from_chars(text.data(), text.data() + got, number);
  return number;
}

}  // namespace

unsigned raise_kernel_read_ahead(const std::string& mount_point) {
  struct statx found{};
  if (statx(AT_FDCWD, mount_point.c_str(), AT_STATX_DONT_SYNC, 0, &found) != 0) return 0;
  const std::string path =
      fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", found.stx_dev_major, found.stx_dev_minor);
  const unsigned before = number_in(path);
  if (before == 0 || before >= kKernelReadAheadKib) return before;
  const auto file = base::open_file(path, O_WRONLY);
  if (!file) return before;
  const std::string text = fmt::format("{}\n", kKernelReadAheadKib);
  const ssize_t written = ::write(file->get(), text.data(), text.size());
  return written == static_cast<ssize_t>(text.size()) ? number_in(path) : before;
}

}  // namespace shoal::fs
