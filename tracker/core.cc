// SPDX-License-Identifier: MIT
#include "tracker/core.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

/// Requests that change nothing in the database: they can be worked off again when the transaction
/// they were part of has failed.
bool is_read(const AnyRequest& request) {
  return std::holds_alternative<wire::Heartbeat>(request) ||
         std::holds_alternative<wire::Lookup>(request) ||
         std::holds_alternative<wire::GetInode>(request) ||
         std::holds_alternative<wire::ReadDirectory>(request) ||
         std::holds_alternative<wire::GetXattrs>(request) ||
         std::holds_alternative<wire::GetParent>(request) ||
         std::holds_alternative<wire::Locate>(request) ||
         std::holds_alternative<wire::Status>(request) ||
         std::holds_alternative<wire::Resolve>(request) ||
         std::holds_alternative<Describe>(request);
}

/// Requests inside a session.
class SessionRequests {
 public:
  SessionRequests(State& state, Session& session, Token token)
      : state_(state), session_(session), token_(token) {}

  void operator()(wire::Heartbeat& r) { on_heartbeat(state_, session_, token_, r); }
  void operator()(wire::CloseSession&) {
    const SessionId id = session_.id;
    end_session(state_, id, SessionEnd::orderly);
    state_.reply(token_, wire::Empty{});
  }
  void operator()(wire::AllocateInodes&) { on_allocate_inodes(state_, session_, token_); }
  void operator()(wire::Lookup& r) { add(ReadWork{std::move(r), {}, {}}); }
  void operator()(wire::GetInode& r) { add(ReadWork{r, {}, {}}); }
  void operator()(wire::ReadDirectory& r) { add(ReadWork{std::move(r), {}, {}}); }
  void operator()(wire::GetXattrs& r) { add(ReadWork{r, {}, {}}); }
  void operator()(wire::GetParent& r) { add(ReadWork{r, {}, {}}); }
  void operator()(wire::Mutate& r) { on_mutate(state_, session_, token_, std::move(r)); }
  void operator()(wire::Delegate& r) { add(DelegateWork{r, {}}); }
  void operator()(wire::ReturnDelegation& r) { on_return_delegation(state_, session_, token_, r); }
  void operator()(wire::CloseOrphan& r) { on_close_orphan(state_, session_, token_, r); }
  void operator()(wire::Announce& r) { on_announce(state_, session_, token_, r); }
  void operator()(wire::Lock& r) { on_lock(state_, session_, token_, r); }
  void operator()(wire::Unlock& r) { on_unlock(state_, session_, token_, r); }
  void operator()(wire::TestLock& r) { on_test_lock(state_, session_, token_, r); }
  void operator()(wire::ClaimLocks& r) { on_claim_locks(state_, session_, token_, r); }
  void operator()(wire::MayDrop& r) { on_may_drop(state_, session_, token_, r); }
  void operator()(auto&) {
    state_.reply(token_, fail(Errc::unsupported, "a request that does not belong here"));
  }

 private:
  void add(std::variant<MutateWork, DelegateWork, ReadWork> task) {
    state_.works.wake(state_.works.add(token_, session_.id, std::move(task)).id);
  }

  State& state_;
  Session& session_;
  Token token_;
};

