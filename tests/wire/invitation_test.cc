// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/random.h"
#include "wire/identity.h"

namespace shoal::wire {
namespace {

struct EndpointCase {
  const char* text;
  std::uint16_t default_port;
  const char* host;  ///< nullptr: invalid
  std::uint16_t port;
};

TEST(EndpointTest, addresses_are_understood_or_refused) {
  const EndpointCase cases[] = {
      {"10.0.0.1:7000", 0, "10.0.0.1", 7000},
      {"tracker.example.org:1", 0, "tracker.example.org", 1},
      {"a_b-c:65535", 0, "a_b-c", 65535},
      {"localhost", 7000, "localhost", 7000},
      {"localhost:7001", 7000, "localhost", 7001},
      {"[::1]:7000", 0, "::1", 7000},
      {"[fe80::1%eth0]:7000", 0, "fe80::1%eth0", 7000},
      {"[::1]", 7000, "::1", 7000},
      {"::1", 7000, "::1", 7000},
      {"::ffff:10.0.0.1", 7000, "::ffff:10.0.0.1", 7000},
      {"127.0.0.1:0", 0, "127.0.0.1", 0},
      {"", 7000, nullptr, 0},
      {":7000", 0, nullptr, 0},
      {"host", 0, nullptr, 0},
      {"::1", 0, nullptr, 0},
      {"[::1]", 0, nullptr, 0},
      {"[::1", 7000, nullptr, 0},
      {"[::1]7000", 0, nullptr, 0},
      {"[host]:7000", 0, nullptr, 0},
      {"host:", 7000, nullptr, 0},
      {"host:x", 0, nullptr, 0},
      {"host:70000", 0, nullptr, 0},
      {"host:-1", 0, nullptr, 0},
      {"host: 1", 0, nullptr, 0},
      {"ho st:1", 0, nullptr, 0},
      {"ho/st:1", 0, nullptr, 0},
      {"-host:1", 0, nullptr, 0},
      {"host\n:1", 0, nullptr, 0},
  };
  for (const EndpointCase& each : cases) {
    const auto parsed = Endpoint::parse(each.text, each.default_port);
    ASSERT_EQ(parsed.has_value(), each.host != nullptr) << each.text;
    if (!parsed) {
      EXPECT_EQ(parsed.error().code(), Errc::invalid) << each.text;
      continue;
    }
    EXPECT_EQ(parsed->host, each.host) << each.text;
    EXPECT_EQ(parsed->port, each.port) << each.text;
  }
  EXPECT_FALSE(Endpoint::parse(std::string(254, 'x') + ":1"));
}

TEST(EndpointTest, its_text_is_parsed_back) {
  for (const Endpoint& each :
       {Endpoint{"10.0.0.1", 1}, Endpoint{"a.b", 7000}, Endpoint{"::1", 9}}) {
    const auto parsed = Endpoint::parse(each.text());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, each);
  }
}

Invitation sample(base::Random& random) {
  Invitation invitation{{"tracker.example.org", 7000}, PeerId{}, Bytes(32)};
  random.fill(invitation.tracker_id.digest.bytes);
  random.fill(invitation.secret);
  return invitation;
}

TEST(InvitationTest, survives_the_trip) {
  base::Random random(3);
  for (const char* host : {"127.0.0.1", "::1", "fe80::1%eth0", "x"}) {
    Invitation invitation = sample(random);
    invitation.tracker.host = host;
    const std::string text = invitation.text();
    EXPECT_TRUE(text.starts_with("shoal-1-"));
    EXPECT_EQ(text.find_first_of(" \n/+="), std::string::npos) << "it is one word to select";
    const auto parsed = Invitation::parse("  " + text + "\r\n");
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->tracker, invitation.tracker);
    EXPECT_EQ(parsed->tracker_id, invitation.tracker_id);
    EXPECT_EQ(parsed->secret, invitation.secret);
  }
}

TEST(InvitationTest, its_form_never_changes) {
  Invitation invitation{{"10.0.0.1", 7000}, PeerId{base::sha256(as_bytes("tracker"))}, Bytes(32)};
  for (std::size_t i = 0; i < 32; ++i) invitation.secret[i] = static_cast<std::byte>(i);
  EXPECT_EQ(invitation.text(),
            "shoal-1-AXrkSVyD3XMjtxyUc53cekXf48tqhRwx_B0EDN1HztmFAAECAwQFBgcICQoLDA"
            "0ODxAREhMUFRYXGBkaGxwdHh9YGwgxMC4wLjAuMXP20y8");
}

TEST(InvitationTest, one_wrong_letter_is_noticed) {
  base::Random random(5);
  const std::string text = sample(random).text();
  for (std::size_t at = 8; at < text.size(); ++at) {
    std::string wrong = text;
    wrong[at] = wrong[at] == 'A' ? 'B' : 'A';
    const auto parsed = Invitation::parse(wrong);
    ASSERT_FALSE(parsed) << at;
    EXPECT_EQ(parsed.error().code(), Errc::invalid);
    EXPECT_NE(parsed.error().context().find("damaged"), std::string::npos) << at;
  }
  for (std::size_t size = 8; size < text.size(); ++size) {
    EXPECT_FALSE(Invitation::parse(std::string_view(text).substr(0, size))) << size;
  }
}

TEST(InvitationTest, says_what_is_wrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not an invitation"},
      {"hello", "not an invitation"},
      {"shoal-", "not an invitation"},
      {"shoal-1", "not an invitation"},
      {"shoal-x-abc", "not an invitation"},
      {"shoal-2-abc", "newer version 2"},
      {"shoal-12-", "newer version 12"},
      {"shoal-1-", "damaged"},
      {"shoal-1-abc", "damaged"},
      {"shoal-1-!!!!", "damaged"},
  };
  for (const auto& [text, why] : cases) {
    const auto parsed = Invitation::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().context().find(why), std::string::npos)
        << text << ": " << parsed.error().context();
  }
}

}  // namespace
}  // namespace shoal::wire
