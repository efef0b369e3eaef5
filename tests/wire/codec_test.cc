// SPDX-License-Identifier: MIT
#include "wire/codec.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/wire/message_filler.h"
#include "wire/limits.h"

namespace shoal::wire {
namespace {

using test::for_each_message;
using test::random_message;
using test::type_name;

constexpr std::uint64_t kSeed = 20260101;

Bytes concat(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes u32(std::uint32_t value) {
  Bytes bytes;
  for (int shift = 0; shift < 32; shift += 8)
    bytes.push_back(static_cast<std::byte>(value >> shift));
  return bytes;
}

template <class Message>
Errc error_of(ByteView bytes) {
  const auto decoded = decode<Message>(bytes);
  return decoded ? Errc{} : decoded.error().code();
}

TEST(CodecTest, every_message_survives_the_trip) {
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  base::Random random(kSeed);
  for_each_message([&random]<class Message>() {
    for (int round = 0; round < 50; ++round) {
      const auto message = random_message<Message>(random);
      const Bytes bytes = encode(message);
      const auto decoded = decode<Message>(bytes);
      ASSERT_TRUE(decoded) << type_name<Message>() << ": " << decoded.error().message();
      ASSERT_EQ(encode(*decoded), bytes) << type_name<Message>();
    }
  });
}

TEST(CodecTest, fields_arrive_as_they_were) {
  Create create;
  create.parent = InodeId(7);
  create.name = std::string("a\nb\xff\0c", 6);
  create.inode = InodeId(~std::uint64_t{0});
  create.kind = FileKind::symlink;
  create.mode = 0755;
  create.rdev = 1;
  create.target = "../x";
  create.delegate = true;
  const Operation operation{create, -5};
  const auto decoded = decode<Operation>(encode(operation));
  ASSERT_TRUE(decoded);
  const Create& got = std::get<Create>(decoded->change);
  EXPECT_EQ(got.parent, create.parent);
  EXPECT_EQ(got.name, create.name);
  EXPECT_EQ(got.inode, create.inode);
  EXPECT_EQ(got.kind, create.kind);
  EXPECT_EQ(got.mode, create.mode);
  EXPECT_EQ(got.target, create.target);
  EXPECT_TRUE(got.delegate);
  EXPECT_FALSE(got.orphan);
  EXPECT_EQ(decoded->time, -5);
}

TEST(CodecTest, a_message_cut_off_anywhere_is_corrupt) {
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  base::Random random(kSeed);
  for_each_message([&random]<class Message>() {
    const Bytes bytes = encode(random_message<Message>(random));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(error_of<Message>(ByteView(bytes).first(size)), Errc::corrupt)
          << type_name<Message>() << " cut at " << size;
    }
  });
}

TEST(CodecTest, bytes_left_over_are_corrupt) {
  base::Random random(kSeed);
  for_each_message([&random]<class Message>() {
    Bytes bytes = encode(random_message<Message>(random));
    bytes.push_back(std::byte{0});
    ASSERT_EQ(error_of<Message>(bytes), Errc::corrupt) << type_name<Message>();
  });
}

TEST(CodecTest, random_bytes_never_do_harm) {
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  base::Random random(kSeed);
  for_each_message([&random]<class Message>() {
    for (int round = 0; round < 200; ++round) {
      Bytes bytes = encode(random_message<Message>(random));
      if (bytes.empty()) return;
      for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
        bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
      }
      const auto decoded = decode<Message>(bytes);
      // What is accepted has one form only.
      if (decoded) ASSERT_EQ(encode(*decoded), bytes) << type_name<Message>();
    }
  });
}

TEST(CodecTest, requests_have_numbers_of_their_own) {
  std::set<std::uint16_t> seen;
  for_each_message([&seen]<class Message>() {
    if constexpr (requires { Message::kType; }) {
      EXPECT_TRUE(seen.insert(Message::kType).second) << type_name<Message>();
    }
  });
  EXPECT_EQ(seen.size(), 35u);
}

TEST(CodecTest, enumerators_that_do_not_exist_are_corrupt) {
  Attributes attributes;
  Bytes bytes = encode(attributes);
  for (const int kind : {0, 8, 255}) {
    bytes[0] = static_cast<std::byte>(kind);
    EXPECT_EQ(error_of<Attributes>(bytes), Errc::corrupt) << kind;
  }
  OperationReply reply;
  reply.error = Errc::exists;
  bytes = encode(reply);
  ASSERT_EQ(bytes[1], std::byte{3});
  bytes[1] = std::byte{0};
  EXPECT_EQ(error_of<OperationReply>(bytes), Errc::corrupt);
  bytes[1] = std::byte{base::kErrcMax + 1};
  EXPECT_EQ(error_of<OperationReply>(bytes), Errc::corrupt);
}

TEST(CodecTest, truth_values_other_than_0_and_1_are_corrupt) {
  Bytes bytes = encode(Unmount{true});
  bytes[0] = std::byte{2};
  EXPECT_EQ(error_of<Unmount>(bytes), Errc::corrupt);
}

TEST(CodecTest, an_unknown_kind_of_operation_is_corrupt) {
  Bytes bytes = encode(Operation{Rmdir{InodeId(1), "x"}, 0});
  ASSERT_EQ(bytes[0], std::byte{3});
  bytes[0] = std::byte{9};
  EXPECT_EQ(error_of<Operation>(bytes), Errc::corrupt);
}

struct ContentCase {
  const char* what;
  ContentRef content;
  bool is_valid;
};

TEST(CodecTest, contents_that_cannot_exist_are_corrupt) {
  const Digest root = base::sha256(as_bytes("x"));
  const ContentCase cases[] = {
      {"empty", {{Digest{}, 0}, 1 << 20}, true},
      {"largest file", {{root, base::kMaxFileBytes}, 16 << 20}, true},
      {"smallest chunk", {{root, 1}, 16 << 10}, true},
      {"longer than a file can be", {{root, base::kMaxFileBytes + 1}, 16 << 20}, false},
      {"2^64 - 1 bytes", {{root, ~std::uint64_t{0}}, 16 << 20}, false},
      {"empty with a root", {{root, 0}, 1 << 20}, false},
      {"chunk of 0", {{root, 1}, 0}, false},
      {"chunk below a block", {{root, 1}, 8 << 10}, false},
      {"chunk no power of two", {{root, 1}, 3 << 20}, false},
      {"chunk too large", {{root, 1}, 32 << 20}, false},
  };
  for (const ContentCase& each : cases) {
    EXPECT_EQ(decode<ContentRef>(encode(each.content)).has_value(), each.is_valid) << each.what;
    const Bytes within = encode(ChunkMap{each.content});
    EXPECT_EQ(decode<ChunkMap>(within).has_value(), each.is_valid) << each.what;
  }
}

TEST(CodecTest, counts_that_lie_are_corrupt) {
  const Bytes small(16, std::byte{0});
  for (const std::uint32_t count : {5u, 17u, 65'537u, 0x7fff'ffffu, 0xffff'ffffu}) {
    EXPECT_EQ(error_of<ReadBlocksReply>(concat({u32(count), small})), Errc::corrupt) << count;
    EXPECT_EQ(error_of<FindReply>(concat({u32(count), small})), Errc::corrupt) << count;
    EXPECT_EQ(error_of<Resolve>(concat({u32(count)})), Errc::corrupt) << count;
    EXPECT_EQ(error_of<MayDropReply>(concat({u32(count)})), Errc::corrupt) << count;
  }
}

TEST(CodecTest, lists_end_at_their_limits) {
  Member member;
  member.endpoints.resize(kMaxEndpoints);
  EXPECT_TRUE(decode<Member>(encode(member)));
  member.endpoints.resize(kMaxEndpoints + 1);
  EXPECT_EQ(error_of<Member>(encode(member)), Errc::corrupt);

  Mutate mutate;
  mutate.operations.resize(kMaxOperations);
  EXPECT_TRUE(decode<Mutate>(encode(mutate)));
  mutate.operations.resize(kMaxOperations + 1);
  EXPECT_EQ(error_of<Mutate>(encode(mutate)), Errc::corrupt);

  ReadBlocksReply blocks;
  blocks.leaves.resize(kMaxLayerEntries);
  EXPECT_TRUE(decode<ReadBlocksReply>(encode(blocks)));
  blocks.leaves.resize(kMaxLayerEntries + 1);
  EXPECT_EQ(error_of<ReadBlocksReply>(encode(blocks)), Errc::corrupt);

  MayDropReply flags;
  flags.may_drop.resize(kMaxListEntries + 1);
  EXPECT_EQ(error_of<MayDropReply>(encode(flags)), Errc::corrupt);
}

TEST(CodecTest, the_largest_honest_messages_fit_a_frame) {
  Publish publish;
  publish.layer.resize(kMaxLayerEntries);
  EXPECT_LT(encode(publish).size(), kMaxBodyBytes);
  DirectoryEntry entry;
  entry.name = std::string(kMaxNameBytes, 'x');
  entry.record.target = std::string(1024, 'y');
  const ReadDirectoryReply page{std::vector<DirectoryEntry>(kMaxDirectoryPage, entry), true, true};
  EXPECT_LT(encode(page).size(), kMaxBodyBytes);
}

struct NameCase {
  std::string name;
  Errc code;
};

TEST(CodecTest, names_are_one_component) {
  const NameCase cases[] = {
      {"a", Errc{}},
      {"...", Errc{}},
      {" \n\xff", Errc{}},
      {std::string(255, 'x'), Errc{}},
      {"", Errc::invalid},
      {".", Errc::invalid},
      {"..", Errc::invalid},
      {"a/b", Errc::invalid},
      {"/", Errc::invalid},
      {std::string("a\0b", 3), Errc::invalid},
      {std::string(256, 'x'), Errc::name_too_long},
  };
  for (const NameCase& each : cases) {
    const auto checked = check_name(each.name);
    EXPECT_EQ(checked ? Errc{} : checked.error().code(), each.code) << base::printable(each.name);
  }
}

}  // namespace
}  // namespace shoal::wire
