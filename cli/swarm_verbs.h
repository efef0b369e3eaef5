// SPDX-License-Identifier: MIT
// The verbs that look around in a swarm. An error that leaves one is printed by main; its kind
// gives the exit status.
#pragma once

#include <map>
#include <string>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/target.h"

namespace shoal::cli {

struct InviteOptions {
  std::string dir;
  std::string valid = "24h";
};
Result<ExitCode> run_invite(const InviteOptions& options, const Output& output);

struct StatusOptions {
  std::string dir;
};
Result<ExitCode> run_status(const StatusOptions& options, const Output& output);
Result<ExitCode> run_peers(const StatusOptions& options, const Output& output);

struct FindOptions {
  std::string dir;
  std::string pattern;
  std::uint32_t limit = 1000;
};
Result<ExitCode> run_find(const FindOptions& options, const Output& output);

struct ConflictsOptions {
  std::string dir;
  std::uint32_t limit = 10000;
};
Result<ExitCode> run_conflicts(const ConflictsOptions& options, const Output& output);

struct InfoOptions {
  std::string dir;
  std::string path;
};
Result<ExitCode> run_info(const InfoOptions& options, const Output& output);

struct GetOptions {
  std::string dir;
  std::string path;
  std::string destination;  ///< empty: the working directory; "-": stdout
  std::string progress = "auto";
  bool force = false;  ///< replace an existing destination
};
Result<ExitCode> run_get(const GetOptions& options, const Output& output);

struct UmountOptions {
  std::string dir;
  std::string mount_point;
  bool lazy = false;
};
Result<ExitCode> run_umount(const UmountOptions& options, const Output& output);

// ---- what several of them need ---------------------------------------------------------------

/// A connection and the path that the user means, in the swarm.
struct ResolvedPath {
  Connected connected;
  std::string path;
};
/// path may lie inside a mount or start at the swarm's root.
Result<ResolvedPath> connect_for_path(const std::string& dir, const std::string& path,
                                      Wanted wanted);

/// Names of members by identity.
using MemberNames = std::map<PeerId, std::string>;
MemberNames names_of(const std::vector<wire::Member>& members);
/// The member's name, or the start of its identity.
std::string name_of(const MemberNames& names, const PeerId& peer);

/// How many of the chunks a holder has. Shape: 0 <= result <= chunks.
std::uint64_t chunks_held(const wire::Holder& holder, std::uint64_t chunks);

/// "healthy", "under copies", "unavailable" or "lost", for one content. wanted counts complete
/// holders that are online.
std::string_view health_word(const wire::Located& located, std::uint32_t wanted);

Json json_of(const wire::Holder& holder, const MemberNames& names, const wire::ContentRef& content);
/// "regular", "directory", ...
std::string_view kind_word(wire::FileKind kind);
/// A file's size for people; of anything else its kind.
std::string size_text(const wire::Attributes& attributes);

}  // namespace shoal::cli
