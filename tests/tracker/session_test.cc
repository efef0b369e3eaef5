// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "tests/tracker/rig.h"

namespace shoal::tracker {
namespace {

class Membership : public testing::Test {
 protected:
  Rig rig;
  PeerId stranger{base::sha256(as_bytes("stranger"))};

  template <class R>
  Result<typename R::Reply> ask(ConnectionId connection, R request) {
    const Token token = rig.next_token();
    rig.run({Request{connection, token, std::move(request)}});
    auto& reply = rig.replies.at(token);
    if (!reply) return pass(reply);
    return std::get<typename R::Reply>(*reply);
  }
};

TEST_F(Membership, an_invitation_works_once) {
  auto invited = rig.control(wire::Invite{});
  ASSERT_TRUE(invited);
  const Bytes secret = invited->invitation.secret;
  EXPECT_EQ(secret.size(), 32U);
  const ConnectionId connection = rig.connect(stranger);
  EXPECT_EQ(ask(connection, wire::Join{Bytes(32), "x"}).error().code(), Errc::unauthenticated);
  EXPECT_EQ(ask(connection, wire::Join{secret, "bad\nname"}).error().code(), Errc::invalid);
  EXPECT_TRUE(ask(connection, wire::Join{secret, "x"}));
  EXPECT_EQ(ask(connection, wire::Join{secret, "x"}).error().code(), Errc::unauthenticated);
}

TEST_F(Membership, an_invitation_expires) {
  auto invited = rig.control(wire::Invite{1'000'000'000});
  rig.advance(std::chrono::seconds(2));
  const ConnectionId connection = rig.connect(stranger);
  EXPECT_EQ(ask(connection, wire::Join{invited->invitation.secret, "x"}).error().code(),
            Errc::unauthenticated);
}

TEST_F(Membership, a_stranger_may_only_join) {
  const ConnectionId connection = rig.connect(stranger);
  EXPECT_EQ(ask(connection, wire::Lookup{kRootInode, "x"}).error().code(), Errc::unauthenticated);
  EXPECT_EQ(ask(connection, wire::Status{}).error().code(), Errc::unauthenticated);
  EXPECT_EQ(ask(connection, wire::Invite{}).error().code(), Errc::unauthenticated);
  wire::OpenSession open;
  open.name = "x";
  EXPECT_EQ(ask(connection, open).error().code(), Errc::unauthenticated);
}

TEST_F(Membership, only_the_control_socket_invites) {
  TestPeer& a = rig.join("a");
  EXPECT_EQ(a.call(wire::Invite{}).error().code(), Errc::unsupported);
  EXPECT_EQ(rig.control(wire::Lookup{kRootInode, "x"}).error().code(), Errc::unsupported);
}

TEST_F(Membership, members_learn_of_each_other) {
  TestPeer& a = rig.join("a");
  a.inbox.clear();
  TestPeer& b = rig.join("b");
  const auto last = [&a] { return std::get<wire::Members>(a.inbox.back().message).members; };
  ASSERT_EQ(last().size(), 2U);
  EXPECT_EQ(last()[1].peer, b.id);
  EXPECT_TRUE(last()[1].online);
  EXPECT_EQ(last()[1].endpoints.size(), 1U);
  b.disconnect(true);
  EXPECT_FALSE(last()[1].online);
}

TEST_F(Membership, a_new_session_ends_the_older_one) {
  TestPeer& a = rig.join("a");
  const SessionId old = a.session.session;
  a.open();
  EXPECT_NE(a.session.session, old);
  wire::OpenSession resume;
  resume.name = "a";
  resume.resume = old;
  EXPECT_EQ(a.call(resume).error().code(), Errc::stale);
}

TEST_F(Membership, nobody_resumes_the_session_of_another) {
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  wire::OpenSession resume;
  resume.name = "b";
  resume.resume = a.session.session;
  EXPECT_EQ(b.call(resume).error().code(), Errc::stale);
}

TEST_F(Membership, a_reconnect_takes_the_session_along) {
  TestPeer& a = rig.join("a");
  const ConnectionId old = a.connection;
  a.open(true);
  EXPECT_TRUE(a.session.resumed);
  EXPECT_TRUE(rig.disconnected.contains(old));
  rig.run({Disconnected{old, true}});  // of no meaning any more
  EXPECT_TRUE(a.lookup(kRootInode, "x"));
}

TEST_F(Membership, closing_gives_everything_up) {
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "file", true}));
  ASSERT_TRUE(a.call(wire::CloseSession{}));
  EXPECT_FALSE(b.get(file));
  EXPECT_EQ(rig.store().sessions().size(), 1U);
}

TEST_F(Membership, numbers_of_inodes_are_given_out_once) {
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
  auto one = a.call(wire::AllocateInodes{});
  auto two = b.call(wire::AllocateInodes{});
  rig.restart();
  a.open(true);
  auto three = a.call(wire::AllocateInodes{});
  EXPECT_EQ(two->first.value(), one->first.value() + one->count);
  EXPECT_EQ(three->first.value(), two->first.value() + two->count);
}

class Restart : public Membership {
 protected:
  TestPeer& a = rig.join("a");
  TestPeer& b = rig.join("b");
};

TEST_F(Restart, nothing_is_changed_or_told_until_every_session_is_back) {
  const InodeId file = *a.create(kRootInode, "file");
  const InodeId d = *a.mkdir(kRootInode, "d");
  const std::uint64_t boot = a.session.tracker_boot;
  rig.restart();
  a.open(true);
  EXPECT_NE(a.session.tracker_boot, boot);
  const Token change = a.send_change(a.creation(kRootInode, "x"));
  const Token read = a.send(wire::GetInode{file, false});
  const Token found = a.send(wire::Lookup{kRootInode, "d"});
  const Token listed = a.send(wire::ReadDirectory{kRootInode, "", 0});
  const Token told = a.send(wire::GetXattrs{d});
  const Token parent = a.send(wire::GetParent{d});
  EXPECT_FALSE(a.result<wire::Mutate>(change));
  EXPECT_FALSE(a.result<wire::GetInode>(read));  // b might be writing to it
  EXPECT_FALSE(a.result<wire::Lookup>(found));   // or have it in its journal
  EXPECT_FALSE(a.result<wire::ReadDirectory>(listed));
  EXPECT_FALSE(a.result<wire::GetXattrs>(told));
  EXPECT_FALSE(a.result<wire::GetParent>(parent));
  b.open(true);
  EXPECT_TRUE(a.change_result(change));
  EXPECT_TRUE(a.result<wire::GetInode>(read));
  EXPECT_TRUE(*a.result<wire::Lookup>(found));
  EXPECT_TRUE(*a.result<wire::ReadDirectory>(listed));
  EXPECT_TRUE(*a.result<wire::GetXattrs>(told));
  EXPECT_TRUE(*a.result<wire::GetParent>(parent));
}

TEST_F(Restart, a_session_that_does_not_come_back_is_waited_for_one_term) {
  rig.restart();
  a.open(true);
  const Token change = a.send_change(a.creation(kRootInode, "x"));
  rig.advance(wire::kLeaseTerm - std::chrono::seconds(1));
  ASSERT_TRUE(a.call(wire::Heartbeat{a.capacity}));
  rig.tick();
  EXPECT_FALSE(a.result<wire::Mutate>(change));
  rig.advance(std::chrono::seconds(2));
  rig.tick();
  EXPECT_TRUE(a.change_result(change));
  EXPECT_EQ(rig.store().sessions().size(), 1U);
}

TEST_F(Restart, a_peer_that_begins_anew_is_back_as_well) {
  rig.restart();
  a.open(true);
  b.open(false);
  EXPECT_TRUE(a.create(kRootInode, "x"));
}

TEST_F(Restart, delegations_are_claimed_again) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  rig.restart();
  a.open(true, {{file, 0}, {InodeId(8'888'888), 0}});
  b.open(true);
  EXPECT_TRUE(a.get(file)->delegated);
  EXPECT_TRUE(a.publish(file, 0, made_up_content(1)));
}

