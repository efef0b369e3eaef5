// SPDX-License-Identifier: MIT
#include "tests/tracker/rig.h"

#include "base/check.h"

namespace shoal::tracker {

wire::ContentRef made_up_content(std::uint64_t number, std::uint64_t size) {
  wire::ContentRef ref;
  ref.id.root = base::sha256(std::as_bytes(std::span(&number, 1)));
  ref.id.size = size;
  return ref;
}

TestPeer::TestPeer(Rig& the_rig, std::string the_name, PeerId the_id)
    : rig(the_rig), name(std::move(the_name)), id(the_id) {}

Result<wire::LookupReply> TestPeer::lookup(InodeId parent, const std::string& child) {
  return call(wire::Lookup{parent, child});
}

Result<wire::InodeRecord> TestPeer::get(InodeId inode, bool for_data) {
  auto reply = call(wire::GetInode{inode, for_data});
  if (!reply) return pass(reply);
  return reply->record;
}

Token TestPeer::send_change(wire::Change change) {
  wire::Mutate request;
  request.first = Sequence(++sequence);
  request.answered_below = request.first;
  const auto time = static_cast<std::int64_t>(1000 + sequence);
  request.operations.push_back({std::move(change), time});
  return send(std::move(request));
}

Token TestPeer::send_operations(std::vector<wire::Operation> operations) {
  wire::Mutate request;
  request.first = Sequence(sequence + 1);
  request.answered_below = request.first;
  sequence += operations.size();
  request.operations = std::move(operations);
  return send(std::move(request));
}

Result<wire::OperationReply> TestPeer::operate(wire::Operation operation) {
  std::vector<wire::Operation> operations;
  operations.push_back(std::move(operation));
  auto reply = result<wire::Mutate>(send_operations(std::move(operations)));
  if (!reply) return fail(Errc::timed_out, "the tracker has not answered");
  if (!*reply) return pass(*reply);
  return (*reply)->replies.at(0);
}

wire::Operation TestPeer::journaled(wire::Change change, bool detached) {
  wire::Operation operation{std::move(change), 1000};
  operation.journal = ++journal;
  operation.detached = detached;
  return operation;
}

wire::Operation TestPeer::wanting(wire::Change change) {
  wire::Operation operation{std::move(change), 1000};
  operation.wants_directory = true;
  return operation;
}

Result<InodeId> TestPeer::mkdir_delegated(InodeId parent, const std::string& child) {
  return create(parent, child, wire::FileKind::directory, true);
}

Result<std::vector<wire::InodeRecord>> TestPeer::change_result(Token token) {
  auto reply = result<wire::Mutate>(token);
  if (!reply) return fail(Errc::timed_out, "the tracker has not answered");
  if (!*reply) return pass(*reply);
  const wire::OperationReply& operation = (*reply)->replies.at(0);
  if (operation.error) return fail(*operation.error, "{}", operation.context);
  return operation.records;
}

Result<std::vector<wire::InodeRecord>> TestPeer::change(wire::Change change) {
  return change_result(send_change(std::move(change)));
}

InodeId TestPeer::fresh_inode() {
  if (inodes_left_ == 0) {
    auto range = call(wire::AllocateInodes{});
    CHECK(range.has_value());
    next_inode_ = range->first;
    inodes_left_ = range->count;
  }
  --inodes_left_;
  return std::exchange(next_inode_, InodeId(next_inode_.value() + 1));
}

wire::Create TestPeer::creation(InodeId parent, const std::string& child, wire::FileKind kind) {
  wire::Create create;
  create.parent = parent;
  create.name = child;
  create.inode = fresh_inode();
  create.kind = kind;
  create.mode = kind == wire::FileKind::directory ? 0755 : 0644;
  if (kind == wire::FileKind::symlink) create.target = "somewhere";
  return create;
}

Result<InodeId> TestPeer::create(InodeId parent, const std::string& child, wire::FileKind kind,
                                 bool delegate) {
  wire::Create create = creation(parent, child, kind);
  create.delegate = delegate;
  const InodeId inode = create.inode;
  auto done = change(std::move(create));
  if (!done) return pass(done);
  return inode;
}

Result<std::vector<wire::InodeRecord>> TestPeer::publish(InodeId inode, std::uint64_t version,
                                                         wire::ContentRef content, bool release) {
  wire::Publish publish;
  publish.inode = inode;
  publish.version = version;
  publish.content = content;
  publish.allocated_bytes = content.id.size;
  publish.release = release;
  return change(std::move(publish));
}

std::vector<std::string> TestPeer::names(InodeId directory) {
  std::vector<std::string> found;
  wire::ReadDirectory request{directory, "", 3};  // small pages, so that paging is used
  for (;;) {
    auto page = call(request);
    CHECK(page.has_value(), "{}", page.error().message());
    for (const auto& entry : page->entries) found.push_back(entry.name);
    if (page->is_end) return found;
    request.after = found.back();
  }
}

void TestPeer::open(bool resume, std::vector<wire::Reclaim> reclaims) {
  connection = rig.connect(id);
  wire::OpenSession request;
  if (resume) request.resume = session.session;
  request.name = name;
  request.endpoints = {{"127.0.0.1", 4000}};
  request.capacity = capacity;
  request.reclaims = std::move(reclaims);
  auto reply = call(std::move(request));
  CHECK(reply.has_value(), "{}", reply.error().message());
  if (reply->session != session.session) sequence = 0;
  session = *reply;
}

void TestPeer::disconnect(bool finished) { rig.run({Disconnected{connection, finished}}); }

void TestPeer::take(Push push) {
  if (const auto* invalidate = std::get_if<wire::Invalidate>(&push.message)) {
    dropped.insert(dropped.end(), invalidate->stale.begin(), invalidate->stale.end());
  }
  const bool is_event = std::holds_alternative<wire::Invalidate>(push.message) ||
                        std::holds_alternative<wire::Recall>(push.message);
  if (is_event && answers) {
    answer(push);
  } else {
    inbox.push_back(std::move(push));
  }
}

void TestPeer::answer(const Push& push) {
  if (const auto* invalidate = std::get_if<wire::Invalidate>(&push.message)) {
    wire::InvalidateReply reply;
    for (const auto& stale : invalidate->stale) {
      const bool is_needed = stale.whole && !(on_whole && on_whole(stale.inode));
      if (is_needed || (stale.orphaned && open_files.contains(stale.inode))) {
        reply.still_open.push_back(stale.inode);
      }
    }
    rig.run({EventAnswer{push.session, invalidate->event, std::move(reply)}});
  }
  if (const auto* recall = std::get_if<wire::Recall>(&push.message)) {
    std::variant<wire::RecallReply, Error> reply = wire::RecallReply{};
    if (on_recall) {
      auto told = on_recall(*recall);
      if (!told) return;
      reply = *told;
    }
    EventAnswer answer{push.session, recall->event, wire::RecallReply{}};
    std::visit([&answer](const auto& body) { answer.answer = body; }, reply);
    rig.run({std::move(answer)});
  }
}

void TestPeer::answer_all() {
  std::deque<Push> waiting = std::exchange(inbox, {});
  for (Push& push : waiting) {
    const bool is_event = std::holds_alternative<wire::Invalidate>(push.message) ||
                          std::holds_alternative<wire::Recall>(push.message);
    if (is_event) {
      answer(push);
    } else {
      inbox.push_back(std::move(push));
    }
  }
}

std::size_t TestPeer::count_events() const {
  std::size_t count = 0;
  for (const Push& push : inbox) {
    if (std::holds_alternative<wire::Invalidate>(push.message) ||
        std::holds_alternative<wire::Recall>(push.message)) {
      ++count;
    }
  }
  return count;
}

std::vector<ContentId> TestPeer::ordered() const {
  std::vector<ContentId> found;
  for (const Push& push : inbox) {
    const auto* orders = std::get_if<wire::CopyOrders>(&push.message);
    if (orders == nullptr) continue;
    for (const auto& order : orders->orders) found.push_back(order.located.content.id);
  }
  return found;
}

std::vector<ContentId> TestPeer::released() const {
  std::vector<ContentId> found;
  for (const Push& push : inbox) {
    const auto* orders = std::get_if<wire::ReleaseOrders>(&push.message);
    if (orders == nullptr) continue;
    for (const auto& order : orders->orders) found.push_back(order.content.id);
  }
  return found;
}

Rig::Rig(std::uint32_t copies, std::unique_ptr<Store> store) : store_(std::move(store)) {
  if (store_ == nullptr) store_ = std::make_unique<MemoryStore>(Bytes(16), "test");
  options_.copies = copies;
  now_.steady = SteadyTime(std::chrono::hours(1));
  now_.wall = WallTime(std::chrono::hours(24 * 365 * 50));
  auto core = Core::start(*store_, options_, now_);
  CHECK(core.has_value());
  core_ = std::move(*core);
}

ConnectionId Rig::connect(PeerId remote, bool is_control) {
  const ConnectionId connection(++last_connection_);
  run({Connected{connection, remote, is_control}});
  return connection;
}

TestPeer& Rig::join(const std::string& name) {
  PeerId id{base::sha256(as_bytes(name))};
  auto& peer = peers_[name];
  peer = std::make_unique<TestPeer>(*this, name, id);
  auto invitation = control(wire::Invite{});
  CHECK(invitation.has_value());
  peer->connection = connect(id);
  auto joined = peer->call(wire::Join{invitation->invitation.secret, name});
  CHECK(joined.has_value(), "{}", joined.error().message());
  peer->open();
  return *peer;
}

void Rig::restart() {
  core_.reset();
  for (auto& [name, peer] : peers_) {
    peer->connection = {};
    peer->inbox.clear();
  }
  control_ = {};
  auto core = Core::start(*store_, options_, now_);
  CHECK(core.has_value());
  core_ = std::move(*core);
}

void Rig::advance(Duration time) {
  now_.steady += time;
  now_.wall += time;
}

void Rig::tick() { run({}, true); }

void Rig::run(std::vector<Input> inputs, bool tick) {
  for (Input& input : inputs) pending_.push_back(std::move(input));
  if (is_running_) return;  // called by a peer that answers: worked off below
  is_running_ = true;
  do {
    std::vector<Input> batch(std::make_move_iterator(pending_.begin()),
                             std::make_move_iterator(pending_.end()));
    pending_.clear();
    for (Output& output : core_->run(std::move(batch), now_, std::exchange(tick, false))) {
      deliver(std::move(output));
    }
  } while (!pending_.empty());
  is_running_ = false;
}

void Rig::deliver(Output output) {
  if (auto* reply = std::get_if<Reply>(&output)) {
    replies.insert_or_assign(reply->token, std::move(reply->result));
  } else if (auto* push = std::get_if<Push>(&output)) {
    for (auto& [name, peer] : peers_) {
      if (peer->connection == push->connection) {
        peer->take(std::move(*push));
        return;
      }
    }
  } else if (auto* disconnect = std::get_if<Disconnect>(&output)) {
    disconnected.insert(disconnect->connection);
  }
}

wire::Health Rig::health() {
  auto status = control(wire::Status{});
  CHECK(status.has_value());
  return status->health;
}

}  // namespace shoal::tracker
