// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace shoal::base {

/// Numbers with values, kept as ranges. Shape: ranges are inclusive, do not overlap, and neighbours
/// with equal values are one. Pure.
template <class Value>
class RangeMap {
 public:
  static constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();
  struct Piece {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    Value value{};
    bool operator==(const Piece&) const = default;
  };

  bool empty() const { return pieces_.empty(); }
  std::size_t size() const { return pieces_.size(); }

  /// Shape: first <= last, here and below.
  void assign(std::uint64_t first, std::uint64_t last, Value value) {
    erase(first, last);
    auto next = pieces_.upper_bound(first);
    if (next != pieces_.end() && last != kEnd && next->first == last + 1 &&
        next->second.value == value) {
      last = next->second.last;
      next = pieces_.erase(next);
    }
    if (next != pieces_.begin()) {
      auto before = std::prev(next);
      if (before->second.last + 1 == first && before->second.value == value) {
        before->second.last = last;
        return;
      }
    }
    pieces_.emplace_hint(next, first, End{last, std::move(value)});
  }

  void erase(std::uint64_t first, std::uint64_t last) {
    auto piece = begin_of(first);
    while (piece != pieces_.end() && piece->first <= last) {
      const std::uint64_t start = piece->first;
      const End old = piece->second;
      piece = pieces_.erase(piece);
      if (start < first) pieces_.emplace_hint(piece, start, End{first - 1, old.value});
      if (old.last > last) pieces_.emplace_hint(piece, last + 1, End{old.last, old.value});
    }
  }

  /// The pieces that touch the range, cut to it, in order, until visit returns false.
  template <class Visit>
  void visit(std::uint64_t first, std::uint64_t last, Visit visit) const {
    for (auto piece = begin_of(first); piece != pieces_.end() && piece->first <= last; ++piece) {
      const Piece cut{std::max(piece->first, first), std::min(piece->second.last, last),
                      piece->second.value};
      if (!visit(cut)) return;
    }
  }
  std::vector<Piece> pieces(std::uint64_t first = 0, std::uint64_t last = kEnd) const {
    std::vector<Piece> all;
    visit(first, last, [&all](const Piece& piece) {
      all.push_back(piece);
      return true;
    });
    return all;
  }

 private:
  struct End {
    std::uint64_t last = 0;
    Value value{};
  };
  using Pieces = std::map<std::uint64_t, End>;

  /// The first piece that ends at `first` or later. For both kinds of constness.
  template <class Self>
  static auto begin_in(Self& pieces, std::uint64_t first) {
    auto piece = pieces.upper_bound(first);
    if (piece != pieces.begin() && std::prev(piece)->second.last >= first) --piece;
    return piece;
  }
  auto begin_of(std::uint64_t first) { return begin_in(pieces_, first); }
  auto begin_of(std::uint64_t first) const { return begin_in(pieces_, first); }

  Pieces pieces_;
};

}  // namespace shoal::base
