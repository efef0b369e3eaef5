// SPDX-License-Identifier: MIT
// Random operations of three peers on the core and on a plain model of POSIX names, compared after
// each; and every peer keeps what it was told it may keep, which must never be out of date. With
// delegations, peers also change directories of their own by themselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "base/random.h"
#include "tests/tracker/names_model.h"
#include "tests/tracker/rig.h"
#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

using wire::FileKind;

/// What a peer has been told and may keep.
struct Kept {
  std::map<std::pair<InodeId, std::string>, std::optional<InodeId>> names;
  std::map<InodeId, wire::InodeRecord> records;
  std::map<InodeId, InodeId> homes;  ///< the directory that a record was last seen in

  void take(const wire::InodeRecord& record) {
    forget(record.inode);
    if (record.cacheable) records[record.inode] = record;
  }
  void take_name(InodeId directory, const std::string& name, InodeId inode) {
    names[{directory, name}] = inode ? std::optional(inode) : std::nullopt;
    if (records.contains(inode)) homes[inode] = directory;
  }
  void forget(InodeId inode) {
    records.erase(inode);
    homes.erase(inode);
  }
  /// All of a directory: its names, itself, and files that were seen in it, or nobody knows where.
  void leave(InodeId directory) {
    std::erase_if(names, [directory](const auto& name) { return name.first.first == directory; });
    std::erase_if(records, [&](const auto& item) {
      if (item.second.attributes.kind == FileKind::directory) return item.first == directory;
      const auto home = homes.find(item.first);
      return home == homes.end() || home->second == directory;
    });
  }
  void drop(std::vector<wire::Stale>& stale) {
    for (const auto& item : stale) {
      if (!item.name.empty()) {
        names.erase({item.inode, item.name});
      } else if (item.attributes) {
        forget(item.inode);
      }
    }
    stale.clear();
  }
};

/// One of the peers, with a journal of its own for directories that are delegated to it.
struct Player {
  TestPeer* peer = nullptr;
  Kept kept;
  std::set<InodeId> held;
  std::vector<wire::Operation> unsent;
  std::vector<Token> sent;
};

class ModelRun {
 public:
  ModelRun(std::uint64_t seed, bool delegates, std::unique_ptr<Store> store)
      : random_(seed), delegates_(delegates), rig_(2, std::move(store)) {
    players_.resize(3);
    for (std::size_t i = 0; i < players_.size(); ++i) {
      Player& player = players_[i];
      player.peer = &rig_.join(std::string(1, static_cast<char>('a' + i)));
      player.peer->on_recall = [this, &player](const wire::Recall& recall) {
        return on_recall(player, recall);
      };
      player.peer->on_whole = [this, &player](InodeId directory) {
        // What it was told before has to be dropped first, as by any peer that answers in order.
        player.kept.drop(player.peer->dropped);
        const bool leaves = player.unsent.empty() && random_.chance(0.7);
        if (leaves) player.kept.leave(directory);
        left_ += leaves ? 1 : 0;
        return leaves;
      };
    }
    known_.push_back(kRootInode);
  }

  void step() {
    Player& player = players_[random_.below(players_.size())];
    if (delegates_ && random_.chance(0.01)) {
      restart();
    } else if (delegates_ && random_.chance(0.02)) {
      begin_anew(player);
    } else if (random_.chance(0.4)) {
      look(player);
    } else {
      change(player);
    }
    if (random_.chance(0.05)) flush(player);
    if (random_.chance(0.1)) pass_time();
    for (Player& each : players_) {
      each.kept.drop(each.peer->dropped);
      check_sent(each);
      check(each.kept);
    }
  }

  int left() const { return left_; }

  void check_everything() {
    for (Player& player : players_) flush(player);
    for (Player& player : players_) check_sent(player);
    for (auto& [inode, model] : model_.inodes) {
      auto row = rig_.store().inode(inode);
      ASSERT_TRUE(row) << inode.value();
      EXPECT_EQ(row->nlink, model.nlink) << inode.value();
      EXPECT_EQ(row->kind, model.kind);
      EXPECT_EQ(row->mode, model.mode);
      EXPECT_EQ(row->version, model.version);
      std::map<std::string, InodeId> children;
      for (const auto& child : rig_.store().children(inode, "", 100000)) {
        children[child.name] = child.inode.inode;
      }
      EXPECT_EQ(children, model.children);
    }
    const wire::Health health = rig_.health();
    std::size_t files = 0;
    for (const auto& [inode, model] : model_.inodes) files += model.kind == FileKind::regular;
    EXPECT_EQ(health.files, files);
  }

