// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace shoal::base {

/// The release this was built as, such as "0.1.0".
std::string_view version();
/// The git commit it was built from, with "-dirty" after it when files had been changed;
/// "unknown" outside of a git checkout.
std::string_view commit();
/// Both in one line, as --version prints it.
std::string_view version_line();

}  // namespace shoal::base
