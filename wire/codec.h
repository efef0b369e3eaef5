// SPDX-License-Identifier: MIT
// Messages to bytes and back. cereal is used behind this door only, through archives of our own:
// little endian, lengths as 32-bit counts that are checked against the bytes left before anything
// is allocated, and the whole input must be consumed.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace shoal::wire {

/// Any struct of messages.h, operations.h or records.h, or std::vector<Operation>.
/// Instantiated in codec.cc for every one of them.
template <class Message>
Bytes encode(const Message& message);

/// Errors: corrupt (truncated, too long, a count or an enumerator that lies, bytes left over).
template <class Message>
Result<Message> decode(ByteView bytes);

/// A name on the wire is one component: not empty, not "." or "..", no '/', no NUL, at most 255
/// bytes. Errors: invalid, name_too_long. Checked by whoever takes a name in.
Result<void> check_name(std::string_view name);

}  // namespace shoal::wire
