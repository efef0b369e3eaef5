// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

constexpr std::size_t kMaxPeerNameBytes = 255;

bool is_valid_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxPeerNameBytes &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<void> check_introduction(const wire::OpenSession& request) {
  if (!is_valid_name(request.name)) return fail(Errc::invalid, "the name of the peer");
  if (request.endpoints.size() > wire::kMaxEndpoints) {
    return fail(Errc::too_large, "{} endpoints", request.endpoints.size());
  }
  for (const auto& endpoint : request.endpoints) {
    const bool has_space = endpoint.host.find(' ') != std::string::npos;
    if (endpoint.host.empty() || endpoint.host.size() > kMaxPeerNameBytes || has_space) {
      return fail(Errc::invalid, "an endpoint");
    }
  }
  return {};
}

/// All inodes so far have smaller numbers.
InodeId next_inode(State& state) { return InodeId(state.store.number(Number::next_inode)); }

Session& begin_session(State& state, Member& member) {
  const SessionId id(state.store.number(Number::next_session));
  state.store.set_number(Number::next_session, id.value() + 1);
  state.store.add_session({id, member.row.key});
  Session& session = state.sessions.add(id, member.row.key);
  if (member.lost_session) session.doubtful_below = next_inode(state);
  state.undo.add([&state, id, key = member.row.key] {
    state.watches.forget_session(id);
    state.sessions.remove(id);
    state.members.at(key).session = {};
    state.members.at(key).connection = {};
  });
  return session;
}

/// What the peer has unpublished bytes or unsent operations of: after a restart of the tracker it
/// is its own again, since nobody else can have had it since.
void take_reclaims(State& state, const Session& session,
                   const std::vector<wire::Reclaim>& reclaims) {
  if (!state.in_grace()) return;
  for (const wire::Reclaim& reclaim : reclaims) {
    const auto row = state.store.inode(reclaim.inode);
    if (!row || state.delegations.holder(reclaim.inode)) continue;
    if (row->is_directory()) {
      grant_if_alone(state, session.id, reclaim.inode);
    } else if (row->kind == wire::FileKind::regular && row->version == reclaim.version) {
      const InodeId home = only_home(state, *row);
      const SessionId owner = state.delegations.holder(home);
      if (!owner || owner == session.id) grant_file(state, reclaim.inode, home, session.id);
    }
  }
}

void send_again(State& state, const Session& session) {
  for (const auto& [id, event] : session.events) {
    Push push{session.connection, session.id, {}};
    std::visit([&push](const auto& body) { push.message = body; }, event.message);
    state.outputs.emplace_back(std::move(push));
  }
}

void introduce(State& state, Member& member, Session& session, ConnectionId connection,
               wire::OpenSession& request) {
  const ConnectionId former = state.sessions.bind(session, connection);
  if (former && former != connection) state.outputs.emplace_back(Disconnect{former});
  session.lease_end = state.now.steady + state.options.lease;
  member.session = session.id;
  member.connection = connection;
  member.row.capacity = request.capacity;
  const bool is_news = member.row.name != request.name || member.row.endpoints != request.endpoints;
  if (is_news) {
    member.row.name = std::move(request.name);
    member.row.endpoints = std::move(request.endpoints);
    state.store.put_peer(member.row);
  }
  state.members_changed = true;
}

}  // namespace

void on_join(State& state, ConnectionId connection, Token token, wire::Join request) {
  const Link& link = state.links.at(connection);
  if (link.is_control) {
    state.reply(token, fail(Errc::unsupported, "joining over the control socket"));
    return;
  }
  if (!is_valid_name(request.name)) {
    state.reply(token, fail(Errc::invalid, "the name of the peer"));
    return;
  }
  const auto expires = state.store.take_invitation(base::sha256(request.secret));
  if (!expires || *expires < state.now.wall_nanoseconds()) {
    state.reply(token, fail(Errc::unauthenticated,
                            "the invitation is spent, expired or unknown: "
                            "ask for a new one"));
    return;
  }
  if (state.members.find(link.remote) == nullptr) {
    PeerRow row;
    row.key = PeerKey(static_cast<std::uint32_t>(state.store.number(Number::next_peer)));
    state.store.set_number(Number::next_peer, row.key.value() + 1);
    row.id = link.remote;
    row.name = std::move(request.name);
    row.last_seen = state.now.wall_nanoseconds();
    state.store.put_peer(row);
    state.undo.add([&state, key = row.key] { state.members.remove(key); });
    state.members.add(std::move(row), state.now.steady);
    state.members_changed = true;
  }
  wire::JoinReply reply;
  reply.swarm = state.swarm;
  reply.swarm_name = state.swarm_name;
  state.reply(token, std::move(reply));
}

