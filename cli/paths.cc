// SPDX-License-Identifier: MIT
#include "cli/paths.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "cli/mounts.h"

namespace shoal::cli {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

Result<std::string> real_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return fail(Errc::io, "{}: {}", path, error.message());
  std::string text = std::filesystem::weakly_canonical(absolute, error).string();
  if (error) text = absolute.lexically_normal().string();  // a dead mount on the way
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string user_state_folder() {
  const std::string state = environment("XDG_STATE_HOME");
  if (state.starts_with('/')) return state + "/shoal";
  const std::string home = environment("HOME");
  return home.empty() ? std::string() : home + "/.local/state/shoal";
}

std::string swarm_path(std::string_view path) {
  std::vector<std::string_view> components;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, end);
    if (component == "..") {
      if (!components.empty()) components.pop_back();
    } else if (!component.empty() && component != ".") {
      components.push_back(component);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  std::string out;
  for (const std::string_view component : components) {
    out += '/';
    out += component;
  }
  return out.empty() ? "/" : out;
}

std::string swarm_path_of(std::string_view path, std::string_view folder,
                          std::string_view mount_point) {
  const std::string absolute =
      swarm_path(path.starts_with('/') ? std::string(path) : fmt::format("{}/{}", folder, path));
  if (!mount_point.empty() && is_within(absolute, mount_point)) {
    return swarm_path(std::string_view(absolute).substr(mount_point.size()));
  }
  return swarm_path(path);
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || path.size() == 1) return path;
  return path.substr(slash + 1);
}

}  // namespace shoal::cli
