// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace shoal::test {

/// A new folder that is removed with all that is in it. Below $TMPDIR or /tmp.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  /// path() "/" name.
  std::string operator/(std::string_view name) const;

 private:
  std::string path_;
};

/// A file of the source tree: source_path("tests/golden/hash_tree.txt"). Found through
/// SHOAL_SOURCE_DIR, which ctest sets; by hand, run tests from the root of the tree.
std::string source_path(std::string_view relative);

}  // namespace shoal::test
