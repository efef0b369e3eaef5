// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace shoal::base {

/// A SHA-256 value (FIPS 180-4), 32 bytes. Default is all zero, BEP 52's padding leaf.
struct Digest {
  static constexpr std::size_t kBytes = 32;
  std::array<std::byte, kBytes> bytes{};

  auto operator<=>(const Digest&) const = default;
  bool is_zero() const { return *this == Digest{}; }
  ByteView view() const { return bytes; }
  std::string hex() const { return to_hex(bytes); }

  /// Errors: invalid unless view has exactly 32 bytes.
  static Result<Digest> from(ByteView view);
};

/// A leaf is no longer than this (BEP 52).
inline constexpr std::size_t kLeafBytesMax = 16 * 1024;

/// One-shot SHA-256, always by OpenSSL. Thread: any.
Digest sha256(ByteView data);
/// SHA-256 of left followed by right: an inner node of the hash tree.
Digest sha256_pair(const Digest& left, const Digest& right);

/// Hashes many independent leaves at once, so that an implementation may use vector lanes.
/// Thread: one hasher per thread, they keep contexts. Source: FIPS 180-4.
class LeafHasher {
 public:
  virtual ~LeafHasher() = default;

  /// Shape: leaves and digests have the same length; each leaf any length up to 16 KiB.
  virtual void hash(std::span<const ByteView> leaves, std::span<Digest> digests) = 0;

  /// "openssl", "ipsec-mb avx512 + openssl", ...: for status and logs.
  virtual const char* name() const = 0;
};

/// The fastest hasher of this machine (see hash_choice.h). The first call of a process measures for
/// some milliseconds; the variable SHOAL_HASHER, "openssl" or "ipsec-mb", overrides. Never null.
std::unique_ptr<LeafHasher> make_leaf_hasher();
/// The calling thread's own hasher, made at first use.
LeafHasher& thread_leaf_hasher();

}  // namespace shoal::base

template <>
struct std::hash<shoal::base::Digest> {
  std::size_t operator()(const shoal::base::Digest& digest) const noexcept {
    std::size_t value;  // the bytes are uniform already
    std::memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};

namespace shoal {
using base::Digest;
}  // namespace shoal
