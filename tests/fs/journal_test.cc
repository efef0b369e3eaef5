// SPDX-License-Identifier: MIT
#include "fs/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "base/log.h"
#include "fs/journal_format.h"
#include "tests/support/temp_folder.h"

namespace shoal::fs {
namespace {

namespace format = journal_format;

wire::Operation make_directory(const std::string& name) {
  wire::Create create;
  create.parent = kRootInode;
  create.name = name;
  create.inode = InodeId(7);
  create.kind = wire::FileKind::directory;
  create.mode = 0755;
  return {.change = create, .time = 42};
}

std::string name_of(const wire::Operation& operation) {
  return std::get<wire::Create>(operation.change).name;
}

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<Journal> open(std::uint64_t rewrite_bytes = Journal::kRewriteBytes) {
    auto journal = Journal::open(path_, rewrite_bytes);
    EXPECT_TRUE(journal.has_value()) << journal.error().message();
    return journal ? std::move(*journal) : nullptr;
  }
  /// The names and numbers that the next daemon finds: "1:a 2:b".
  static std::string found(Journal& journal) {
    std::string text;
    for (const Journal::Entry& entry : journal.take_recovered()) {
      if (!text.empty()) text += ' ';
      text += std::to_string(entry.number) + ":" + name_of(entry.operation);
    }
    return text;
  }
  std::string reopened() { return found(*open()); }
  std::string content() { return *base::read_whole(path_, 1 << 30); }
  void write(const std::string& bytes) { ASSERT_TRUE(base::write_whole(path_, bytes).has_value()); }
  std::size_t set_aside_count() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("journal.corrupt-")) ++count;
    }
    return count;
  }
  /// A file of three operations, and where each of them ends.
  std::vector<std::size_t> fill() {
    auto journal = open();
    std::vector<std::size_t> ends;
    for (const std::uint64_t number : {3U, 4U, 9U}) {
      EXPECT_TRUE(journal->append(number, make_directory("n" + std::to_string(number))));
      ends.push_back(journal->file_bytes());
    }
    return ends;
  }

  test::TempFolder folder_;
  std::string path_ = folder_ / "journal";
};

TEST_F(JournalTest, a_new_file_is_private_and_empty) {
  auto journal = open();
  EXPECT_EQ(found(*journal), "");
  EXPECT_EQ(journal->last_number(), 0u);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(static_cast<std::size_t>(status.st_size), format::kHeaderBytes);
}

TEST_F(JournalTest, what_was_appended_is_found_after_a_restart_with_all_its_fields) {
  const wire::Operation operation = make_directory("name");
  ASSERT_TRUE(open()->append(5, operation).has_value());
  const auto entries = open()->take_recovered();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].number, 5u);
  EXPECT_EQ(entries[0].operation.time, 42);
  const auto& create = std::get<wire::Create>(entries[0].operation.change);
  EXPECT_EQ(create.inode, InodeId(7));
  EXPECT_EQ(create.mode, 0755u);
  EXPECT_EQ(create.kind, wire::FileKind::directory);
}

TEST_F(JournalTest, two_restarts_keep_what_both_daemons_left) {
  fill();
  {
    auto journal = open();
    EXPECT_EQ(found(*journal), "3:n3 4:n4 9:n9");
    EXPECT_EQ(journal->last_number(), 9u);
    ASSERT_TRUE(journal->append(10, make_directory("n10")).has_value());
    ASSERT_TRUE(journal->applied(3).has_value());
  }
  auto journal = open();
  EXPECT_EQ(found(*journal), "3:n3 4:n4 9:n9 10:n10") << "applied ones are cut off in time only";
  ASSERT_TRUE(journal->applied(10).has_value());
  EXPECT_EQ(reopened(), "");
  EXPECT_EQ(content().size(), format::kHeaderBytes);
}

TEST_F(JournalTest, a_file_torn_at_any_byte_gives_the_whole_records_before_it) {
  const std::vector<std::size_t> ends = fill();
  const std::string whole = content();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(whole.substr(0, length));
    auto journal = open();
    std::string expected;
    if (length >= ends[0]) expected = "3:n3";
    if (length >= ends[1]) expected = "3:n3 4:n4";
    EXPECT_EQ(found(*journal), expected) << "length " << length;
    ASSERT_TRUE(journal->append(20, make_directory("n20")).has_value());
    expected += expected.empty() ? "20:n20" : " 20:n20";
    EXPECT_EQ(reopened(), expected) << "length " << length;
  }
  EXPECT_EQ(set_aside_count(), 0u);
}

