// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>

namespace shoal::base {

/// An integer that does not mix with other integers. Tag is any (incomplete) type.
template <class Tag, class Rep = std::uint64_t>
class StrongId {
 public:
  using rep = Rep;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  Rep value_ = 0;
};

/// An inode's number: never changes, never used again within a swarm. 1 is the root, 0 is none.
using InodeId = StrongId<struct InodeTag>;
/// A session between a peer and the tracker, unique over the tracker's life. 0 is none.
using SessionId = StrongId<struct SessionTag>;
/// Numbers a session's operations; the tracker recognises a repeated one.
using Sequence = StrongId<struct SequenceTag>;
/// Numbers the events that the tracker sends to one session.
using EventId = StrongId<struct EventTag>;

inline constexpr InodeId kRootInode{1};

}  // namespace shoal::base

template <class Tag, class Rep>
struct std::hash<shoal::base::StrongId<Tag, Rep>> {
  std::size_t operator()(shoal::base::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};

template <class Tag, class Rep>
struct fmt::formatter<shoal::base::StrongId<Tag, Rep>> : fmt::formatter<Rep> {
  template <class Context>
  auto format(shoal::base::StrongId<Tag, Rep> id, Context& context) const {
    return fmt::formatter<Rep>::format(id.value(), context);
  }
};

namespace shoal {
using base::EventId;
using base::InodeId;
using base::kRootInode;
using base::Sequence;
using base::SessionId;
}  // namespace shoal
