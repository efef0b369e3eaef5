// SPDX-License-Identifier: MIT
// Random operations of three peers on the core and on a plain model of POSIX names, compared after
// each; and every peer keeps what it was told it may keep, which must never be out of date.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>

#include "base/random.h"
#include "tests/tracker/rig.h"
#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

using wire::FileKind;

struct ModelInode {
  FileKind kind = FileKind::regular;
  std::uint32_t mode = 0;
  std::uint32_t nlink = 0;
  std::uint64_t version = 0;
  std::map<std::string, InodeId> children;
};

/// Names as POSIX has them, written down as plainly as possible. nullopt: it worked.
class Model {
 public:
  Model() { inodes[kRootInode] = ModelInode{FileKind::directory, 0755, 2, 0, {}}; }

  std::optional<Errc> create(const wire::Create& c) {
    ModelInode* parent = find(c.parent);
    if (parent == nullptr) return Errc::not_found;
    if (parent->kind != FileKind::directory) return Errc::not_directory;
    if (parent->children.contains(c.name)) return Errc::exists;
    parent->children[c.name] = c.inode;
    const bool is_directory = c.kind == FileKind::directory;
    if (is_directory) parent->nlink += 1;
    inodes[c.inode] = ModelInode{c.kind, c.mode, is_directory ? 2U : 1U, 0, {}};
    return std::nullopt;
  }

  std::optional<Errc> link(const wire::Link& l) {
    ModelInode* inode = find(l.inode);
    if (inode == nullptr) return Errc::not_found;
    ModelInode* parent = find(l.parent);
    if (parent == nullptr) return Errc::not_found;
    if (parent->kind != FileKind::directory) return Errc::not_directory;
    if (parent->children.contains(l.name)) return Errc::exists;
    if (inode->kind == FileKind::directory) return Errc::not_permitted;
    parent->children[l.name] = l.inode;
    inode->nlink += 1;
    return std::nullopt;
  }

  std::optional<Errc> remove(InodeId in, const std::string& name, bool directory) {
    ModelInode* parent = find(in);
    if (parent == nullptr) return Errc::not_found;
    if (parent->kind != FileKind::directory) return Errc::not_directory;
    if (!parent->children.contains(name)) return Errc::not_found;
    ModelInode& inode = inodes[parent->children[name]];
    const bool is_directory = inode.kind == FileKind::directory;
    if (directory && !is_directory) return Errc::not_directory;
    if (!directory && is_directory) return Errc::is_directory;
    if (directory && !inode.children.empty()) return Errc::not_empty;
    if (directory) parent->nlink -= 1;
    drop(parent->children[name]);
    parent->children.erase(name);
    return std::nullopt;
  }

  std::optional<Errc> rename(const wire::Rename& r) {
    ModelInode* from = find(r.parent);
    if (from == nullptr) return Errc::not_found;
    if (from->kind != FileKind::directory) return Errc::not_directory;
    ModelInode* to = find(r.new_parent);
    if (to == nullptr) return Errc::not_found;
    if (to->kind != FileKind::directory) return Errc::not_directory;
    if (!from->children.contains(r.name)) return Errc::not_found;
    const InodeId moved = from->children[r.name];
    const bool has_target = to->children.contains(r.new_name);
    const InodeId target = has_target ? to->children[r.new_name] : InodeId();
    const bool exchange = r.flags == wire::Rename::kExchange;
    if (r.flags == wire::Rename::kNoReplace && has_target) return Errc::exists;
    if (exchange && !has_target) return Errc::not_found;
    if (from != to && is_below(r.new_parent, moved)) return Errc::invalid;
    if (from != to && has_target && is_below(r.parent, target)) {
      return exchange ? Errc::invalid : Errc::not_empty;
    }
    if (moved == target) return std::nullopt;
    const bool is_directory = inodes[moved].kind == FileKind::directory;
    if (exchange) {
      const bool other_is = inodes[target].kind == FileKind::directory;
      from->nlink += (other_is ? 1U : 0U) - (is_directory ? 1U : 0U);
      to->nlink += (is_directory ? 1U : 0U) - (other_is ? 1U : 0U);
      from->children[r.name] = target;
      to->children[r.new_name] = moved;
      return std::nullopt;
    }
    if (has_target) {
      const bool other_is = inodes[target].kind == FileKind::directory;
      if (is_directory && !other_is) return Errc::not_directory;
      if (!is_directory && other_is) return Errc::is_directory;
      if (other_is && !inodes[target].children.empty()) return Errc::not_empty;
      if (other_is) to->nlink -= 1;
      drop(target);
    }
    from->children.erase(r.name);
    to->children[r.new_name] = moved;
    if (is_directory) {
      from->nlink -= 1;
      to->nlink += 1;
    }
    return std::nullopt;
  }

