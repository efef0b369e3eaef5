// SPDX-License-Identifier: MIT
#include "fs/meta_cache.h"

#include <gtest/gtest.h>

namespace shoal::fs {
namespace {

constexpr InodeId kDirectory{1};
constexpr InodeId kFile{7};

wire::InodeRecord record_of(InodeId inode, std::uint64_t size = 0) {
  wire::InodeRecord record;
  record.inode = inode;
  record.attributes.size = size;
  record.cacheable = true;
  return record;
}

class MetaCacheTest : public testing::Test {
 protected:
  /// As if a request had brought the record without anything in between.
  void put(const wire::InodeRecord& record) {
    const auto ticket = cache_.begin();
    cache_.put_record(ticket, record);
    cache_.end(ticket);
  }
  void put_name(const std::string& name, InodeId inode) {
    const auto ticket = cache_.begin();
    cache_.put_name(ticket, {kDirectory, name}, inode, wire::FileKind::regular);
    cache_.end(ticket);
  }
  void put_listing(const std::vector<std::string>& names) {
    Listing listing;
    for (const auto& name : names) listing.push_back({name, kFile, wire::FileKind::regular});
    const auto ticket = cache_.begin();
    cache_.put_listing(ticket, kDirectory, listing);
    cache_.end(ticket);
  }

