// SPDX-License-Identifier: MIT
// A tracker core with peers that are played by the test: no network, time stands still until it is
// turned. Peers answer events by themselves unless told not to.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tracker/core.h"
#include "tracker/memory_store.h"

namespace shoal::tracker {

class Rig;

/// A content of the given size whose root is made up; not for more than a chunk.
wire::ContentRef made_up_content(std::uint64_t number, std::uint64_t size = 100);

/// One peer with one session.
class TestPeer {
 public:
  TestPeer(Rig& rig, std::string name, PeerId id);

  // ---- a request and its answer, all events answered on the way
  template <class R>
  Result<typename R::Reply> call(R request);
  /// Only sends; result() has the answer when there is one.
  template <class R>
  Token send(R request);
  template <class R>
  std::optional<Result<typename R::Reply>> result(Token token);

  Result<wire::LookupReply> lookup(InodeId parent, const std::string& child);
  Result<wire::InodeRecord> get(InodeId inode, bool for_data = false);
  /// One operation under the next number.
  Result<std::vector<wire::InodeRecord>> change(wire::Change change);
  Token send_change(wire::Change change);
  Result<std::vector<wire::InodeRecord>> change_result(Token token);

  /// Operations under the next numbers of the session; those of a journal have theirs already.
  Token send_operations(std::vector<wire::Operation> operations);
  /// One operation, as it was answered. Errors: of the whole request.
  Result<wire::OperationReply> operate(wire::Operation operation);
  /// Under the next number of the peer's journal.
  wire::Operation journaled(wire::Change change, bool detached = false);
  /// An operation that would like its directory.
  wire::Operation wanting(wire::Change change);
  /// Makes a directory and has its delegation.
  Result<InodeId> mkdir_delegated(InodeId parent, const std::string& child);

  Result<InodeId> create(InodeId parent, const std::string& child,
                         wire::FileKind kind = wire::FileKind::regular, bool delegate = false);
  Result<InodeId> mkdir(InodeId parent, const std::string& child) {
    return create(parent, child, wire::FileKind::directory);
  }
  wire::Create creation(InodeId parent, const std::string& child,
                        wire::FileKind kind = wire::FileKind::regular);
  Result<std::vector<wire::InodeRecord>> publish(InodeId inode, std::uint64_t version,
                                                 wire::ContentRef content, bool release = false);
  std::vector<std::string> names(InodeId directory);
  InodeId fresh_inode();

  void open(bool resume = false, std::vector<wire::Reclaim> reclaims = {});
  /// The connection ends; finished: in order.
  void disconnect(bool finished);

  Rig& rig;
  std::string name;
  PeerId id;
  ConnectionId connection;
  wire::OpenSessionReply session;
  wire::Capacity capacity{1'000'000'000, 1'000'000'000, 0, 0};
  std::uint64_t sequence = 0;
  std::uint64_t journal = 0;

  /// What came from the tracker and was not answered: events while `answers` is off, orders always.
  bool answers = true;
  std::deque<Push> inbox;
  std::set<InodeId> open_files;  ///< told when asked about orphans
  /// Asked whether it needs a directory. True: it has forgotten all of it. Without: it is in use.
  std::function<bool(InodeId)> on_whole;
  std::vector<wire::Stale> dropped;  ///< by all Invalidates
  std::function<std::optional<std::variant<wire::RecallReply, Error>>(const wire::Recall&)>
      on_recall;

  /// Answers the events in the inbox.
  void answer_all();
  std::size_t count_events() const;
  std::vector<ContentId> ordered() const;   ///< CopyOrders in the inbox
  std::vector<ContentId> released() const;  ///< ReleaseOrders in the inbox

 private:
  friend class Rig;
  void take(Push push);
  void answer(const Push& push);
  InodeId next_inode_;
  std::uint64_t inodes_left_ = 0;
};

class Rig {
 public:
  explicit Rig(std::uint32_t copies = 2, std::unique_ptr<Store> store = nullptr);

  TestPeer& join(const std::string& name);
  /// The tracker dies and starts again; all connections are gone.
  void restart();
  void advance(Duration time);
  /// What is due by time.
  void tick();
  void run(std::vector<Input> inputs, bool tick = false);
  Token next_token() { return Token(++last_token_); }
  ConnectionId connect(PeerId remote, bool is_control = false);

  template <class R>
  Result<typename R::Reply> control(R request);

  Store& store() { return *store_; }
  MemoryStore& memory() { return dynamic_cast<MemoryStore&>(*store_); }
  Core& core() { return *core_; }
  wire::Health health();

  std::map<Token, Result<AnyReply>> replies;
  std::set<ConnectionId> disconnected;

 private:
  friend class TestPeer;
  void deliver(Output output);

  CoreOptions options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Core> core_;
  Moment now_;
  std::uint64_t last_token_ = 0;
  std::uint64_t last_connection_ = 0;
  ConnectionId control_;
  std::deque<Input> pending_;
  bool is_running_ = false;
  std::map<std::string, std::unique_ptr<TestPeer>> peers_;
};

template <class R>
Token TestPeer::send(R request) {
  const Token token = rig.next_token();
  rig.run({Request{connection, token, std::move(request)}});
  return token;
}

template <class R>
std::optional<Result<typename R::Reply>> TestPeer::result(Token token) {
  auto found = rig.replies.find(token);
  if (found == rig.replies.end()) return std::nullopt;
  if (!found->second) return Result<typename R::Reply>(pass(found->second));
  return Result<typename R::Reply>(std::get<typename R::Reply>(*found->second));
}

template <class R>
Result<typename R::Reply> TestPeer::call(R request) {
  const Token token = send(std::move(request));
  auto answer = result<R>(token);
  if (!answer) return fail(Errc::timed_out, "the tracker has not answered");
  return std::move(*answer);
}

template <class R>
Result<typename R::Reply> Rig::control(R request) {
  if (!control_) control_ = connect({}, true);
  const Token token = next_token();
  run({Request{control_, token, std::move(request)}});
  auto& reply = replies.at(token);
  if (!reply) return pass(reply);
  return std::get<typename R::Reply>(*reply);
}

}  // namespace shoal::tracker
