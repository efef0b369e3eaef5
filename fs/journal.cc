// SPDX-License-Identifier: MIT
#include "fs/journal.h"

#include <fcntl.h>

#include <cstdio>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "fs/journal_format.h"

namespace shoal::fs {
namespace {

namespace format = journal_format;

/// Far above what the outbox takes: a larger file is not ours.
constexpr std::uint64_t kMaxFileBytes = 1024ULL * 1024 * 1024;
constexpr std::size_t kCopyBytes = 256 * 1024;

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return base::fail_errno(errno, fmt::format("renaming {}", base::printable(from)));
}

/// Copies what lies between two offsets.
Result<void> copy_range(const base::Fd& from, std::uint64_t begin, std::uint64_t end,
                        const base::Fd& to, std::uint64_t target) {
  Bytes buffer(kCopyBytes);
  while (begin < end) {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kCopyBytes, end - begin));
    const auto got = base::read_at(from, begin, MutableByteView(buffer).first(wanted));
    if (!got) return pass(got);
    if (*got == 0) return fail(Errc::io, "the journal is shorter than it was");
    Result<void> written = base::write_at(to, target, ByteView(buffer).first(*got));
    if (!written) return written;
    begin += *got;
    target += *got;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path,
                                               std::uint64_t rewrite_bytes) {
  std::unique_ptr<Journal> journal(new Journal(path, rewrite_bytes));
  if (path.empty()) return journal;
  Result<void> recovered = journal->recover();
  if (!recovered) {
    return std::unexpected(
        recovered.error().with(fmt::format("the journal {}", base::printable(path))));
  }
  return journal;
}

Result<void> Journal::recover() {
  auto opened = base::open_file(path_, O_RDWR | O_CREAT, 0600);
  if (!opened) return pass(std::move(opened));
  file_ = std::move(*opened);
  const auto text = base::read_whole(path_, kMaxFileBytes);
  if (!text) return pass(text);
  const ByteView bytes = as_bytes(*text);
  format::Content content = format::read(bytes);
  const ByteView sound = bytes.first(content.sound_bytes);
  size_ = content.sound_bytes;
  switch (content.damage) {
    case format::Damage::none:
      break;
    case format::Damage::torn: {
      if (size_ != 0) {
        base::log_warning("the last operation in the journal is incomplete and left out bytes={}",
                          bytes.size() - sound.size());
      }
      is_ragged_ = true;
      Result<void> cut = cut_to(size_);
      if (!cut) return cut;
      break;
    }
    case format::Damage::corrupt: {
      Result<void> aside = set_aside(sound);
      if (!aside) return aside;
      break;
    }
    case format::Damage::other_version:
      return fail(Errc::version_mismatch,
                  "it was left by another version of shoal: start that one once more, so that its "
                  "operations reach the tracker");
  }
  if (size_ == 0) {
    const Bytes header = format::header();
    Result<void> written = base::write_at(file_, 0, header);
    if (!written) return written;
    size_ = header.size();
  }
  for (format::Item& item : content.items) {
    places_.push_back({item.number, item.begin});
    last_number_ = item.number;
    recovered_.push_back({item.number, std::move(item.operation)});
  }
  return {};
}

Result<void> Journal::set_aside(ByteView sound) {
  const std::string aside =
      fmt::format("{}.corrupt-{}", path_,
                  base::SystemClock().wall().time_since_epoch() / std::chrono::milliseconds(1));
  Result<void> renamed = rename_file(path_, aside);
  if (!renamed) return renamed;
  base::log_error(
      "the journal is damaged: operations behind byte {} are lost, the file is kept as {}",
      sound.size(), base::printable(aside));
  auto made = base::open_file(path_, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (!made) return pass(std::move(made));
  file_ = std::move(*made);
  if (sound.empty()) return {};
  return base::write_at(file_, 0, sound);
}

Result<void> Journal::cut_to(std::uint64_t size) {
  Result<void> cut = base::truncate_file(file_, size);
  is_ragged_ = !cut.has_value();
  if (cut) size_ = size;
  return cut;
}

Result<void> Journal::append(std::uint64_t number, const wire::Operation& operation) {
  CHECK(number > last_number_, "journal number {} after {}", number, last_number_);
  if (file_) {
    if (is_ragged_) {
      Result<void> cut = cut_to(size_);
      if (!cut) return cut;
    }
    const Bytes record = format::record(number, operation);
    if (record.size() > format::kMaxRecordBytes) {
      return fail(Errc::too_large, "an operation of {} bytes", record.size());
    }
    Result<void> written = base::write_at(file_, size_, record);
    if (!written) {
      is_ragged_ = true;
      const Result<void> cut = cut_to(size_);
      if (!cut) base::log_warning("the journal keeps a ragged end: {}", cut.error().message());
      return written;
    }
    places_.push_back({number, size_});
    size_ += record.size();
  }
  last_number_ = number;
  return {};
}

Result<void> Journal::applied(std::uint64_t number) {
  while (!places_.empty() && places_.front().number <= number) places_.pop_front();
  if (!file_) return {};
  if (places_.empty()) {
    if (size_ == format::kHeaderBytes && !is_ragged_) return {};
    return cut_to(format::kHeaderBytes);
  }
  // Twice: so that what is copied was paid for by as much that goes.
  if (size_ < rewrite_bytes_ || places_.front().begin < size_ / 2) return {};
  return rewrite();
}

Result<void> Journal::rewrite() {
  const std::string fresh = path_ + ".new";
  auto made = base::open_file(fresh, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (!made) return pass(std::move(made));
  const Bytes header = format::header();
  const std::uint64_t begin = places_.front().begin;
  Result<void> written = base::write_at(*made, 0, header);
  if (written) written = copy_range(file_, begin, size_, *made, header.size());
  if (written) written = rename_file(fresh, path_);
  if (!written) {
    const Result<void> removed = base::remove_file(fresh);
    if (!removed) base::log_debug("{}", removed.error().message());
    return written;
  }
  file_ = std::move(*made);
  is_ragged_ = false;
  size_ = size_ - begin + header.size();
  for (Place& place : places_) place.begin -= begin - header.size();
  return {};
}

}  // namespace shoal::fs
