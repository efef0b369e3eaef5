// SPDX-License-Identifier: MIT
#include "fs/inode_table.h"

#include <gtest/gtest.h>

#include "fs/open_file.h"

namespace shoal::fs {
namespace {

constexpr InodeId kFile{7};
constexpr InodeId kDirectory{3};
constexpr SteadyTime kNow{std::chrono::hours(1)};
constexpr SteadyTime kLater = kNow + std::chrono::seconds(20);

class InodeTableTest : public testing::Test {
 protected:
  std::shared_ptr<OpenFile> open(bool for_writing = false) {
    return table_.open_file(kFile, for_writing, [this](InodeId inode) {
      return std::make_shared<OpenFile>(inode, loop_.get_executor());
    });
  }

  Loop loop_;
  InodeTable table_;
};

TEST_F(InodeTableTest, a_node_lives_as_long_as_its_lookups) {
  table_.add_lookup(kFile, kLater);
  table_.add_lookup(kFile, kLater);
  EXPECT_EQ(table_.lookups(kFile), 2);
  table_.forget(kFile, 1);
  EXPECT_TRUE(table_.known(kFile, kNow).has_attributes);
  table_.forget(kFile, 1);
  EXPECT_FALSE(table_.known(kFile, kNow).is_known);
  EXPECT_EQ(table_.size(), 0);
}

TEST_F(InodeTableTest, counts_beyond_32_bits) {
  table_.add_lookup(kFile, kLater);
  table_.forget(kFile, std::uint64_t{1} << 40);
  EXPECT_EQ(table_.lookups(kFile), 0);
  EXPECT_EQ(table_.size(), 0);
}

TEST_F(InodeTableTest, attributes_are_with_the_kernel_until_their_time_is_over) {
  table_.add_lookup(kFile, kLater);
  EXPECT_TRUE(table_.known(kFile, kNow).has_attributes);
  EXPECT_FALSE(table_.known(kFile, kLater).has_attributes);
  table_.attributes_given(kFile, kLater + std::chrono::seconds(1));
  EXPECT_TRUE(table_.known(kFile, kLater).has_attributes);
}

TEST_F(InodeTableTest, handles_of_one_inode_share_its_file) {
  const auto first = open();
  const auto second = open(true);
  EXPECT_EQ(first, second);
  EXPECT_EQ(table_.opens(kFile), 2);
  EXPECT_EQ(table_.writers(kFile), 1);
  const auto closed_writer = table_.remove_open(kFile, true);
  EXPECT_TRUE(closed_writer.was_last_writer);
  EXPECT_FALSE(closed_writer.was_last);
  EXPECT_TRUE(table_.remove_open(kFile, false).was_last);
}

TEST_F(InodeTableTest, a_file_object_goes_with_its_last_user) {
  auto file = open();
  table_.remove_open(kFile, false);
  auto other_user = table_.find_file(kFile);
  table_.release_file(std::move(file));
  EXPECT_EQ(table_.find_file(kFile), other_user);
  table_.release_file(std::move(other_user));
  EXPECT_EQ(table_.find_file(kFile), nullptr);
  EXPECT_EQ(table_.size(), 0);
}

TEST_F(InodeTableTest, a_file_that_is_open_when_its_last_name_goes_is_an_orphan) {
  table_.add_lookup(kFile, kLater);
  auto file = open();
  EXPECT_TRUE(table_.doom(kFile));
  EXPECT_TRUE(table_.is_orphan(kFile));
  EXPECT_NE(open(), nullptr) << "opening it again through /proc";
  EXPECT_FALSE(table_.remove_open(kFile, false).was_orphan);
  EXPECT_TRUE(table_.remove_open(kFile, false).was_orphan);
}

TEST_F(InodeTableTest, a_file_that_is_closed_when_its_last_name_goes_cannot_be_opened) {
  table_.add_lookup(kFile, kLater);
  EXPECT_FALSE(table_.doom(kFile));
  EXPECT_EQ(open(), nullptr);
  table_.clear_doom(kFile, true, table_.dooms(kFile));
  EXPECT_NE(open(), nullptr);
}

TEST_F(InodeTableTest, a_file_that_is_held_when_its_last_name_goes_can_still_be_opened) {
  table_.add_lookup(kFile, kLater);
  table_.hold(kFile);
  EXPECT_TRUE(table_.doom(kFile));
  EXPECT_NE(open(), nullptr);
  table_.clear_doom(kFile, false, table_.dooms(kFile));
  EXPECT_FALSE(table_.end_hold(kFile)) << "it is open";
  EXPECT_TRUE(table_.remove_open(kFile, false).was_orphan);
}

TEST_F(InodeTableTest, what_is_in_use_stays_open_to_all_until_it_is_doomed) {
  auto file = open();
  table_.doom_unused(kFile);
  EXPECT_FALSE(table_.is_orphan(kFile));
  EXPECT_NE(open(), nullptr);
}

TEST_F(InodeTableTest, a_held_file_that_nobody_opens_is_let_go_with_the_hold) {
  table_.hold(kFile);
  table_.hold(kFile);
  EXPECT_TRUE(table_.doom(kFile));
  open();
  EXPECT_FALSE(table_.remove_open(kFile, false).was_orphan) << "it is held";
  EXPECT_FALSE(table_.end_hold(kFile));
  EXPECT_TRUE(table_.end_hold(kFile));
  EXPECT_FALSE(table_.end_hold(kFile)) << "once is enough";
}

TEST_F(InodeTableTest, an_answer_from_before_a_doom_does_not_undo_it) {
  table_.hold(kFile);
  const std::uint64_t asked = table_.dooms(kFile);
  EXPECT_TRUE(table_.doom(kFile));
  table_.clear_doom(kFile, true, asked);
  EXPECT_TRUE(table_.is_orphan(kFile));
  table_.clear_doom(kFile, true, table_.dooms(kFile));
  EXPECT_FALSE(table_.is_orphan(kFile));
}

TEST_F(InodeTableTest, a_removal_of_our_own_keeps_files_closed_until_its_outcome) {
  table_.add_lookup(kFile, kLater);
  EXPECT_FALSE(table_.begin_removal(kFile));
  EXPECT_EQ(open(), nullptr);
  table_.hold(kFile);
  EXPECT_TRUE(table_.begin_removal(kFile)) << "a second one tells that it is held";
  EXPECT_TRUE(table_.end_removal(kFile, true));
  EXPECT_TRUE(table_.is_being_removed(kFile));
  EXPECT_TRUE(table_.end_removal(kFile, false)) << "whoever holds it waits for that";
  EXPECT_FALSE(table_.is_being_removed(kFile));
  EXPECT_EQ(open(), nullptr) << "nobody has asked yet whether it is there";
  table_.clear_doom(kFile, true, table_.dooms(kFile));
  EXPECT_NE(open(), nullptr);
}

TEST_F(InodeTableTest, a_removal_leaves_nothing_behind) {
  EXPECT_FALSE(table_.begin_removal(kFile));
  EXPECT_FALSE(table_.end_removal(kFile, false));
  EXPECT_EQ(table_.size(), 0);
}

TEST_F(InodeTableTest, only_what_is_in_use_becomes_an_orphan) {
  EXPECT_FALSE(table_.make_orphan(kFile));
  table_.add_lookup(kFile, kLater);
  EXPECT_FALSE(table_.make_orphan(kFile));
  open();
  EXPECT_TRUE(table_.make_orphan(kFile));
  EXPECT_TRUE(table_.remove_open(kFile, false).was_orphan);
}

TEST_F(InodeTableTest, dooming_what_the_kernel_does_not_know_leaves_nothing_behind) {
  EXPECT_FALSE(table_.doom(kFile));
  EXPECT_EQ(table_.size(), 0);
}

TEST_F(InodeTableTest, names_are_known_to_the_kernel_for_a_lease_term_at_least) {
  EXPECT_FALSE(table_.may_know_name(kDirectory, "a"));
  table_.name_given(kDirectory, "a", kNow);
  EXPECT_TRUE(table_.may_know_name(kDirectory, "a"));
  EXPECT_FALSE(table_.may_know_name(kDirectory, "b"));
  table_.name_given(kDirectory, "b", kNow + std::chrono::seconds(21));
  EXPECT_TRUE(table_.may_know_name(kDirectory, "a"));
  table_.name_given(kDirectory, "c", kNow + std::chrono::seconds(42));
  EXPECT_FALSE(table_.may_know_name(kDirectory, "a"));
  EXPECT_TRUE(table_.may_know_name(kDirectory, "b"));
}

TEST_F(InodeTableTest, counts_requests_that_keep_a_directory_locked) {
  EXPECT_FALSE(table_.is_changing(kDirectory));
  table_.begin_change(kDirectory);
  table_.begin_change(kDirectory);
  table_.end_change(kDirectory);
  EXPECT_TRUE(table_.is_changing(kDirectory));
  table_.end_change(kDirectory);
  EXPECT_FALSE(table_.is_changing(kDirectory));
  EXPECT_EQ(table_.size(), 0);
}

TEST_F(InodeTableTest, lists_what_the_kernel_may_hold) {
  table_.add_lookup(kDirectory, kLater);
  table_.add_lookup(InodeId(9), kNow);  // without a time-out
  auto file = open();
  const auto all = table_.all_known(kNow);
  ASSERT_EQ(all.size(), 2);
  for (const auto& [inode, known] : all) {
    EXPECT_EQ(known.may_have_pages, inode == kFile);
    EXPECT_EQ(known.has_attributes, inode == kDirectory);
  }
}

}  // namespace
}  // namespace shoal::fs
