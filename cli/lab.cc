// SPDX-License-Identifier: MIT
#include "cli/lab.h"

#include <fcntl.h>
#include <sys/file.h>

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/json.h"
#include "cli/paths.h"

namespace shoal::cli {
namespace {

constexpr std::uint64_t kMaxLabFile = 64 * 1024;

std::string lab_file(const std::string& dir) { return dir + "/lab.json"; }

std::string last_lab_file() {
  const std::string state = user_state_folder();
  return state.empty() ? std::string() : state + "/last-lab";
}

}  // namespace

LabDaemon Lab::tracker() const {
  return {.name = "tracker", .program = "trackerd", .dir = dir + "/tracker", .mount = ""};
}

LabDaemon Lab::peer(int number) const {
  const std::string name = fmt::format("peer{}", number);
  const std::string folder = dir + "/" + name;
  return {.name = name,
          .program = "peerd",
          .dir = folder,
          .mount = folder + "/mnt",
          .mount_options = mount_options};
}

std::vector<LabDaemon> Lab::peers() const {
  std::vector<LabDaemon> list;
  for (int number = 1; number <= peer_count; ++number) list.push_back(peer(number));
  return list;
}

Result<LabDaemon> Lab::daemon(std::string_view name) const {
  if (name == "tracker") return tracker();
  std::string_view digits = name;
  if (digits.starts_with("peer")) digits.remove_prefix(4);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  if (is_number && number >= 1 && number <= peer_count) return peer(number);
  return fail(Errc::invalid, "there is no \"{}\" in the lab: say tracker, or a peer from 1 to {}",
              name, peer_count);
}

bool is_lab(const std::string& dir) {
  std::error_code error;
  return std::filesystem::exists(lab_file(dir), error);
}

Result<Lab> load_lab(const std::string& dir) {
  const auto text = base::read_whole(lab_file(dir), kMaxLabFile);
  if (!text && text.error().code() == Errc::not_found) {
    return fail(Errc::not_found,
                "there is no lab in {}: make one with `shoal lab start --peers 3 --dir {}`", dir,
                dir);
  }
  if (!text) return pass(text);
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto integer = [&](const char* key) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    return found != json.end() && found->is_number_integer() ? found->get<int>() : 0;
  };
  const auto text_at = [&](const char* key) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Lab lab{.dir = dir,
          .peer_count = integer("peers"),
          .copies = integer("copies"),
          .mount_options = text_at("mount_options")};
  if (integer("schema") != 1 || lab.peer_count < 1 || lab.peer_count > kMaxLabPeers ||
      lab.copies < 1) {
    return fail(Errc::corrupt, "{} is damaged: stop the lab's daemons by hand and remove {}",
                lab_file(dir), dir);
  }
  return lab;
}

Result<void> save_lab(const Lab& lab) {
  Json json = json_document();
  json["peers"] = lab.peer_count;
  json["copies"] = lab.copies;
  if (!lab.mount_options.empty()) json["mount_options"] = lab.mount_options;
  return base::write_whole(lab_file(lab.dir), json_text(json) + "\n", 0644);
}

Result<std::string> lab_dir_of(const std::string& given) {
  if (!given.empty()) return real_path(given);
  const std::string named = environment("SHOAL_LAB");
  if (!named.empty()) return real_path(named);
  const auto last = base::read_whole(last_lab_file(), 4096);
  if (last && !last->empty() && is_lab(*last)) return *last;
  return fail(Errc::not_found, "which lab? Say --dir DIR, or set SHOAL_LAB");
}

void remember_lab(const std::string& dir) {
  const std::string file = last_lab_file();
  if (file.empty() || !base::make_folders(user_state_folder())) return;
  // Only a convenience: without it --dir has to be given.
  (void)base::write_whole(file, dir).has_value();
}

Result<base::Fd> lock_lab(const std::string& dir) {
  auto fd = base::open_file(dir + "/lab.lock", O_RDWR | O_CREAT, 0600);
  if (!fd) return pass(fd);
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::busy, "another `shoal lab` is at work in {}: wait until it is done", dir);
  }
  return fd;
}

}  // namespace shoal::cli