  ModelInode* find(InodeId inode) {
    auto found = inodes.find(inode);
    return found == inodes.end() ? nullptr : &found->second;
  }

  std::map<InodeId, ModelInode> inodes;

 private:
  void drop(InodeId inode) {
    ModelInode& gone = inodes[inode];
    gone.nlink -= 1;
    if (gone.nlink == 0 || gone.kind == FileKind::directory) inodes.erase(inode);
  }
  bool is_below(InodeId inode, InodeId ancestor) {
    if (inode == ancestor) return true;
    const ModelInode* above = find(ancestor);
    if (above == nullptr) return false;
    for (const auto& [name, child] : above->children) {
      if (is_below(inode, child)) return true;
    }
    return false;
  }
};

/// What a peer has been told and may keep.
struct Kept {
  std::map<std::pair<InodeId, std::string>, std::optional<InodeId>> names;
  std::map<InodeId, wire::InodeRecord> records;

  void take(const wire::InodeRecord& record) {
    records.erase(record.inode);
    if (record.cacheable) records[record.inode] = record;
  }
  void drop(std::vector<wire::Stale>& stale) {
    for (const auto& item : stale) {
      if (!item.name.empty()) {
        names.erase({item.inode, item.name});
      } else if (item.attributes) {
        records.erase(item.inode);
      }
    }
    stale.clear();
  }
};

class ModelRun {
 public:
  ModelRun(std::uint64_t seed, std::unique_ptr<Store> store)
      : random_(seed), rig_(2, std::move(store)) {
    for (const char* name : {"a", "b", "c"}) peers_.push_back(&rig_.join(name));
    kept_.resize(peers_.size());
    known_.push_back(kRootInode);
  }

