// SPDX-License-Identifier: MIT
// Errors as frames carry them: u16 kind, then the sentence. For wire/ only.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "wire/frame.h"

namespace shoal::wire {

/// The answer to request `number`. A long sentence is cut.
Frame error_frame(std::uint16_t type, std::uint64_t number, const Error& error);
/// The sentence made printable. nullopt: not an error as it should be.
std::optional<Error> decode_error(ByteView body);

}  // namespace shoal::wire
