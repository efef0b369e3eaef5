// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "cache/blob.h"

namespace shoal::cache {

/// One bit per block of a file. Runs of equal bits take no memory, so that a sparse file of
/// terabytes costs what its present parts cost. Pure. Thread: its owner's.
class BlockBitmap {
 public:
  BlockBitmap() = default;
  explicit BlockBitmap(std::uint64_t size, bool value = false) { resize(size, value); }

  std::uint64_t size() const { return size_; }
  /// How many bits are set.
  std::uint64_t count() const { return count_; }
  bool is_full() const { return count_ == size_; }
  /// False beyond the end.
  bool test(std::uint64_t index) const;
  /// Bits from first on take value; what lies beyond the end is left out. The number that changed.
  std::uint64_t set(std::uint64_t first, std::uint64_t count, bool value);
  /// New bits at the end have value.
  void resize(std::uint64_t size, bool value);
  /// The first bit at or behind `from` that has value; size() when there is none.
  std::uint64_t find(std::uint64_t from, bool value) const;
  /// Whether all bits of the run have value; bits beyond the end are false.
  bool all(std::uint64_t first, std::uint64_t count, bool value) const;
  /// The longest runs of value within [first, first + count), cut at the end.
  std::vector<BlockRun> runs(std::uint64_t first, std::uint64_t count, bool value) const;

 private:
  static constexpr std::uint64_t kPageBits = 4096;  // 64 MiB of file, 512 bytes when mixed
  using Words = std::array<std::uint64_t, kPageBits / 64>;
  struct Page {
    std::unique_ptr<Words> words;  // null: all bits are alike
    std::uint32_t count = 0;       // set bits
  };

  std::uint64_t page_bits(std::uint64_t page) const;
  std::uint64_t set_in_page(std::uint64_t page, std::uint64_t first, std::uint64_t count,
                            bool value);
  void spell_out(std::uint64_t page);
  std::uint64_t find_in_page(std::uint64_t page, std::uint64_t from, bool value) const;

  std::uint64_t size_ = 0;
  std::uint64_t count_ = 0;
  std::vector<Page> pages_;
};

}  // namespace shoal::cache