void on_open_session(State& state, ConnectionId connection, Token token,
                     wire::OpenSession request) {
  const Link& link = state.links.at(connection);
  Member* member = link.is_control ? nullptr : state.members.find(link.remote);
  if (member == nullptr) {
    state.reply(token, fail(Errc::unauthenticated, "not a member of this swarm: join first"));
    return;
  }
  auto valid = check_introduction(request);
  if (!valid) {
    state.reply(token, pass(valid));
    return;
  }
  Session* session = nullptr;
  const bool resumes = static_cast<bool>(request.resume);
  if (resumes) {
    session = state.sessions.find(request.resume);
    // One that is late for the grace time has lost what it could claim.
    const bool is_late = session != nullptr && state.missing.contains(session->id) &&
                         session->peer == member->row.key && !state.in_grace();
    if (is_late) {
      end_session(state, session->id, SessionEnd::lost);
      session = nullptr;
    }
    if (session == nullptr || session->peer != member->row.key) {
      state.reply(token, fail(Errc::stale, "session {} has ended", request.resume));
      return;
    }
  } else {
    if (member->session) end_session(state, member->session, SessionEnd::orderly);
    session = &begin_session(state, *member);
  }
  if (resumes) take_reclaims(state, *session, request.reclaims);
  if (state.missing.erase(session->id) > 0) session->doubtful_below = next_inode(state);
  introduce(state, *member, *session, connection, request);
  send_again(state, *session);

  wire::OpenSessionReply reply;
  reply.session = session->id;
  reply.resumed = resumes;
  reply.tracker_boot = state.boot;
  reply.lease_nanoseconds = static_cast<std::uint64_t>(state.options.lease.count());
  reply.last_sequence = session->last_sequence;
  reply.journal_applied = member->row.journal;
  reply.swarm = state.swarm;
  reply.swarm_name = state.swarm_name;
  reply.totals = totals(state);
  state.reply(token, std::move(reply));
}

void on_heartbeat(State& state, Session& session, Token token, const wire::Heartbeat& request) {
  // A session that leaves an Invalidate unanswered for a whole term is not kept alive: changes
  // would wait for it for ever. Its lease runs out, and its peer begins anew.
  // The same goes for the recall of a directory; a file's writer may have much to hash.
  const bool is_overdue =
      std::any_of(session.events.begin(), session.events.end(), [&state](const auto& entry) {
        const OpenEvent& event = entry.second;
        if (event.since + state.options.lease >= state.now.steady) return false;
        const auto* recall = std::get_if<wire::Recall>(&event.message);
        if (recall == nullptr) return true;
        const Delegation* delegation = state.delegations.find(recall->inode);
        return delegation != nullptr && delegation->is_directory;
      });
  if (is_overdue) {
    state.reply(token, fail(Errc::stale, "an event was not answered for a lease term"));
    return;
  }
  session.lease_end = state.now.steady + state.options.lease;
  state.members.at(session.peer).row.capacity = request.capacity;
  state.reply(token, wire::HeartbeatReply{totals(state)});
}

void on_allocate_inodes(State& state, Session& session, Token token) {
  const InodeId first = next_inode(state);
  state.store.set_number(Number::next_inode, first.value() + wire::kInodeRange);
  state.store.add_inode_range(first, wire::kInodeRange, session.peer);
  state.reply(token, wire::AllocateInodesReply{first, wire::kInodeRange});
}

void on_invite(State& state, Token token, const wire::Invite& request) {
  constexpr std::size_t kSecretBytes = 32;
  constexpr Duration kDefaultValidity = std::chrono::hours(24);
  constexpr Duration kLongestValidity = std::chrono::hours(24 * 365);
  const std::int64_t now = state.now.wall_nanoseconds();
  const auto longest = static_cast<std::uint64_t>(kLongestValidity.count());
  const std::uint64_t asked = request.valid_nanoseconds == 0
                                  ? static_cast<std::uint64_t>(kDefaultValidity.count())
                                  : std::min(request.valid_nanoseconds, longest);
  wire::InviteReply reply;
  reply.invitation.tracker = state.options.endpoint;
  reply.invitation.tracker_id = state.options.tracker_id;
  reply.invitation.secret = base::secret_bytes(kSecretBytes);
  state.store.forget_invitations(now);
  state.store.add_invitation(base::sha256(reply.invitation.secret),
                             now + static_cast<std::int64_t>(asked));
  state.reply(token, std::move(reply));
}

void on_disconnected(State& state, const Disconnected& event) {
  state.links.erase(event.connection);
  Session* session = state.sessions.on(event.connection);
  if (session == nullptr) return;
  if (event.finished) {
    end_session(state, session->id, SessionEnd::orderly);
    return;
  }
  // Its peer may live on: the lease decides.
  state.sessions.unbind(*session);
  Member& member = state.members.at(session->peer);
  if (member.session != session->id) return;
  member.connection = {};
  member.offline_since = state.now.steady;
  member.row.last_seen = state.now.wall_nanoseconds();
  state.replication.forget_peer(session->peer);
  state.members_changed = true;
}

}  // namespace shoal::tracker
