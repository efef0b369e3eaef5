// SPDX-License-Identifier: MIT
#include "base/sqlite.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal::base {
namespace {

class SqliteTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(folder_ / "test.db", {});
    ASSERT_TRUE(opened) << opened.error().message();
    database_ = std::move(*opened);
    ASSERT_TRUE(
        database_->execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB) STRICT;"
                           "CREATE TABLE names (name TEXT UNIQUE) STRICT;"));
  }

  Result<void> insert(std::int64_t key, ByteView value) {
    return database_->prepared("INSERT INTO t VALUES (?, ?)").bind(1, key).bind(2, value).run();
  }

  std::int64_t row_count() {
    Statement& query = database_->prepared("SELECT count(*) FROM t");
    EXPECT_TRUE(query.step().value());
    const std::int64_t count = query.integer(0);
    query.reset();
    return count;
  }

  test::TempFolder folder_;
  std::unique_ptr<Database> database_;
};

TEST_F(SqliteTest, brings_back_exact_values) {
  const Bytes bytes = {std::byte{0}, std::byte{255}, std::byte{10}};
  ASSERT_TRUE(insert(std::numeric_limits<std::int64_t>::min(), bytes));
  Statement& query = database_->prepared("SELECT k, v, NULL FROM t");
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.integer(0), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(query.unsigned_integer(0), std::uint64_t{1} << 63);
  EXPECT_EQ(Bytes(query.blob(1).begin(), query.blob(1).end()), bytes);
  EXPECT_TRUE(query.is_null(2));
  EXPECT_FALSE(query.step().value());
}

TEST_F(SqliteTest, empty_text_and_blobs_are_not_null) {
  ASSERT_TRUE(insert(1, ByteView{}));
  ASSERT_TRUE(
      database_->prepared("INSERT INTO names VALUES (?)").bind(1, std::string_view{}).run());
  Statement& blob = database_->prepared("SELECT v FROM t");
  ASSERT_TRUE(blob.step().value());
  EXPECT_FALSE(blob.is_null(0));
  Statement& text = database_->prepared("SELECT name FROM names");
  ASSERT_TRUE(text.step().value());
  EXPECT_FALSE(text.is_null(0));
  EXPECT_EQ(text.text(0), "");
}

TEST_F(SqliteTest, text_keeps_nul_bytes) {
  const std::string_view name("a\0b", 3);
  ASSERT_TRUE(database_->prepared("INSERT INTO names VALUES (?)").bind(1, name).run());
  Statement& query = database_->prepared("SELECT name FROM names");
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.text(0), name);
}

TEST_F(SqliteTest, a_broken_constraint_is_exists) {
  ASSERT_TRUE(insert(1, {}));
  const auto again = insert(1, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::exists);
  EXPECT_TRUE(insert(2, {})) << "the statement must work after an error";
}

TEST_F(SqliteTest, a_transaction_rolls_back_unless_committed) {
  {
    auto transaction = Transaction::begin(*database_);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(insert(1, {}));
  }
  EXPECT_FALSE(database_->in_transaction());
  EXPECT_EQ(row_count(), 0);
  {
    auto transaction = Transaction::begin(*database_);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(insert(1, {}));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(row_count(), 1);
}

TEST_F(SqliteTest, rolls_back_with_a_query_under_way) {
  ASSERT_TRUE(insert(1, {}));
  ASSERT_TRUE(insert(2, {}));
  ASSERT_TRUE(database_->begin());
  Statement& query = database_->prepared("SELECT k FROM t");
  ASSERT_TRUE(query.step().value());
  database_->rollback();
  EXPECT_FALSE(database_->in_transaction());
}

TEST_F(SqliteTest, counts_changes_and_rows) {
  ASSERT_TRUE(insert(5, {}));
  EXPECT_EQ(database_->last_insert_rowid(), 5);
  EXPECT_EQ(database_->changes(), 1);
}

TEST_F(SqliteTest, keeps_the_schema_number) {
  EXPECT_EQ(database_->user_version().value(), 0);
  ASSERT_TRUE(database_->set_user_version(7));
  database_.reset();
  auto again = Database::open(folder_ / "test.db", {});
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->user_version().value(), 7);
}

TEST_F(SqliteTest, enforces_foreign_keys) {
  ASSERT_TRUE(database_->execute("CREATE TABLE child (k INTEGER REFERENCES t(k)) STRICT"));
  const auto orphan = database_->execute("INSERT INTO child VALUES (99)");
  ASSERT_FALSE(orphan);
  EXPECT_EQ(orphan.error().code(), Errc::exists);
}

TEST_F(SqliteTest, a_backup_is_a_whole_database) {
  ASSERT_TRUE(insert(1, as_bytes("x")));
  ASSERT_TRUE(database_->backup_to(folder_ / "copy.db"));
  auto copy = Database::open(folder_ / "copy.db", {.create = false});
  ASSERT_TRUE(copy);
  EXPECT_TRUE((*copy)->integrity_check());
  Statement& query = (*copy)->prepared("SELECT count(*) FROM t");
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.integer(0), 1);
}

TEST_F(SqliteTest, read_only_refuses_writes) {
  auto opened = Database::open(folder_ / "test.db", {.read_only = true});
  ASSERT_TRUE(opened) << opened.error().message();
  const auto written = (*opened)->execute("INSERT INTO t VALUES (1, NULL)");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Errc::read_only);
}

TEST(SqliteOpenTest, says_that_a_file_is_no_database) {
  test::TempFolder folder;
  ASSERT_TRUE(write_whole(folder / "x.db", std::string(4096, 'x')));
  const auto opened = Database::open(folder / "x.db", {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::corrupt);
  EXPECT_NE(opened.error().context().find("x.db"), std::string::npos);
}

TEST(SqliteOpenTest, says_that_there_is_no_file) {
  test::TempFolder folder;
  const auto opened = Database::open(folder / "none/x.db", {});
  ASSERT_FALSE(opened);
  const auto not_created = Database::open(folder / "x.db", {.create = false});
  ASSERT_FALSE(not_created);
}

TEST(SqliteOpenTest, a_damaged_database_gives_errors_and_no_crash) {
  test::TempFolder folder;
  {
    auto opened = Database::open(folder / "x.db", {});
    ASSERT_TRUE(opened);
    ASSERT_TRUE((*opened)->execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) STRICT"));
    for (std::int64_t i = 0; i < 500; ++i) {
      ASSERT_TRUE(
          (*opened)->prepared("INSERT INTO t VALUES (?, ?)").bind(1, i).bind(2, "some text").run());
    }
  }
  std::string content = read_whole(folder / "x.db", 1 << 20).value();
  ASSERT_GT(content.size(), 8192u);
  content.replace(4096, content.size() - 4096, content.size() - 4096, '\xee');
  ASSERT_TRUE(write_whole(folder / "x.db", content));
  auto opened = Database::open(folder / "x.db", {});
  ASSERT_TRUE(opened) << "the schema page is whole";
  const auto row = (*opened)->prepared("SELECT count(v) FROM t").step();
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code(), Errc::corrupt);
  EXPECT_EQ((*opened)->integrity_check().error().code(), Errc::corrupt);
}

}  // namespace
}  // namespace shoal::base
