// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/task.h"
#include "peerd/settings.h"
#include "wire/messages.h"
#include "wire/transport.h"

namespace shoal::peerd {

/// Spends the invitation: the tracker then knows network.self() as a member. The swarm's id and
/// name. Errors: unauthenticated (spent, expired, unknown, another tracker), unreachable,
/// timed_out.
Task<Result<wire::JoinReply>> spend_invitation(base::Executor executor, wire::Network& network,
                                               Timer& timer, wire::Invitation invitation,
                                               std::string name, Deadline deadline);

struct JoinOptions {
  std::string dir;
  std::string name;  ///< empty: the machine's
  wire::Endpoint listen{"127.0.0.1", 0};
};

/// `peerd join`: makes folder and identity, spends the invitation, writes peerd.toml. A folder that
/// has joined already is refused (exists). Blocks.
Result<Settings> join_swarm(const wire::Invitation& invitation, const JoinOptions& options);

}  // namespace shoal::peerd