 private:
  /// One that the player can know of.
  InodeId some_inode(const Player& player) {
    for (;;) {
      const InodeId inode = known_[random_.below(known_.size())];
      auto hidden = hidden_.find(inode);
      if (hidden == hidden_.end() || hidden->second == &player) return inode;
    }
  }
  std::string some_name() { return fmt::format("n{}", random_.below(6)); }

  // ---- the journal

  wire::RecallReply on_recall(Player& player, const wire::Recall& recall) {
    flush(player);
    wire::RecallReply reply;
    if (recall.publish) player.held.erase(recall.inode);
    reply.held = player.held.contains(recall.inode);
    return reply;
  }

  void flush(Player& player) {
    if (player.unsent.empty()) return;
    player.sent.push_back(player.peer->send_operations(std::exchange(player.unsent, {})));
    std::erase_if(hidden_, [&player](const auto& entry) { return entry.second == &player; });
  }

  void check_sent(Player& player) {
    for (const Token token : std::exchange(player.sent, {})) {
      auto reply = player.peer->result<wire::Mutate>(token);
      ASSERT_TRUE(reply && *reply) << "a journal waits";
      for (const auto& each : (*reply)->replies) EXPECT_FALSE(each.error) << each.context;
    }
  }

  void restart() {
    rig_.restart();
    std::vector<Player*> order;
    for (Player& player : players_) order.push_back(&player);
    std::swap(order[0], order[random_.below(order.size())]);
    for (Player* player : order) {
      player->kept = {};
      std::vector<wire::Reclaim> reclaims;
      for (const InodeId inode : player->held) reclaims.push_back({inode, 0});
      player->peer->open(true, std::move(reclaims));
    }
  }

  /// Long enough for another question about the same directory.
  void pass_time() {
    rig_.advance(Contests::kUsedPause);
    for (Player& player : players_) {
      EXPECT_TRUE(player.peer->call(wire::Heartbeat{player.peer->capacity}));
    }
  }

  void begin_anew(Player& player) {
    flush(player);
    player.peer->disconnect(random_.chance(0.5));
    player.peer->open();
    player.kept = {};
    player.held.clear();
  }

  /// Whether the player may change the inode's attributes, or take its name away, by itself.
  bool covers(const Player& player, InodeId inode) {
    const ModelInode* row = model_.find(inode);
    if (row == nullptr) return true;  // nothing is there
    if (row->kind == FileKind::directory) return player.held.contains(inode);
    return row->nlink == 1 && player.held.contains(model_.parent_of(inode));
  }

  bool is_local(const Player& player, const wire::Change& change) {
    const auto has = [&player](InodeId inode) { return player.held.contains(inode); };
    if (const auto* c = std::get_if<wire::Create>(&change)) return has(c->parent);
    if (const auto* c = std::get_if<wire::Unlink>(&change)) {
      return has(c->parent) && covers(player, model_.child(c->parent, c->name));
    }
    if (const auto* c = std::get_if<wire::Rmdir>(&change)) {
      return has(c->parent) && covers(player, model_.child(c->parent, c->name));
    }
    if (const auto* c = std::get_if<wire::SetAttributes>(&change)) return covers(player, c->inode);
    const auto* c = std::get_if<wire::Rename>(&change);
    if (c == nullptr || !has(c->parent) || !has(c->new_parent)) return false;
    const InodeId ends[] = {model_.child(c->parent, c->name),
                            model_.child(c->new_parent, c->new_name)};
    return std::ranges::all_of(ends, [&](InodeId end) {
      const ModelInode* row = model_.find(end);
      const bool is_directory = row != nullptr && row->kind == FileKind::directory;
      return covers(player, end) && (!is_directory || c->parent == c->new_parent);
    });
  }

  // ---- looking

