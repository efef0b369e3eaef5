// SPDX-License-Identifier: MIT
#include "tests/support/temp_folder.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <system_error>

#include "base/check.h"

namespace shoal::test {

TempFolder::TempFolder() {
  const char* const parent = getenv("TMPDIR");
  path_ = fmt::format("{}/shoal-test-XXXXXX", parent != nullptr ? parent : "/tmp");
  CHECK(mkdtemp(path_.data()) != nullptr, "cannot make a folder like {}", path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;  // a folder left behind fails no test
  std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::operator/(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

std::string source_path(std::string_view relative) {
  const char* const root = getenv("SHOAL_SOURCE_DIR");
  return fmt::format("{}/{}", root != nullptr ? root : ".", relative);
}

}  // namespace shoal::test