/// What members and the control socket may ask without a session's state.
bool take_look(State& state, Token token, const AnyRequest& request) {
  if (const auto* locate = std::get_if<wire::Locate>(&request)) {
    on_locate(state, token, *locate);
  } else if (std::holds_alternative<wire::Status>(request)) {
    on_status(state, token);
  } else if (const auto* resolve = std::get_if<wire::Resolve>(&request)) {
    on_resolve(state, token, *resolve);
  } else if (const auto* describe = std::get_if<Describe>(&request)) {
    on_describe(state, token, *describe);
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Core>> Core::start(Store& store, CoreOptions options, Moment now) {
  std::unique_ptr<Core> core(new Core(store, std::move(options)));
  auto loaded = core->load(now);
  if (!loaded) return pass(loaded);
  return core;
}

Result<void> Core::load(Moment now) {
  State& state = state_;
  state.now = now;
  state.store.begin();
  state.boot = state.store.number(Number::boot) + 1;
  state.store.set_number(Number::boot, state.boot);
  state.swarm = state.store.swarm();
  state.swarm_name = state.store.swarm_name();
  state.census.load(state.store);
  for (PeerRow& row : state.store.peers()) state.members.add(std::move(row), now.steady);
  for (const SessionRow& row : state.store.sessions()) {
    Session& session = state.sessions.add(row.id, row.peer);
    session.lease_end = now.steady + state.options.lease;
    session.last_sequence = state.store.last_kept(row.id);
    state.missing.insert(row.id);
    state.unclaimed.insert(row.id);
    state.members.at(row.peer).session = row.id;
  }
  state.grace_end = now.steady + state.options.lease;
  return state.store.commit();
}

std::vector<Output> Core::run(std::vector<Input> inputs, Moment now, bool tick) {
  state_.now = now;
  state_.store.begin();
  for (Input& input : inputs) {
    take(input);
    settle();
  }
  if (tick) check_leases(state_);
  if (tick) ask_by_time(state_);
  check_grace(state_);
  check_lock_grace(state_);
  settle();
  if (tick) state_.replication.tick(state_);
  return commit();
}

void Core::take(Input& input) {
  State& state = state_;
  if (auto* request = std::get_if<Request>(&input)) {
    take_request(*request);
  } else if (auto* answer = std::get_if<EventAnswer>(&input)) {
    on_event_answer(state, std::move(*answer));
  } else if (auto* connected = std::get_if<Connected>(&input)) {
    state.links[connected->connection] = Link{connected->remote, connected->is_control};
  } else if (auto* disconnected = std::get_if<Disconnected>(&input)) {
    on_disconnected(state, *disconnected);
  } else if (auto* canceled = std::get_if<Canceled>(&input)) {
    Work* work = state.works.find_by_token(canceled->token);
    if (work == nullptr) {
      cancel_lock(state, canceled->token);
      return;
    }
    if (std::holds_alternative<MutateWork>(work->task)) {
      state.works.detach(*work);  // under way, and known by its numbers
    } else {
      state.works.remove(work->id);
    }
  } else if (auto* lost = std::get_if<OrdersLost>(&input)) {
    Member* member = state.members.find(lost->peer);
    if (member == nullptr) return;
    for (const ContentId& content : lost->contents) {
      state.replication.failed(member->row.key, content, state.now.steady);
    }
  }
}

void Core::take_request(Request& request) {
  State& state = state_;
  auto link = state.links.find(request.connection);
  if (link == state.links.end()) {
    state.reply(request.token, fail(Errc::unreachable, "the connection has ended"));
    return;
  }
  if (is_read(request.body)) {
    state.reads.push_back(request);
  } else {
    batch_tokens_.push_back(request.token);
  }
  if (auto* join = std::get_if<wire::Join>(&request.body)) {
    on_join(state, request.connection, request.token, std::move(*join));
    return;
  }
  if (auto* open = std::get_if<wire::OpenSession>(&request.body)) {
    on_open_session(state, request.connection, request.token, std::move(*open));
    return;
  }
  Session* session = state.sessions.on(request.connection);
  if (link->second.is_control || session != nullptr) {
    if (take_look(state, request.token, request.body)) return;
  }
  if (link->second.is_control) {
    const auto* invite = std::get_if<wire::Invite>(&request.body);
    if (invite != nullptr) {
      on_invite(state, request.token, *invite);
    } else {
      state.reply(request.token, fail(Errc::unsupported, "not over the control socket"));
    }
    return;
  }
  if (session == nullptr) {
    const bool is_member = state.members.find(link->second.remote) != nullptr;
    state.reply(request.token, is_member ? fail(Errc::stale, "no session on this connection")
                                         : fail(Errc::unauthenticated, "not a member"));
    return;
  }
  std::visit(SessionRequests(state, *session, request.token), request.body);
}

void Core::settle() {
  State& state = state_;
  while (const auto id = state.works.next_awake()) {
    Work* work = state.works.find(*id);
    if (work == nullptr) continue;
    bool has_ended = false;
    if (auto* mutate = std::get_if<MutateWork>(&work->task)) {
      has_ended = step_mutate(state, *work, *mutate);
    } else if (auto* delegate = std::get_if<DelegateWork>(&work->task)) {
      has_ended = step_delegate(state, *work, *delegate);
    } else {
      has_ended = step_read(state, *work, std::get<ReadWork>(work->task));
    }
    if (has_ended) state.ended.push_back(state.works.remove(*id));
  }
}

std::vector<Output> Core::commit() {
  State& state = state_;
  if (state.now.steady >= state.forget_again) forget_sessions(state);
  state.census.flush(state.store);
  store_journals(state);
  auto committed = state.store.commit();
  if (!committed) return fail_batch(committed.error());
  if (state.now.steady >= state.forget_again) state.unforgotten.clear();
  if (!state.touched.empty() && std::exchange(state.is_refused, false)) {
    base::log_info("the database accepts changes again");
  }
  for (const WorkId id : state.touched) {
    Work* work = state.works.find(id);
    auto* mutate = work == nullptr ? nullptr : std::get_if<MutateWork>(&work->task);
    if (mutate != nullptr) mutate->committed = mutate->replies.size();
  }
  state.replication.release(std::exchange(state.releases, {}));
  if (std::exchange(state.members_changed, false)) {
    const wire::Members message{state.members.describe_all(state.now.wall_nanoseconds())};
    for (const auto& [id, session] : state.sessions.all()) {
      if (session->connection) {
        state.outputs.emplace_back(Push{session->connection, id, message});
      }
    }
  }
  state.undo.forget();
  state.ended.clear();
  state.touched.clear();
  state.journals.clear();
  state.reads.clear();
  batch_tokens_.clear();
  return std::exchange(state.outputs, {});
}

}  // namespace shoal::tracker
