// SPDX-License-Identifier: MIT
#include "cli/swarm_verbs.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/conflicts.h"

namespace shoal::cli {
namespace {

PeerId peer_of(int number) {
  PeerId peer;
  peer.digest.bytes[0] = static_cast<std::byte>(number);
  return peer;
}

wire::Holder holder_of(int number, bool online, bool complete, std::vector<int> bits = {}) {
  wire::Holder holder;
  holder.peer = peer_of(number);
  holder.online = online;
  holder.complete = complete;
  for (const int byte : bits) holder.chunks.push_back(static_cast<std::byte>(byte));
  return holder;
}

/// A content of three chunks.
wire::Located located(std::vector<wire::Holder> holders) {
  wire::Located located;
  located.content.chunk_bytes = base::kDefaultChunkBytes;
  located.content.id.size = 2 * base::kDefaultChunkBytes + 5;
  located.content.id.root.bytes[0] = std::byte{1};
  located.holders = std::move(holders);
  return located;
}

TEST(HealthWord, follows_holders_and_their_chunks) {
  EXPECT_EQ(health_word(located({holder_of(1, true, true), holder_of(2, true, true)}), 2),
            "healthy");
  EXPECT_EQ(health_word(located({holder_of(1, true, true), holder_of(2, false, true)}), 2),
            "under copies");
  EXPECT_EQ(health_word(located({holder_of(1, false, true)}), 2), "unavailable");
  EXPECT_EQ(health_word(located({}), 2), "lost");
  EXPECT_EQ(health_word(located({holder_of(1, true, false, {0x80})}), 1), "lost");
}

TEST(HealthWord, puts_partial_holders_together) {
  const auto first = [](bool online) { return holder_of(1, online, false, {0xC0}); };
  const wire::Holder second = holder_of(2, true, false, {0x20});
  EXPECT_EQ(health_word(located({first(true), second}), 1), "under copies");
  EXPECT_EQ(health_word(located({first(false), second}), 1), "unavailable");
}

TEST(HealthWord, needs_no_holder_for_an_empty_file) {
  EXPECT_EQ(health_word(wire::Located{}, 2), "healthy");
}

TEST(ChunksHeld, counts_bits_but_never_more_than_there_are) {
  EXPECT_EQ(chunks_held(holder_of(1, true, true), 3), 3U);
  EXPECT_EQ(chunks_held(holder_of(1, true, false, {0xA0}), 3), 2U);
  EXPECT_EQ(chunks_held(holder_of(1, true, false, {0xFF, 0xFF}), 3), 3U);
  EXPECT_EQ(chunks_held(holder_of(1, true, false), 3), 0U);
}

TEST(MemberNames, fall_back_to_the_identity) {
  wire::Member member;
  member.peer = peer_of(1);
  member.name = "attic\n";
  const MemberNames names = names_of({member});
  EXPECT_EQ(name_of(names, peer_of(1)), "attic\\x0a");
  EXPECT_EQ(name_of(names, peer_of(2)), "02000000");
}

TEST(Conflicts, are_names_of_that_form_in_order_of_time) {
  std::vector<wire::Found> found(4);
  found[0].path = "/docs/b.conflict-attic-20261121T081503.000Z";
  found[1].path = "/a.conflict-notes.txt";
  found[2].path = "/docs/x.conflict-cellar-20261121T081502.123Z";
  found[3].path = "/x.conflict-cellar-20261121T081502.123Z/inner";
  const auto conflicts = conflicts_in(found);
  ASSERT_EQ(conflicts.size(), 2U);
  EXPECT_EQ(conflicts[0].found, &found[2]);
  EXPECT_EQ(conflicts[0].kept.name, "x");
  EXPECT_EQ(conflicts[0].kept.peer, "cellar");
  EXPECT_EQ(conflicts[1].found, &found[0]);
}

TEST(ExitCode, follows_the_kind_of_error) {
  EXPECT_EQ(exit_code_for(Errc::not_found), ExitCode::not_found);
  EXPECT_EQ(exit_code_for(Errc::unreachable), ExitCode::unreachable);
  EXPECT_EQ(exit_code_for(Errc::unauthenticated), ExitCode::authentication);
  EXPECT_EQ(exit_code_for(Errc::invalid), ExitCode::usage);
  EXPECT_EQ(exit_code_for(Errc::canceled), ExitCode::interrupted);
  EXPECT_EQ(exit_code_for(Errc::io), ExitCode::failed);
}

}  // namespace
}  // namespace shoal::cli
