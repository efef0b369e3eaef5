// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace shoal::base {

/// The kinds of failure that shoal tells apart. The numbers go over the wire: never renumber.
enum class Errc : std::uint16_t {
  invalid = 1,            ///< malformed input or argument
  not_found = 2,          ///< no such name, inode, block or key
  exists = 3,             ///< the name is taken
  not_directory = 4,      ///< a directory was needed
  is_directory = 5,       ///< anything but a directory was needed
  not_empty = 6,          ///< the directory has entries
  not_permitted = 7,      ///< the operation is not allowed to anyone in this place (EPERM)
  access_denied = 8,      ///< the caller lacks the right (EACCES)
  name_too_long = 9,      ///< a name over 255 bytes or a target over 4095
  too_many_links = 10,    ///< the link count is at its limit
  too_large = 11,         ///< a value or file over its limit
  no_space = 12,          ///< the disk or the store is full
  no_attribute = 13,      ///< the extended attribute does not exist
  unsupported = 14,       ///< we do not do this
  read_only = 15,         ///< the target cannot be changed
  busy = 16,              ///< a limit of requests or connections was reached; try again later
  stale = 17,             ///< the epoch, version or content named is no longer the current one
  conflict = 18,          ///< another session changed it first
  corrupt = 19,           ///< bytes do not hash, or a stored structure does not parse
  io = 20,                ///< the disk failed
  timed_out = 21,         ///< a deadline passed
  canceled = 22,          ///< the wait was interrupted
  unreachable = 23,       ///< nobody who could answer is connected
  unauthenticated = 24,   ///< the other side is not who it should be, or we are not known there
  version_mismatch = 25,  ///< the other side speaks another protocol version
  out_of_range = 26,      ///< an offset or length that lies outside (ERANGE, ENXIO)
  internal = 27,          ///< a bug on the other side of a connection
};

inline constexpr std::uint16_t kErrcMax = 27;

/// The enumerator's name, as written above; "unknown" for numbers outside the list.
std::string_view name(Errc code);

/// True for kinds that may succeed when tried again unchanged: busy, timed_out, unreachable.
bool is_retryable(Errc code);

/// A kind and a sentence for people. Cheap to move, grows its sentence on the way up.
class [[nodiscard]] Error {
 public:
  Error(Errc code, std::string context) : code_(code), context_(std::move(context)) {}

  Errc code() const { return code_; }
  const std::string& context() const { return context_; }

  /// Puts an outer sentence in front: "reading inode 7: short read".
  Error with(std::string_view outer) const&;
  Error with(std::string_view outer) &&;

  /// "context (name)", for logs and for people.
  std::string message() const;

 private:
  Errc code_;
  std::string context_;
};

}  // namespace shoal::base

namespace shoal {
using base::Errc;
using base::Error;
}  // namespace shoal