  void look(Player& player) {
    flush(player);  // a question may depend on what is unsent
    const InodeId parent = some_inode(player);
    const std::string name = some_name();
    auto found = player.peer->lookup(parent, name);
    player.kept.names.erase({parent, name});
    const ModelInode* in = model_.find(parent);
    ASSERT_EQ(found.has_value(), in != nullptr && in->kind == FileKind::directory);
    if (found) {
      const InodeId truth = model_.child(parent, name);
      EXPECT_EQ(found->record ? found->record->inode : InodeId(), truth);
      if (found->record) take(player, *found->record);
      if (found->cacheable) player.kept.take_name(parent, name, truth);
      if (random_.chance(0.2)) EXPECT_EQ(player.peer->names(parent).size(), in->children.size());
    }
    const InodeId inode = some_inode(player);
    auto record = player.peer->get(inode);
    const bool is_there = record && record->attributes.nlink > 0;
    EXPECT_EQ(is_there, model_.find(inode) != nullptr) << inode.value();
    if (is_there) take(player, *record);
  }

  void take(Player& player, const wire::InodeRecord& record) {
    check(record);
    player.kept.take(record);
  }

  // ---- changing

  void forget(Player& player, InodeId parent, const std::string& name) {
    const InodeId child = model_.child(parent, name);
    if (child) player.kept.forget(child);
    player.kept.forget(parent);
    player.kept.names.erase({parent, name});
  }

  void learn(Player& player, InodeId parent, const std::string& name) {
    const ModelInode* in = model_.find(parent);
    if (in == nullptr || in->kind != FileKind::directory) return;
    player.kept.take_name(parent, name, model_.child(parent, name));
  }

  /// What the player knows of an inode that it changed by itself.
  void learn(Player& player, InodeId inode) {
    const ModelInode* row = model_.find(inode);
    if (row == nullptr) return;
    wire::InodeRecord record;
    record.inode = inode;
    record.attributes.kind = row->kind;
    record.attributes.nlink = row->nlink;
    record.attributes.mode = row->mode;
    record.version = row->version;
    record.cacheable = true;
    player.kept.take(record);
  }

  /// In the model first: `apply` says which error is to be expected. True: there is none.
  template <class Apply>
  bool perform(Player& player, wire::Change change, std::vector<InodeId> touched, Apply apply) {
    const bool local = delegates_ && is_local(player, change);
    const std::optional<Errc> error = apply();
    auto* create = std::get_if<wire::Create>(&change);
    const bool makes_directory = create != nullptr && create->kind == FileKind::directory;
    if (makes_directory) create->delegate = delegates_ && (local || random_.chance(0.5));
    if (!error && create != nullptr) known_.push_back(create->inode);
    if (!error && makes_directory && create->delegate) player.held.insert(create->inode);
    if (local && !error) {
      if (create != nullptr) hidden_[create->inode] = &player;
      player.unsent.push_back(player.peer->journaled(std::move(change)));
      for (const InodeId inode : touched) learn(player, inode);
      return true;
    }
    flush(player);
    wire::Operation operation{std::move(change), 1000};
    operation.wants_directory = delegates_ && random_.chance(0.5);
    auto reply = player.peer->operate(std::move(operation));
    EXPECT_TRUE(reply) << "the tracker has not answered";
    if (!reply) return false;
    // For a moment a removed file may be there still, as if it were open: who may have it open is
    // asked after the journal was applied.
    const bool may_linger = delegates_ && error == Errc::not_found;
    if (!may_linger) EXPECT_EQ(reply->error, error) << reply->context;
    if (may_linger) return false;
    if (reply->granted) player.held.insert(reply->granted);
    for (const auto& record : reply->records) take(player, record);
    return !reply->error;
  }

  void change(Player& player) {
    const InodeId parent = some_inode(player);
    const std::string name = some_name();
    forget(player, parent, name);
    const InodeId child = model_.child(parent, name);
    bool is_changed = false;
    switch (random_.below(8)) {
      case 0:
      case 1: {
        const FileKind kinds[] = {FileKind::regular, FileKind::directory, FileKind::symlink};
        const wire::Create create = player.peer->creation(parent, name, kinds[random_.below(3)]);
        is_changed =
            perform(player, create, {create.inode, parent}, [&] { return model_.create(create); });
        break;
      }
      case 2: {
        const wire::Link link{some_inode(player), parent, name};
        player.kept.forget(link.inode);
        is_changed = perform(player, link, {link.inode, parent}, [&] { return model_.link(link); });
        break;
      }
      case 3:
      case 4: {
        const bool is_rmdir = random_.chance(0.5);
        const wire::Change remove = is_rmdir ? wire::Change(wire::Rmdir{parent, name})
                                             : wire::Change(wire::Unlink{parent, name});
        is_changed = perform(player, remove, {parent},
                             [&] { return model_.remove(parent, name, is_rmdir); });
        if (is_changed) player.held.erase(child);
        break;
      }
      case 5:
      case 6:
        is_changed = rename(player, parent, name);
        break;
      default:
        change_inode(player, some_inode(player));
    }
    if (is_changed) learn(player, parent, name);
  }

