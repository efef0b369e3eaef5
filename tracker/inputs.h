// SPDX-License-Identifier: MIT
// What goes into the tracker's core and what comes out of it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "wire/locks.h"
#include "wire/messages.h"

namespace shoal::tracker {

/// One accepted connection, numbered by the service. 0 is none.
using ConnectionId = base::StrongId<struct ConnectionTag>;
/// One request that waits for its reply, numbered by the service. 0 is nobody.
using Token = base::StrongId<struct TokenTag>;

/// The service's own question, for Find: what is known of each path. The reply leaves out those
/// that are gone.
struct Describe {
  std::vector<std::string> paths;
};

using AnyRequest =
    std::variant<wire::Join, wire::OpenSession, wire::Heartbeat, wire::CloseSession,
                 wire::AllocateInodes, wire::Lookup, wire::GetInode, wire::ReadDirectory,
                 wire::GetXattrs, wire::GetParent, wire::Mutate, wire::Delegate,
                 wire::ReturnDelegation, wire::CloseOrphan, wire::Locate, wire::Announce,
                 wire::MayDrop, wire::Status, wire::Resolve, wire::Invite, Describe, wire::Lock,
                 wire::Unlock, wire::TestLock, wire::ClaimLocks>;
using AnyReply =
    std::variant<wire::Empty, wire::JoinReply, wire::OpenSessionReply, wire::HeartbeatReply,
                 wire::AllocateInodesReply, wire::LookupReply, wire::GetInodeReply,
                 wire::ReadDirectoryReply, wire::GetXattrsReply, wire::GetParentReply,
                 wire::MutateReply, wire::DelegateReply, wire::LocateReply, wire::AnnounceReply,
                 wire::MayDropReply, wire::StatusReply, wire::ResolveReply, wire::InviteReply,
                 wire::FindReply, wire::LockReply, wire::TestLockReply>;

// ---- in

struct Connected {
  ConnectionId connection;
  PeerId remote;            ///< nobody on the control socket
  bool is_control = false;  ///< the tracker's own control socket: may look and invite
};

struct Disconnected {
  ConnectionId connection;
  bool finished = false;  ///< in order: the process on the other side is gone
};

struct Request {
  ConnectionId connection;
  Token token;
  AnyRequest body;
};

/// Nobody waits for the reply any more. What a Mutate began goes on.
struct Canceled {
  Token token;
};

/// The answer to an Invalidate or Recall; an Error when the peer could not do it.
struct EventAnswer {
  SessionId session;
  EventId event;
  std::variant<wire::InvalidateReply, wire::RecallReply, Error> answer;
};

/// CopyOrders that could not be handed over.
struct OrdersLost {
  PeerId peer;
  std::vector<ContentId> contents;
};

using Input = std::variant<Connected, Disconnected, Request, Canceled, EventAnswer, OrdersLost>;

/// The time at which a batch of inputs is worked off.
struct Moment {
  SteadyTime steady;
  WallTime wall;

  std::int64_t wall_nanoseconds() const { return wall.time_since_epoch().count(); }
};

// ---- out

struct Reply {
  Token token;
  Result<AnyReply> result;
  bool is_firm = false;  ///< true whatever becomes of the batch's transaction
};

/// A request to a peer. Invalidate and Recall want an EventAnswer.
struct Push {
  ConnectionId connection;
  SessionId session;
  std::variant<wire::Invalidate, wire::Recall, wire::CopyOrders, wire::ReleaseOrders, wire::Members>
      message;
};

/// The service resets this connection.
struct Disconnect {
  ConnectionId connection;
};

using Output = std::variant<Reply, Push, Disconnect>;

}  // namespace shoal::tracker