  MetaCache cache_{MetaCache::Limits{}};
};

TEST_F(MetaCacheTest, keeps_what_is_cacheable_and_nothing_else) {
  put(record_of(kFile, 5));
  ASSERT_NE(cache_.find_record(kFile), nullptr);
  EXPECT_EQ(cache_.find_record(kFile)->attributes.size, 5);
  wire::InodeRecord passing = record_of(InodeId(8));
  passing.cacheable = false;
  put(passing);
  EXPECT_EQ(cache_.find_record(InodeId(8)), nullptr);
}

TEST_F(MetaCacheTest, an_invalidation_during_a_request_poisons_its_answer) {
  const auto ticket = cache_.begin();
  cache_.forget_inode(kFile);
  EXPECT_FALSE(cache_.put_record(ticket, record_of(kFile)));
  EXPECT_TRUE(cache_.put_record(ticket, record_of(InodeId(8))));
  cache_.end(ticket);
  EXPECT_EQ(cache_.find_record(kFile), nullptr);
  put(record_of(kFile));
  EXPECT_NE(cache_.find_record(kFile), nullptr);
}

TEST_F(MetaCacheTest, a_name_invalidated_during_a_request_is_not_kept) {
  const auto ticket = cache_.begin();
  cache_.forget_name(kDirectory, "a");
  cache_.put_name(ticket, {kDirectory, "a"}, kFile, wire::FileKind::regular);
  cache_.put_name(ticket, {kDirectory, "b"}, kFile, wire::FileKind::regular);
  cache_.end(ticket);
  EXPECT_FALSE(cache_.find_name(kDirectory, "a").has_value());
  EXPECT_EQ(cache_.find_name(kDirectory, "b")->inode, kFile);
}

TEST_F(MetaCacheTest, an_operation_forgets_what_it_touches_and_keeps_its_own_answer) {
  put(record_of(kFile, 1));
  put_name("a", kFile);
  const auto ticket = cache_.begin({{{kDirectory, "a"}}, {kFile}});
  EXPECT_EQ(cache_.find_record(kFile), nullptr);
  EXPECT_FALSE(cache_.find_name(kDirectory, "a").has_value());
  cache_.put_record(ticket, record_of(kFile, 2));
  cache_.put_own_name(ticket, {kDirectory, "a"}, InodeId{}, wire::FileKind::regular);
  cache_.end(ticket);
  EXPECT_EQ(cache_.find_record(kFile)->attributes.size, 2);
  EXPECT_FALSE(cache_.find_name(kDirectory, "a")->inode);
}

TEST_F(MetaCacheTest, a_request_that_overlaps_an_operation_does_not_bring_back_the_old_state) {
  const auto before = cache_.begin();
  const auto operation = cache_.begin({{}, {kFile}});
  const auto after = cache_.begin();
  cache_.put_record(operation, record_of(kFile, 2));
  cache_.end(operation);
  EXPECT_FALSE(cache_.put_record(before, record_of(kFile, 1)));
  EXPECT_FALSE(cache_.put_record(after, record_of(kFile, 1)));
  cache_.end(before);
  cache_.end(after);
  EXPECT_EQ(cache_.find_record(kFile)->attributes.size, 2);
}

TEST_F(MetaCacheTest, of_two_operations_that_overlap_neither_answer_is_kept) {
  const auto first = cache_.begin({{}, {kFile}});
  const auto second = cache_.begin({{}, {kFile}});
  EXPECT_FALSE(cache_.put_record(second, record_of(kFile, 2)));
  cache_.end(second);
  EXPECT_FALSE(cache_.put_record(first, record_of(kFile, 1)));
  cache_.end(first);
  EXPECT_EQ(cache_.find_record(kFile), nullptr);
}

TEST_F(MetaCacheTest, what_an_operation_of_unknown_outcome_touched_stays_unknown) {
  const auto lost = cache_.begin({{{kDirectory, "a"}}, {kFile}});
  cache_.end_unknown(lost);
  put(record_of(kFile));
  put_name("a", kFile);
  EXPECT_EQ(cache_.find_record(kFile), nullptr);
  EXPECT_FALSE(cache_.find_name(kDirectory, "a").has_value());
  cache_.drop_all();
  put(record_of(kFile));
  EXPECT_NE(cache_.find_record(kFile), nullptr);
}

TEST_F(MetaCacheTest, a_whole_directory_answers_for_absent_names) {
  EXPECT_FALSE(cache_.find_name(kDirectory, "x").has_value());
  put_listing({"b", "a"});
  EXPECT_EQ(cache_.find_name(kDirectory, "a")->inode, kFile);
  ASSERT_TRUE(cache_.find_name(kDirectory, "x").has_value());
  EXPECT_FALSE(cache_.find_name(kDirectory, "x")->inode);
  const auto listing = cache_.find_listing(kDirectory);
  ASSERT_NE(listing, nullptr);
  ASSERT_EQ(listing->size(), 2);
  EXPECT_EQ(listing->front().name, "a");
}

TEST_F(MetaCacheTest, a_name_in_doubt_leaves_the_rest_of_the_directory_known) {
  put_listing({"a", "b"});
  cache_.forget_name(kDirectory, "a");
  EXPECT_FALSE(cache_.find_name(kDirectory, "a").has_value());
  EXPECT_EQ(cache_.find_name(kDirectory, "b")->inode, kFile);
  EXPECT_FALSE(cache_.find_name(kDirectory, "x")->inode);
  EXPECT_EQ(cache_.find_listing(kDirectory), nullptr);
  put_name("a", InodeId{});
  ASSERT_NE(cache_.find_listing(kDirectory), nullptr);
  EXPECT_EQ(cache_.find_listing(kDirectory)->size(), 1);
}

TEST_F(MetaCacheTest, names_made_here_keep_a_directory_whole) {
  put_listing({"a"});
  const auto ticket = cache_.begin({{{kDirectory, "new"}}, {}});
  EXPECT_EQ(cache_.find_listing(kDirectory), nullptr);
  cache_.put_own_name(ticket, {kDirectory, "new"}, InodeId(9), wire::FileKind::regular);
  cache_.end(ticket);
  ASSERT_NE(cache_.find_listing(kDirectory), nullptr);
  EXPECT_EQ(cache_.find_listing(kDirectory)->size(), 2);
}

TEST_F(MetaCacheTest, a_listing_disturbed_on_its_way_leaves_the_disturbed_name_in_doubt) {
  const auto ticket = cache_.begin();
  cache_.forget_name(kDirectory, "a");
  cache_.put_listing(ticket, kDirectory, {{"a", kFile}, {"b", kFile}});
  cache_.end(ticket);
  EXPECT_FALSE(cache_.find_name(kDirectory, "a").has_value());
  EXPECT_EQ(cache_.find_name(kDirectory, "b")->inode, kFile);
  EXPECT_EQ(cache_.find_listing(kDirectory), nullptr);
}

TEST_F(MetaCacheTest, names_of_a_directory_that_is_not_watched_are_not_kept_after_an_operation) {
  const auto ticket = cache_.begin({{{kDirectory, "a"}}, {}});
  cache_.put_own_name(ticket, {kDirectory, "a"}, kFile, wire::FileKind::regular);
  cache_.end(ticket);
  EXPECT_FALSE(cache_.find_name(kDirectory, "a").has_value());
}

TEST_F(MetaCacheTest, xattrs_live_and_go_with_their_record) {
  auto xattrs = std::make_shared<const XattrList>(XattrList{{"user.a", {}}});
  auto ticket = cache_.begin();
  cache_.put_xattrs(ticket, kFile, xattrs);
  EXPECT_EQ(cache_.find_xattrs(kFile), nullptr);
  wire::InodeRecord record = record_of(kFile);
  record.has_xattrs = true;
  cache_.put_record(ticket, record);
  cache_.put_xattrs(ticket, kFile, xattrs);
  cache_.end(ticket);
  EXPECT_EQ(cache_.find_xattrs(kFile), xattrs);
  cache_.forget_inode(kFile);
  EXPECT_EQ(cache_.find_xattrs(kFile), nullptr);
}

TEST_F(MetaCacheTest, forgets_the_least_used_when_it_is_full) {
  MetaCache small(MetaCache::Limits{.records = 100, .names = 50});
  const auto ticket = small.begin();
  for (std::uint64_t i = 10; i < 1000; ++i) {
    small.put_record(ticket, record_of(InodeId(i)));
    small.put_name(ticket, {InodeId(i), "name"}, kFile, wire::FileKind::regular);
    ASSERT_NE(small.find_record(InodeId(10)), nullptr) << "in use at " << i;
    ASSERT_TRUE(small.find_name(InodeId(10), "name").has_value());
  }
  small.end(ticket);
  EXPECT_LE(small.record_count(), 101);
  EXPECT_LE(small.name_count(), 50);
  EXPECT_EQ(small.find_record(InodeId(11)), nullptr);
}

TEST_F(MetaCacheTest, a_directory_is_forgotten_with_the_files_that_may_be_in_it) {
  constexpr InodeId kElsewhere{8};
  constexpr InodeId kNowhere{9};
  constexpr InodeId kSub{10};
  constexpr InodeId kOther{2};
  for (const InodeId inode : {kFile, kElsewhere, kNowhere}) put(record_of(inode));
  for (const InodeId inode : {kDirectory, kSub, kOther}) {
    wire::InodeRecord directory = record_of(inode);
    directory.attributes.kind = wire::FileKind::directory;
    put(directory);
  }
  put_name("file", kFile);
  put_name("sub", kSub);
  const auto ticket = cache_.begin();
  cache_.put_name(ticket, {kOther, "elsewhere"}, kElsewhere, wire::FileKind::regular);
  EXPECT_TRUE(cache_.may_be_in(kFile, {kDirectory}));
  EXPECT_TRUE(cache_.may_be_in(kNowhere, {kDirectory}));
  EXPECT_FALSE(cache_.may_be_in(kElsewhere, {kDirectory}));
  cache_.forget_directories({kDirectory});
  for (const InodeId inode : {kFile, kNowhere, kDirectory}) {
    EXPECT_EQ(cache_.find_record(inode), nullptr) << inode.value();
  }
  for (const InodeId inode : {kElsewhere, kSub, kOther}) {
    EXPECT_NE(cache_.find_record(inode), nullptr) << inode.value();
  }
  EXPECT_FALSE(cache_.find_name(kDirectory, "file"));
  EXPECT_TRUE(cache_.find_name(kOther, "elsewhere"));
  // What was under way meanwhile is used once.
  EXPECT_FALSE(cache_.put_record(ticket, record_of(kFile)));
  cache_.put_name(ticket, {kDirectory, "file"}, kFile, wire::FileKind::regular);
  EXPECT_FALSE(cache_.find_name(kDirectory, "file"));
  cache_.end(ticket);
}

TEST_F(MetaCacheTest, directories_with_unsent_changes_or_files_in_use_are_not_unused) {
  constexpr InodeId kOther{2};
  const std::set<InodeId> both{kDirectory, kOther};
  put(record_of(kFile));
  put_name("file", kFile);
  EXPECT_EQ(cache_.unused(both, {}), both);
  for (const Touches& touches :
       {Touches{{{kDirectory, "x"}}, {}}, Touches{{}, {kFile}}, Touches{{}, {kDirectory}}}) {
    put(record_of(kDirectory));
    cache_.pin(touches);
    EXPECT_FALSE(cache_.unused(both, {}).contains(kDirectory));
    cache_.unpin(touches);
  }
  const InodeId used[] = {kFile};
  EXPECT_EQ(cache_.unused(both, used), std::set<InodeId>{kOther});
  const InodeId unknown[] = {InodeId(99)};
  EXPECT_TRUE(cache_.unused(both, unknown).empty()) << "it may be anywhere";
}

}  // namespace
}  // namespace shoal::fs
