// SPDX-License-Identifier: MIT
// The bytes of version 1 of the protocol. When this test fails, messages of older programs are not
// understood any more: add a protocol version instead. A new message is added to the file by
// running this test with SHOAL_UPDATE_GOLDEN=1.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/hash.h"
#include "tests/support/temp_folder.h"
#include "tests/wire/message_filler.h"
#include "wire/codec.h"

namespace shoal::wire {
namespace {

constexpr const char* kFile = "tests/golden/wire_v1.txt";

/// Name of the message, then its bytes in hexadecimal; "-" when there are none.
std::map<std::string, std::string> read_golden() {
  std::map<std::string, std::string> golden;
  std::ifstream file(test::source_path(kFile));
  std::string name, hex;
  while (file >> name >> hex) golden[name] = hex == "-" ? "" : hex;
  return golden;
}

/// The same instance for ever: seeded by the message's name alone.
template <class Message>
Message golden_message() {
  const Digest digest = base::sha256(as_bytes(test::type_name<Message>()));
  base::Random random(std::hash<Digest>{}(digest));
  return test::random_message<Message>(random, 2, 12);
}

TEST(CodecGoldenTest, messages_have_the_bytes_they_always_had) {
  const auto golden = read_golden();
  std::map<std::string, std::string> now;
  test::for_each_message([&]<class Message>() {
    const std::string name = test::type_name<Message>();
    now[name] = base::to_hex(encode(golden_message<Message>()));
    const auto known = golden.find(name);
    if (known == golden.end()) return;
    EXPECT_EQ(now[name], known->second) << name;
    const auto bytes = base::from_hex(known->second);
    ASSERT_TRUE(bytes) << name;
    EXPECT_TRUE(decode<Message>(*bytes)) << name;
  });
  if (std::getenv("SHOAL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream file(test::source_path(kFile));
    for (const auto& [name, hex] : now) file << name << ' ' << (hex.empty() ? "-" : hex) << '\n';
    return;
  }
  for (const auto& [name, hex] : now) EXPECT_TRUE(golden.contains(name)) << name << " is missing";
  for (const auto& [name, hex] : golden) EXPECT_TRUE(now.contains(name)) << name << " is gone";
}

/// One message written out by hand from docs/wire.md, so that not only we agree with ourselves.
TEST(CodecGoldenTest, a_lookup_reply_is_laid_out_as_documented) {
  LookupReply reply;
  InodeRecord& record = reply.record.emplace();
  record.inode = InodeId(0x0102);
  record.attributes.kind = FileKind::directory;
  record.attributes.mode = 0755;
  record.attributes.nlink = 2;
  record.attributes.uid = 1000;
  record.attributes.gid = 1001;
  record.attributes.size = 3;
  record.attributes.mtime = -1;
  record.version = 9;
  record.target = "t";
  record.cacheable = true;
  reply.cacheable = true;
  const std::string expected =
      "01"                                                                // there is a record
      "0201000000000000"                                                  // inode
      "02"                                                                // directory
      "ed010000"                                                          // mode 0755
      "02000000"                                                          // links
      "e8030000"                                                          // uid
      "e9030000"                                                          // gid
      "0000000000000000"                                                  // rdev
      "0300000000000000"                                                  // size
      "0000000000000000"                                                  // allocated
      "0000000000000000"                                                  // atime
      "ffffffffffffffff"                                                  // mtime
      "0000000000000000"                                                  // ctime
      "0000000000000000000000000000000000000000000000000000000000000000"  // root
      "0000000000000000"                                                  // content's size
      "00001000"                                                          // chunk of 1 MiB
      "0900000000000000"                                                  // version
      "0100000074"                                                        // target
      "00"                                                                // no xattrs
      "01"                                                                // cacheable
      "00"                                                                // not delegated
      "01";                                                               // the name is cacheable
  EXPECT_EQ(base::to_hex(encode(reply)), expected);
}

}  // namespace
}  // namespace shoal::wire
