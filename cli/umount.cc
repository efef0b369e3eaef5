// SPDX-License-Identifier: MIT
#include "cli/mounts.h"
#include "cli/paths.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

/// The mount that is meant: the one named, or the only one of this machine that holds the working
/// directory, or the only one there is.
Result<std::string> mount_point_of(const std::string& given) {
  std::vector<Mount> mounts;
  for (Mount& mount : current_mounts()) {
    if (mount.is_shoal()) mounts.push_back(std::move(mount));
  }
  if (!given.empty()) {
    // Without asking the mount itself, which may hang.
    std::string named = base::mount_point_path(given);
    if (mount_at(mounts, named)) return named;
    auto point = real_path(given);
    if (!point) return point;
    if (mount_at(mounts, *point)) return point;
    return fail(Errc::not_found, "no swarm is mounted at {}", *point);
  }
  if (mounts.empty()) return fail(Errc::not_found, "no swarm is mounted on this machine");
  if (mounts.size() == 1) return mounts.front().point;
  std::string list;
  for (const Mount& mount : mounts) list += "\n    " + base::printable(mount.point);
  return fail(Errc::invalid, "several swarms are mounted; say which one:{}", list);
}

Result<void> unmount_through_daemon(const std::string& dir, bool lazy, const std::string& point) {
  auto connected = connect_target({.dir = dir, .path = point, .wanted = Wanted::peer});
  if (!connected) return pass(connected);
  auto done = connected->client.unmount(lazy);
  if (done || done.error().code() != Errc::busy) return done;
  return fail(Errc::busy,
              "{} is in use: close what has files or its working directory there (`fuser -vm {}` "
              "lists it), or detach it at once with --lazy",
              point, point);
}

/// How a mount was taken away, as it is told.
Result<std::string> take_away(const UmountOptions& options, const std::string& point) {
  constexpr std::chrono::seconds kPatience{3};
  switch (base::ask_mount(point, kPatience)) {
    case base::MountAnswer::dead: {
      auto detached = detach_mount(point);
      if (!detached) return pass(detached);
      return fmt::format("{} was a dead mount and is cleared", point);
    }
    case base::MountAnswer::silent: {
      if (!options.lazy) {
        return fail(Errc::unreachable,
                    "the daemon of {} does not answer; with --lazy the mount is taken away all "
                    "the same, and what has files open there gets errors",
                    point);
      }
      const auto mount = mount_at(current_mounts(), point);
      if (mount) (void)base::abort_mount(*mount).has_value();  // detaching alone ends no wait
      auto detached = detach_mount(point);
      if (!detached) return pass(detached);
      return fmt::format("{} did not answer and is taken away", point);
    }
    case base::MountAnswer::alive:
      break;
  }
  auto done = unmount_through_daemon(options.dir, options.lazy, point);
  if (!done) return pass(done);
  return fmt::format("{} is unmounted", point);
}

}  // namespace

Result<ExitCode> run_umount(const UmountOptions& options, const Output& output) {
  std::string point;
  // A peer's folder says which mount is meant as well as the mount itself does.
  if (!options.mount_point.empty() || options.dir.empty()) {
    auto found = mount_point_of(options.mount_point);
    if (!found) return pass(found);
    point = std::move(*found);
  } else {
    auto connected = connect_target({.dir = options.dir, .path = {}, .wanted = Wanted::peer});
    if (!connected) return pass(connected);
    const auto status = connected->client.peer_status();
    if (!status) return pass(status);
    if (status->mount_point.empty()) {
      return fail(Errc::not_found, "the peer in {} has nothing mounted", connected->target.dir);
    }
    point = status->mount_point;
  }
  const auto done = take_away(options, point);
  if (!done) return pass(done);
  output.say(*done);
  return ExitCode::ok;
}

}  // namespace shoal::cli
