// SPDX-License-Identifier: MIT
#include "tracker/find.h"

#include <fnmatch.h>

#include <optional>
#include <unordered_map>

#include "wire/limits.h"

namespace shoal::tracker {
namespace {

/// Paths of directories, each built once.
class DirectoryPaths {
 public:
  explicit DirectoryPaths(Store& store) : store_(store) { known_[kRootInode] = ""; }

  /// Without a slash at the end; nullopt for a directory that is not linked any more.
  std::optional<std::string> path(InodeId directory) {
    const auto known = known_.find(directory);
    if (known != known_.end()) return known->second;
    const std::vector<LinkRow> links = store_.links(directory, 1);
    if (links.empty()) return std::nullopt;
    auto parent = path(links.front().parent);
    if (!parent) return std::nullopt;
    return known_[directory] = *parent + "/" + links.front().name;
  }

 private:
  Store& store_;
  std::unordered_map<InodeId, std::string> known_;
};

bool matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

}  // namespace

FoundPaths find_paths(Store& store, const std::string& pattern, std::uint32_t limit) {
  const bool is_whole_path = pattern.find('/') != std::string::npos;
  const bool is_plain = pattern.find_first_of("*?[") == std::string::npos;
  FoundPaths found;
  DirectoryPaths directories(store);
  std::size_t bytes = 0;
  store.scan_entries([&](InodeId parent, std::string_view name, InodeId) {
    if (!is_whole_path) {
      const bool is_match = is_plain ? name.find(pattern) != std::string_view::npos
                                     : matches(pattern, std::string(name));
      if (!is_match) return true;
    }
    const auto directory = directories.path(parent);
    if (!directory) return true;
    std::string path = *directory + "/" + std::string(name);
    if (is_whole_path) {
      const bool is_match =
          is_plain ? path.find(pattern) != std::string::npos : matches(pattern, path);
      if (!is_match) return true;
    }
    bytes += path.size();
    if (found.paths.size() >= limit || bytes > wire::kMaxBodyBytes) {
      found.is_truncated = true;
      return false;
    }
    found.paths.push_back(std::move(path));
    return true;
  });
  return found;
}

}  // namespace shoal::tracker