  void step() {
    const std::size_t who = random_.below(peers_.size());
    if (random_.chance(0.4)) {
      look(who);
    } else {
      change(who);
    }
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      kept_[i].drop(peers_[i]->dropped);
      check(kept_[i]);
    }
  }

  void check_everything() {
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
  InodeId some_inode() { return known_[random_.below(known_.size())]; }
  std::string some_name() { return fmt::format("n{}", random_.below(6)); }

  void look(std::size_t who) {
    const InodeId parent = some_inode();
    const std::string name = some_name();
    auto found = peers_[who]->lookup(parent, name);
    Kept& kept = kept_[who];
    kept.names.erase({parent, name});
    if (!found) return;
    if (found->cacheable) {
      kept.names[{parent, name}] =
          found->record ? std::optional(found->record->inode) : std::nullopt;
    }
    if (found->record) kept.take(*found->record);
    auto record = peers_[who]->get(some_inode());
    if (record) kept.take(*record);
  }

  void expect(const Result<std::vector<wire::InodeRecord>>& done, std::optional<Errc> error,
              std::size_t who) {
    EXPECT_EQ(done.has_value(), !error) << (done ? "" : done.error().message());
    if (!done) {
      EXPECT_EQ(done.error().code(), error.value_or(Errc::internal));
      return;
    }
    for (const auto& record : *done) kept_[who].take(record);
  }

  void forget(std::size_t who, InodeId parent, const std::string& name) {
    const ModelInode* in = model_.find(parent);
    if (in == nullptr) return;
    auto child = in->children.find(name);
    if (child != in->children.end()) kept_[who].records.erase(child->second);
    kept_[who].records.erase(parent);
    kept_[who].names.erase({parent, name});
  }

  void learn(std::size_t who, InodeId parent, const std::string& name) {
    const ModelInode* in = model_.find(parent);
    if (in == nullptr || in->kind != FileKind::directory) return;
    auto child = in->children.find(name);
    kept_[who].names[{parent, name}] =
        child == in->children.end() ? std::nullopt : std::optional(child->second);
  }

  void change(std::size_t who) {
    TestPeer& peer = *peers_[who];
    const InodeId parent = some_inode();
    const std::string name = some_name();
    const InodeId other = some_inode();
    const std::string other_name = some_name();
    forget(who, parent, name);
    switch (random_.below(8)) {
      case 0:
      case 1: {
        const FileKind kinds[] = {FileKind::regular, FileKind::directory, FileKind::symlink};
        const wire::Create create = peer.creation(parent, name, kinds[random_.below(3)]);
        const auto error = model_.create(create);
        expect(peer.change(create), error, who);
        if (!error) known_.push_back(create.inode);
        if (!error) learn(who, parent, name);
        break;
      }
      case 2: {
        const wire::Link link{other, parent, name};
        kept_[who].records.erase(other);
        const auto error = model_.link(link);
        expect(peer.change(link), error, who);
        if (!error) learn(who, parent, name);
        break;
      }
      case 3: {
        const auto error = model_.remove(parent, name, false);
        expect(peer.change(wire::Unlink{parent, name, false}), error, who);
        if (!error) learn(who, parent, name);
        break;
      }
      case 4: {
        const auto error = model_.remove(parent, name, true);
        expect(peer.change(wire::Rmdir{parent, name}), error, who);
        if (!error) learn(who, parent, name);
        break;
      }
      case 5:
      case 6: {
        forget(who, other, other_name);
        wire::Rename rename{parent, name, other, other_name, 0, false};
        rename.flags = static_cast<std::uint32_t>(random_.below(3));
        const auto error = model_.rename(rename);
        expect(peer.change(rename), error, who);
        if (!error) learn(who, parent, name);
        if (!error) learn(who, other, other_name);
        break;
      }
      default: {
        kept_[who].records.erase(other);
        ModelInode* inode = model_.find(other);
        if (inode != nullptr && inode->kind == FileKind::regular && random_.chance(0.5)) {
          expect(peer.publish(other, inode->version, made_up_content(random_.below(20))),
                 std::nullopt, who);
          inode->version += 1;
          break;
        }
        wire::SetAttributes set;
        set.inode = other;
        set.mode = static_cast<std::uint32_t>(random_.below(0777));
        expect(peer.change(set), inode == nullptr ? std::optional(Errc::not_found) : std::nullopt,
               who);
        if (inode != nullptr) inode->mode = *set.mode;
      }
    }
  }

  void check(const Kept& kept) {
    for (const auto& [name, inode] : kept.names) {
      const ModelInode* parent = model_.find(name.first);
      if (parent == nullptr) continue;
      auto child = parent->children.find(name.second);
      const auto truth =
          child == parent->children.end() ? std::nullopt : std::optional(child->second);
      EXPECT_EQ(inode, truth) << "a kept name is out of date";
    }
    for (const auto& [inode, record] : kept.records) {
      const ModelInode* truth = model_.find(inode);
      if (truth == nullptr) continue;
      EXPECT_EQ(record.attributes.nlink, truth->nlink) << "a kept record is out of date";
      EXPECT_EQ(record.attributes.mode, truth->mode) << "a kept record is out of date";
      EXPECT_EQ(record.version, truth->version) << "a kept record is out of date";
    }
  }

  base::Random random_;
  Rig rig_;
  Model model_;
  std::vector<TestPeer*> peers_;
  std::vector<Kept> kept_;
  std::vector<InodeId> known_;
};

/// SHOAL_SEED replays one run.
void run_models(int runs, const std::function<std::unique_ptr<Store>()>& make_store) {
  const char* given = std::getenv("SHOAL_SEED");
  const std::uint64_t first =
      given != nullptr ? std::strtoull(given, nullptr, 10) : base::system_seed();
  if (given != nullptr) runs = 1;
  for (int run = 0; run < runs; ++run) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(run);
    SCOPED_TRACE(fmt::format("replay with SHOAL_SEED={}", seed));
    ModelRun model(seed, make_store());
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) model.step();
    model.check_everything();
    if (testing::Test::HasFailure()) return;
  }
}

TEST(names_model, random_operations_agree_with_a_model_of_posix) {
  run_models(20, [] { return nullptr; });
}

TEST(names_model, random_operations_on_sqlite_agree_with_it_too) {
  run_models(4, [] {
    auto store = SqliteStore::in_memory(Bytes(16), "test");
    EXPECT_TRUE(store);
    return std::move(*store);
  });
}

}  // namespace
}  // namespace shoal::tracker
