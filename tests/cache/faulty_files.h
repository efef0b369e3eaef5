// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/mutex.h"
#include "cache/blob_files.h"

namespace shoal::cache {

/// What goes wrong with the files of a store. Thread: any.
class Faults {
 public:
  /// Writes and allocations fail with no_space once so many bytes were written.
  void set_room(std::uint64_t bytes);
  /// The call after so many others fails with io; and all later ones when it is for ever.
  void fail_after(std::uint64_t calls, bool for_ever);
  void set_sync_fails(bool fails);
  void clear();

  /// For the files: an error, or nothing. A write that does not fit is done in part.
  Result<void> before_call();
  std::uint64_t take_room(std::uint64_t bytes);
  bool sync_fails() const;
  std::uint64_t calls() const;

 private:
  mutable base::Mutex mutex_;
  std::uint64_t room_ GUARDED_BY(mutex_) = ~std::uint64_t{0};
  std::uint64_t calls_ GUARDED_BY(mutex_) = 0;
  std::uint64_t fail_at_ GUARDED_BY(mutex_) = ~std::uint64_t{0};
  bool for_ever_ GUARDED_BY(mutex_) = false;
  bool sync_fails_ GUARDED_BY(mutex_) = false;
};

/// The files of `inner` with faults, which outlive them.
std::unique_ptr<BlobFiles> make_faulty_files(std::unique_ptr<BlobFiles> inner, Faults& faults);

}  // namespace shoal::cache