TEST_F(JournalTest, an_end_of_zeros_counts_as_torn) {
  fill();
  write(content() + std::string(5000, '\0'));
  EXPECT_EQ(reopened(), "3:n3 4:n4 9:n9");
  EXPECT_EQ(set_aside_count(), 0u);
}

TEST_F(JournalTest, damage_at_any_byte_of_a_middle_record_sets_the_file_aside) {
  const std::vector<std::size_t> ends = fill();
  const std::string whole = content();
  for (std::size_t at = ends[0]; at < ends[1]; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    write(damaged);
    EXPECT_EQ(reopened(), "3:n3") << "byte " << at;
    EXPECT_EQ(set_aside_count(), 1u) << "byte " << at;
    EXPECT_EQ(reopened(), "3:n3") << "byte " << at;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename() == "journal") continue;
      EXPECT_EQ(*base::read_whole(entry.path(), 1 << 30), damaged);
      std::filesystem::remove(entry.path());
    }
  }
}

TEST_F(JournalTest, a_file_of_something_else_is_set_aside_whole) {
  write("these are not the bytes of a journal, whoever wrote them");
  EXPECT_EQ(reopened(), "");
  EXPECT_EQ(set_aside_count(), 1u);
}

TEST_F(JournalTest, a_file_of_another_version_is_left_alone) {
  fill();
  std::string other = content();
  other[8] = 99;
  write(other);
  const auto journal = Journal::open(path_);
  ASSERT_FALSE(journal.has_value());
  EXPECT_EQ(journal.error().code(), Errc::version_mismatch);
  EXPECT_EQ(content(), other);
}

TEST_F(JournalTest, a_full_disk_leaves_the_file_as_it_was) {
  fill();
  auto journal = open();
  const std::string before = content();
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  for (std::size_t room = 0; room < 60; room += 7) {
    rlimit limit = old_limit;
    limit.rlim_cur = before.size() + room;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const Result<void> appended = journal->append(10, make_directory("does not fit"));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
    EXPECT_FALSE(appended.has_value());
    EXPECT_EQ(content(), before);
  }
  std::signal(SIGXFSZ, old_handler);
  ASSERT_TRUE(journal->append(10, make_directory("fits")).has_value());
  EXPECT_EQ(reopened(), "3:n3 4:n4 9:n9 10:fits");
}

TEST_F(JournalTest, an_operation_that_is_too_large_is_refused) {
  wire::SetXattr set;
  set.inode = InodeId(7);
  set.name = "user.large";
  set.value.resize(format::kMaxRecordBytes);
  auto journal = open();
  EXPECT_EQ(journal->append(1, {.change = set}).error().code(), Errc::too_large);
  EXPECT_EQ(reopened(), "");
}

TEST_F(JournalTest, a_long_file_is_written_anew_without_what_is_through) {
  auto journal = open(4096);
  std::uint64_t longest = 0;
  for (std::uint64_t number = 1; number <= 1000; ++number) {
    ASSERT_TRUE(journal->append(number, make_directory("n" + std::to_string(number))).has_value());
    if (number > 3) ASSERT_TRUE(journal->applied(number - 3).has_value());
    longest = std::max(longest, journal->file_bytes());
  }
  EXPECT_LT(longest, 4096u + 200u);
  auto next = open();
  const auto entries = next->take_recovered();
  ASSERT_GE(entries.size(), 3u);
  EXPECT_EQ(entries.back().number, 1000u);
  EXPECT_EQ(entries[entries.size() - 3].number, 998u);
  ASSERT_TRUE(next->append(1001, make_directory("more")).has_value());
  EXPECT_TRUE(next->applied(1001).has_value());
  EXPECT_EQ(reopened(), "");
}

TEST_F(JournalTest, without_a_path_nothing_is_written) {
  auto journal = Journal::open("");
  ASSERT_TRUE(journal.has_value());
  EXPECT_TRUE((*journal)->append(1, make_directory("a")).has_value());
  EXPECT_TRUE((*journal)->applied(1).has_value());
  EXPECT_EQ((*journal)->last_number(), 1u);
}

}  // namespace
}  // namespace shoal::fs