TEST_F(Restart, delegations_of_older_versions_are_not) {
  const InodeId file = *a.create(kRootInode, "file", wire::FileKind::regular, true);
  ASSERT_TRUE(a.publish(file, 0, made_up_content(1)));
  rig.restart();
  a.open(true, {{file, 0}});
  b.open(true);
  EXPECT_FALSE(a.get(file)->delegated);
}

TEST_F(Restart, files_that_were_open_before_are_still_asked_about) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  b.open_files = {file};
  rig.restart();
  a.open(true);
  b.open(true);
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "file", false}));
  EXPECT_TRUE(b.get(file));
}

TEST_F(Restart, files_made_since_are_nobody_elses_business) {
  rig.restart();
  a.open(true);
  b.open(true);
  auto range = a.call(wire::AllocateInodes{});
  wire::Create create = a.creation(kRootInode, "new");
  create.inode = range->first;
  ASSERT_TRUE(a.change(create));
  b.dropped.clear();
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "new", false}));
  EXPECT_TRUE(b.dropped.empty());
}

TEST_F(Restart, a_full_disk_does_not_keep_ended_sessions_from_going) {
  rig.memory().fail_next_commit(Error(Errc::no_space, "full"));
  b.disconnect(true);
  EXPECT_TRUE(a.lookup(kRootInode, "x"));
  EXPECT_EQ(rig.store().sessions().size(), 2U);
  rig.advance(std::chrono::seconds(2));
  rig.tick();
  EXPECT_EQ(rig.store().sessions().size(), 1U);
}

TEST_F(Restart, orphans_of_sessions_that_never_return_are_removed) {
  const InodeId file = *b.create(kRootInode, "file");
  ASSERT_TRUE(b.change(wire::Unlink{kRootInode, "file", true}));
  rig.restart();
  a.open(true);
  rig.advance(wire::kLeaseTerm);
  ASSERT_TRUE(a.call(wire::Heartbeat{a.capacity}));
  rig.tick();
  EXPECT_FALSE(a.get(file));
}

TEST_F(Restart, a_peer_that_lost_its_session_is_asked_about_orphans) {
  const InodeId file = *a.create(kRootInode, "file");
  ASSERT_TRUE(b.lookup(kRootInode, "file"));
  b.open_files = {file};
  rig.advance(wire::kLeaseTerm);
  ASSERT_TRUE(a.call(wire::Heartbeat{a.capacity}));
  rig.tick();
  b.open();
  ASSERT_TRUE(a.change(wire::Unlink{kRootInode, "file", false}));
  EXPECT_TRUE(b.get(file));
}

}  // namespace
}  // namespace shoal::tracker
