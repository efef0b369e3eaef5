// SPDX-License-Identifier: MIT
#include "tests/fs/in_process_tracker.h"

#include <asio/post.hpp>

#include "base/check.h"

namespace shoal::test {
namespace {

constexpr std::chrono::seconds kBeat{2};

}  // namespace

struct InProcessTracker::Waiting {
  explicit Waiting(Executor executor) : done(std::move(executor)) {}
  base::Signal done;
  std::optional<Result<tracker::AnyReply>> reply;
};

InProcessTracker::InProcessTracker(Loop& loop, Timer& timer)
    : loop_(loop), timer_(timer), group_(loop.get_executor()), store_(Bytes(16), "test") {
  tracker::CoreOptions options;
  auto core = tracker::Core::start(store_, options, {timer.clock().steady(), timer.clock().wall()});
  CHECK(core.has_value());
  core_ = std::move(*core);
  spawn(group_, beat());
}

InProcessTracker::~InProcessTracker() = default;

Task<void> InProcessTracker::stop() { co_await group_.stop(); }

std::optional<tracker::InodeRow> InProcessTracker::find(const std::vector<std::string>& path) {
  auto row = store_.inode(kRootInode);
  for (const std::string& name : path) {
    if (row) row = store_.child_inode(row->inode, name);
  }
  return row;
}

void InProcessTracker::take(tracker::Input input) {
  pending_.push_back(std::move(input));
  if (is_scheduled_) return;
  is_scheduled_ = true;
  asio::post(loop_, [this] { run(); });
}

void InProcessTracker::run() {
  is_scheduled_ = false;
  const tracker::Moment now{timer_.clock().steady(), timer_.clock().wall()};
  auto outputs = core_->run(std::exchange(pending_, {}), now, true);
  for (tracker::Output& output : outputs) deliver(std::move(output));
}

void InProcessTracker::deliver(tracker::Output output) {
  if (auto* reply = std::get_if<tracker::Reply>(&output)) {
    const auto found = waiting_.find(reply->token);
    if (found == waiting_.end()) return;
    found->second->reply = std::move(reply->result);
    found->second->done.set();
    waiting_.erase(found);
  } else if (auto* push = std::get_if<tracker::Push>(&output)) {
    const auto found = sessions_.find(push->connection);
    if (found != sessions_.end()) spawn(group_, answer_event(found->second, std::move(*push)));
  }
}

Task<void> InProcessTracker::answer_event(InProcessSession* session, tracker::Push push) {
  tracker::EventAnswer answer;
  answer.session = push.session;
  if (auto* event = std::get_if<wire::Invalidate>(&push.message)) {
    answer.event = event->event;
    Result<wire::InvalidateReply> reply = wire::InvalidateReply{};
    if (session->on_invalidate) reply = co_await session->on_invalidate(std::move(*event));
    if (reply) {
      answer.answer = std::move(*reply);
    } else {
      answer.answer = reply.error();
    }
  } else if (auto* recall = std::get_if<wire::Recall>(&push.message)) {
    answer.event = recall->event;
    Result<wire::RecallReply> reply = wire::RecallReply{};
    if (session->on_recall) reply = co_await session->on_recall(*recall);
    if (reply) {
      answer.answer = *reply;
    } else {
      answer.answer = reply.error();
    }
  } else {
    co_return;
  }
  take(std::move(answer));
}

Task<Result<tracker::AnyReply>> InProcessTracker::ask(tracker::ConnectionId connection,
                                                      tracker::AnyRequest request) {
  ++requests_;
  const tracker::Token token(++last_token_);
  auto waiting = std::make_shared<Waiting>(loop_.get_executor());
  waiting_.emplace(token, waiting);
  take(tracker::Request{connection, token, std::move(request)});
  const Result<void> done = co_await waiting->done.wait();
  if (!done) {
    waiting_.erase(token);
    take(tracker::Canceled{token});
    co_return pass(done);
  }
  co_return std::move(*waiting->reply);
}

Task<void> InProcessTracker::beat() {
  for (;;) {
    for (auto& [connection, session] : sessions_) {
      if (session->is_cut_) continue;
      session->lease_end_ = (timer_.clock().steady() + wire::kLeaseTerm).time_since_epoch().count();
      take(tracker::Request{connection, tracker::Token(++last_token_), wire::Heartbeat{}});
    }
    const Result<void> waited = co_await timer_.wait_for(kBeat);
    if (!waited) co_return;
  }
}

std::unique_ptr<InProcessSession> InProcessTracker::open_session(const std::string& name) {
  std::unique_ptr<InProcessSession> session(new InProcessSession(*this));
  const PeerId id{base::sha256(as_bytes(name))};
  const tracker::Moment now{timer_.clock().steady(), timer_.clock().wall()};
  // Synchronously: nothing else is under way for this peer.
  const auto call = [&](tracker::ConnectionId connection, tracker::AnyRequest request) {
    std::vector<tracker::Input> inputs = std::exchange(pending_, {});
    const tracker::Token token(++last_token_);
    inputs.push_back(tracker::Request{connection, token, std::move(request)});
    std::optional<tracker::AnyReply> answer;
    for (tracker::Output& output : core_->run(std::move(inputs), now, false)) {
      auto* reply = std::get_if<tracker::Reply>(&output);
      if (reply != nullptr && reply->token == token) {
        CHECK(reply->result.has_value(), "{}", reply->result.error().message());
        answer = std::move(*reply->result);
      } else {
        deliver(std::move(output));
      }
    }
    CHECK(answer.has_value());
    return std::move(*answer);
  };
  const tracker::ConnectionId control(++last_connection_);
  pending_.push_back(tracker::Connected{control, PeerId{}, true});
  const auto invite = std::get<wire::InviteReply>(call(control, wire::Invite{}));
  session->connection_ = tracker::ConnectionId(++last_connection_);
  pending_.push_back(tracker::Connected{session->connection_, id, false});
  (void)call(session->connection_, wire::Join{invite.invitation.secret, name});
  wire::OpenSession open;
  open.name = name;
  open.capacity = {1'000'000'000'000, 1'000'000'000'000, 0, 0};
  const auto opened = std::get<wire::OpenSessionReply>(call(session->connection_, open));
  session->journal_applied_ = opened.journal_applied;
  session->lease_end_ = (timer_.clock().steady() + wire::kLeaseTerm).time_since_epoch().count();
  sessions_.emplace(session->connection_, session.get());
  return session;
}

InProcessSession::~InProcessSession() {
  tracker_.sessions_.erase(connection_);
  tracker_.take(tracker::Disconnected{connection_, true});
}

template <class Request>
Task<Result<typename Request::Reply>> InProcessSession::send(Request request, Deadline deadline) {
  while (is_cut_) {
    if (deadline.has_passed(tracker_.timer_.clock())) co_return fail(Errc::unreachable, "cut");
    const Result<void> waited = co_await tracker_.timer_.wait_for(std::chrono::milliseconds(10));
    if (!waited) co_return pass(waited);
  }
  auto reply = co_await base::with_deadline(tracker_.timer_, deadline,
                                            tracker_.ask(connection_, std::move(request)));
  if (!reply) co_return pass(std::move(reply));
  co_return std::get<typename Request::Reply>(std::move(*reply));
}

Task<Result<wire::LookupReply>> InProcessSession::ask(wire::Lookup request, Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::GetInodeReply>> InProcessSession::ask(wire::GetInode request, Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::ReadDirectoryReply>> InProcessSession::ask(wire::ReadDirectory request,
                                                             Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::GetXattrsReply>> InProcessSession::ask(wire::GetXattrs request,
                                                         Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::GetParentReply>> InProcessSession::ask(wire::GetParent request,
                                                         Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::AllocateInodesReply>> InProcessSession::ask(wire::AllocateInodes request,
                                                              Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::DelegateReply>> InProcessSession::ask(wire::Delegate request, Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::Empty>> InProcessSession::ask(wire::ReturnDelegation request, Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::Empty>> InProcessSession::ask(wire::CloseOrphan request, Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::LockReply>> InProcessSession::ask(wire::Lock request, Deadline deadline) {
  return send(request, deadline);
}
Task<Result<wire::Empty>> InProcessSession::ask(wire::Unlock request, Deadline deadline) {
  return send(std::move(request), deadline);
}
Task<Result<wire::TestLockReply>> InProcessSession::ask(wire::TestLock request, Deadline deadline) {
  return send(request, deadline);
}
Task<Result<wire::LocateReply>> InProcessSession::ask(wire::Locate request, Deadline deadline) {
  return send(std::move(request), deadline);
}

Task<Result<std::vector<wire::OperationReply>>> InProcessSession::mutate(
    std::vector<wire::Operation> operations, Deadline deadline) {
  wire::Mutate request;
  request.first = Sequence(sequence_ + 1);
  request.answered_below = request.first;
  sequence_ += operations.size();
  request.operations = std::move(operations);
  auto reply = co_await send(std::move(request), deadline);
  if (!reply) co_return pass(std::move(reply));
  co_return std::move(reply->replies);
}

}  // namespace shoal::test
