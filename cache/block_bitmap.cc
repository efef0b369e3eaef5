// SPDX-License-Identifier: MIT
#include "cache/block_bitmap.h"

#include <algorithm>
#include <bit>

namespace shoal::cache {
namespace {

/// The bits [first, first + count) of a word. Shape: first < 64, 1 <= count <= 64 - first.
std::uint64_t mask(std::uint64_t first, std::uint64_t count) {
  const std::uint64_t ones = count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  return ones << first;
}

}  // namespace

std::uint64_t BlockBitmap::page_bits(std::uint64_t page) const {
  return std::min(kPageBits, size_ - page * kPageBits);
}

bool BlockBitmap::test(std::uint64_t index) const {
  if (index >= size_) return false;
  const Page& page = pages_[index / kPageBits];
  if (!page.words) return page.count != 0;
  const std::uint64_t bit = index % kPageBits;
  return ((*page.words)[bit / 64] >> (bit % 64) & 1) != 0;
}

void BlockBitmap::spell_out(std::uint64_t page_number) {
  Page& page = pages_[page_number];
  if (page.words) return;
  page.words = std::make_unique<Words>();
  page.words->fill(0);
  if (page.count == 0) return;
  for (std::uint64_t bit = 0; bit < page.count; bit += 64) {
    (*page.words)[bit / 64] = mask(0, std::min<std::uint64_t>(64, page.count - bit));
  }
}

std::uint64_t BlockBitmap::set_in_page(std::uint64_t page_number, std::uint64_t first,
                                       std::uint64_t count, bool value) {
  Page& page = pages_[page_number];
  const std::uint64_t bits = page_bits(page_number);
  const auto target = static_cast<std::uint32_t>(value ? bits : 0);
  if (page.count == target) return 0;
  const std::uint32_t before = page.count;
  if (count == bits) {
    page.words.reset();
    page.count = target;
  } else {
    spell_out(page_number);
    for (std::uint64_t bit = first; bit < first + count;) {
      std::uint64_t& word = (*page.words)[bit / 64];
      const std::uint64_t here = std::min(64 - bit % 64, first + count - bit);
      const std::uint64_t chosen = mask(bit % 64, here);
      const auto set_before = static_cast<std::uint32_t>(std::popcount(word & chosen));
      word = value ? word | chosen : word & ~chosen;
      page.count += static_cast<std::uint32_t>(value ? here : 0) - set_before;
      bit += here;
    }
    if (page.count == 0 || page.count == bits) page.words.reset();
  }
  return value ? page.count - before : before - page.count;
}

std::uint64_t BlockBitmap::set(std::uint64_t first, std::uint64_t count, bool value) {
  if (first >= size_) return 0;
  const std::uint64_t end = first + std::min(count, size_ - first);
  std::uint64_t changed = 0;
  while (first < end) {
    const std::uint64_t page = first / kPageBits;
    const std::uint64_t here = std::min(end, (page + 1) * kPageBits) - first;
    changed += set_in_page(page, first % kPageBits, here, value);
    first += here;
  }
  count_ = value ? count_ + changed : count_ - changed;
  return changed;
}

void BlockBitmap::resize(std::uint64_t size, bool value) {
  const std::uint64_t old_size = size_;
  if (size < old_size) set(size, old_size - size, false);
  // An unmixed last page says nothing of how long it is: it must be spelt out before that changes.
  if (!pages_.empty() && old_size % kPageBits != 0) spell_out(pages_.size() - 1);
  const std::uint64_t pages = size / kPageBits + (size % kPageBits != 0 ? 1 : 0);
  pages_.resize(pages);
  size_ = size;
  if (size % kPageBits != 0 && size < old_size) {
    Page& last = pages_.back();
    if (last.count != 0) {  // the bits behind the end were cleared above
      if (last.count == page_bits(pages - 1)) last.words.reset();
    } else {
      last.words.reset();
    }
  }
  if (size > old_size && value) set(old_size, size - old_size, true);
}

std::uint64_t BlockBitmap::find_in_page(std::uint64_t page_number, std::uint64_t from,
                                        bool value) const {
  const Page& page = pages_[page_number];
  const std::uint64_t bits = page_bits(page_number);
  if (!page.words) return (page.count != 0) == value ? from : bits;
  for (std::uint64_t bit = from; bit < bits;) {
    const std::uint64_t word = (*page.words)[bit / 64];
    const std::uint64_t wanted = (value ? word : ~word) >> (bit % 64);
    if (wanted != 0) {
      return std::min(bits, bit + static_cast<std::uint64_t>(std::countr_zero(wanted)));
    }
    bit += 64 - bit % 64;
  }
  return bits;
}

std::uint64_t BlockBitmap::find(std::uint64_t from, bool value) const {
  while (from < size_) {
    const std::uint64_t page = from / kPageBits;
    const std::uint64_t found = find_in_page(page, from % kPageBits, value);
    if (found < page_bits(page)) return page * kPageBits + found;
    from = (page + 1) * kPageBits;
  }
  return size_;
}

bool BlockBitmap::all(std::uint64_t first, std::uint64_t count, bool value) const {
  if (count == 0) return true;
  if (first >= size_ || count > size_ - first) {
    if (value) return false;
    return find(first, true) == size_;
  }
  return find(first, !value) >= first + count;
}

std::vector<BlockRun> BlockBitmap::runs(std::uint64_t first, std::uint64_t count,
                                        bool value) const {
  std::vector<BlockRun> result;
  if (first >= size_) return result;
  const std::uint64_t end = first + std::min(count, size_ - first);
  while (first < end) {
    const std::uint64_t start = find(first, value);
    if (start >= end) break;
    const std::uint64_t stop = std::min(end, find(start, !value));
    result.push_back({start, stop - start});
    first = stop;
  }
  return result;
}

}  // namespace shoal::cache
