// SPDX-License-Identifier: MIT
#include "wire/identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace shoal::wire {
namespace {

TEST(IdentityTest, is_kept_in_a_file_that_only_its_owner_can_read) {
  const test::TempFolder folder;
  const std::string path = folder / "identity.pem";
  const auto made = Identity::load_or_create(path);
  ASSERT_TRUE(made) << made.error().message();
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  const auto loaded = Identity::load_or_create(path);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->id(), made->id());
  EXPECT_EQ(loaded->pem(), made->pem());
}

TEST(IdentityTest, is_different_each_time) {
  std::set<PeerId> seen;
  for (int i = 0; i < 5; ++i) {
    const auto made = Identity::generate();
    ASSERT_TRUE(made);
    EXPECT_TRUE(static_cast<bool>(made->id()));
    EXPECT_TRUE(seen.insert(made->id()).second);
  }
}

TEST(IdentityTest, a_missing_file_is_not_found_unless_it_may_be_made) {
  const test::TempFolder folder;
  EXPECT_EQ(Identity::load(folder / "none.pem").error().code(), Errc::not_found);
}

TEST(IdentityTest, a_key_that_others_can_read_is_refused) {
  const test::TempFolder folder;
  const std::string path = folder / "identity.pem";
  ASSERT_TRUE(Identity::load_or_create(path));
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const auto loaded = Identity::load_or_create(path);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), Errc::access_denied);
  EXPECT_NE(loaded.error().context().find("chmod 600"), std::string::npos);
}

TEST(IdentityTest, a_damaged_file_is_corrupt_and_stays_as_it_is) {
  const test::TempFolder folder;
  const auto good = Identity::generate();
  const auto other = Identity::generate();
  ASSERT_TRUE(good && other);
  const std::size_t certificate = good->pem().find("-----BEGIN CERT");
  const std::string cases[] = {
      "",
      "hello",
      good->pem().substr(0, certificate),
      good->pem().substr(certificate),
      good->pem().substr(0, certificate) +
          other->pem().substr(other->pem().find("-----BEGIN CERT")),
      good->pem().substr(0, 60) + "AAAA" + good->pem().substr(64),
      // A P-256 key: the right form, the wrong kind.
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n"
      "OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n"
      "1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n"
      "-----END PRIVATE KEY-----\n" +
          good->pem().substr(certificate),
  };
  for (const std::string& each : cases) {
    const std::string path = folder / "identity.pem";
    ASSERT_TRUE(base::write_whole(path, each));
    const auto loaded = Identity::load_or_create(path);
    ASSERT_FALSE(loaded) << each;
    EXPECT_EQ(loaded.error().code(), Errc::corrupt) << loaded.error().message();
    EXPECT_NE(loaded.error().context().find(path), std::string::npos);
    const auto content = base::read_whole(path, 1 << 20);
    ASSERT_TRUE(content);
    EXPECT_EQ(*content, each);
  }
}

}  // namespace
}  // namespace shoal::wire
