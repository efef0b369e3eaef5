// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shoal::cli {

/// The word that was probably meant: at most two typing slips away (a swap of neighbours is one),
/// or begun by it. Empty when none is near.
std::string suggest(std::string_view typed, const std::vector<std::string>& words);

}  // namespace shoal::cli