  bool rename(Player& player, InodeId parent, const std::string& name) {
    const InodeId other = some_inode(player);
    const std::string other_name = some_name();
    forget(player, other, other_name);
    const InodeId moved = model_.child(parent, name);
    const InodeId replaced = model_.child(other, other_name);
    wire::Rename rename{parent, name, other, other_name, 0, false};
    rename.flags = static_cast<std::uint32_t>(random_.below(3));
    const bool is_changed = perform(player, rename, {moved, parent, replaced, other},
                                    [&] { return model_.rename(rename); });
    if (is_changed && model_.find(replaced) == nullptr) player.held.erase(replaced);
    if (is_changed) learn(player, other, other_name);
    return is_changed;
  }

  void change_inode(Player& player, InodeId other) {
    player.kept.forget(other);
    ModelInode* inode = model_.find(other);
    if (inode != nullptr && inode->kind == FileKind::regular && random_.chance(0.5)) {
      wire::Publish publish;
      publish.inode = other;
      publish.version = inode->version;
      publish.content = made_up_content(random_.below(20));
      perform(player, publish, {other}, [inode] {
        inode->version += 1;
        return std::optional<Errc>();
      });
      return;
    }
    wire::SetAttributes set;
    set.inode = other;
    set.mode = static_cast<std::uint32_t>(random_.below(0777));
    perform(player, set, {other}, [&] {
      if (inode != nullptr) inode->mode = *set.mode;
      return inode == nullptr ? std::optional(Errc::not_found) : std::nullopt;
    });
  }

  // ---- comparing

  void check(const wire::InodeRecord& record) {
    const ModelInode* truth = model_.find(record.inode);
    if (truth == nullptr) return;
    EXPECT_EQ(record.attributes.nlink, truth->nlink) << "a record is out of date";
    EXPECT_EQ(record.attributes.mode, truth->mode) << "a record is out of date";
    EXPECT_EQ(record.version, truth->version) << "a record is out of date";
  }

  void check(const Kept& kept) {
    for (const auto& [name, inode] : kept.names) {
      if (model_.find(name.first) == nullptr) continue;
      const InodeId truth = model_.child(name.first, name.second);
      EXPECT_EQ(inode.value_or(InodeId()), truth) << "a kept name is out of date";
    }
    for (const auto& [inode, record] : kept.records) check(record);
  }

  base::Random random_;
  bool delegates_;
  Rig rig_;
  Model model_;
  std::vector<Player> players_;
  std::vector<InodeId> known_;
  int left_ = 0;                             ///< directories that were let go
  std::map<InodeId, const Player*> hidden_;  ///< made by the player, and unsent
};

/// SHOAL_SEED replays one run.
void run_models(int runs, bool delegates,
                const std::function<std::unique_ptr<Store>()>& make_store) {
  const char* given = std::getenv("SHOAL_SEED");
  const std::uint64_t first =
      given != nullptr ? std::strtoull(given, nullptr, 10) : base::system_seed();
  if (given != nullptr) runs = 1;
  int left = 0;
  for (int run = 0; run < runs; ++run) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(run);
    SCOPED_TRACE(fmt::format("replay with SHOAL_SEED={}", seed));
    ModelRun model(seed, delegates, make_store());
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) model.step();
    model.check_everything();
    if (testing::Test::HasFailure()) return;
    left += model.left();
  }
  if (delegates && given == nullptr) EXPECT_GT(left, 0) << "nobody was asked to let go";
}

TEST(names_model, random_operations_agree_with_a_model_of_posix) {
  run_models(20, false, [] { return nullptr; });
}

TEST(names_model, random_operations_in_delegated_directories_agree_with_it) {
  run_models(40, true, [] { return nullptr; });
}

TEST(names_model, random_operations_on_sqlite_agree_with_it_too) {
  run_models(4, true, [] {
    auto store = SqliteStore::in_memory(Bytes(16), "test");
    EXPECT_TRUE(store);
    return std::move(*store);
  });
}

}  // namespace
}  // namespace shoal::tracker
