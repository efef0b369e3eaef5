// SPDX-License-Identifier: MIT
#include "peerd/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace shoal::peerd {
namespace {

using cache::Urgency;
using Tickets = std::vector<Admission::Ticket>;

constexpr Admission::Limits kLimits{100, 80, 50};

TEST(Admission, lets_in_up_to_the_limit_of_the_urgency) {
  Admission admission(kLimits);
  EXPECT_TRUE(admission.enter(1, 50, Urgency::replica));
  EXPECT_FALSE(admission.enter(2, 1, Urgency::replica));
  EXPECT_TRUE(admission.enter(3, 30, Urgency::readahead));
  EXPECT_FALSE(admission.enter(4, 1, Urgency::readahead));
  EXPECT_TRUE(admission.enter(5, 20, Urgency::reader));
  EXPECT_FALSE(admission.enter(6, 1, Urgency::reader));
}

TEST(Admission, lets_a_request_above_its_limit_in_when_nothing_is_under_way) {
  Admission admission(kLimits);
  EXPECT_TRUE(admission.enter(1, 1000, Urgency::replica));
  EXPECT_FALSE(admission.enter(2, 1, Urgency::reader));
  admission.leave(1000);
  EXPECT_EQ(admission.let_in(), Tickets{2});
}

TEST(Admission, serves_the_most_urgent_first_then_the_oldest) {
  Admission admission({10, 10, 10});
  EXPECT_TRUE(admission.enter(1, 10, Urgency::replica));
  EXPECT_FALSE(admission.enter(2, 1, Urgency::replica));
  EXPECT_FALSE(admission.enter(3, 1, Urgency::readahead));
  EXPECT_FALSE(admission.enter(4, 1, Urgency::reader));
  EXPECT_FALSE(admission.enter(5, 1, Urgency::readahead));
  admission.leave(10);
  EXPECT_EQ(admission.let_in(), (Tickets{4, 3, 5, 2}));
}

TEST(Admission, does_not_overtake_a_large_request_with_small_ones_behind_it) {
  Admission admission({10, 10, 10});
  EXPECT_TRUE(admission.enter(1, 8, Urgency::reader));
  EXPECT_FALSE(admission.enter(2, 9, Urgency::reader));
  EXPECT_FALSE(admission.enter(3, 1, Urgency::reader));
  EXPECT_TRUE(admission.let_in().empty());
  admission.leave(8);
  EXPECT_EQ(admission.let_in(), (Tickets{2, 3}));
}

TEST(Admission, moves_a_promoted_request_forward) {
  Admission admission({10, 10, 10});
  EXPECT_TRUE(admission.enter(1, 10, Urgency::reader));
  EXPECT_FALSE(admission.enter(2, 1, Urgency::readahead));
  EXPECT_FALSE(admission.enter(3, 1, Urgency::replica));
  admission.promote(3, Urgency::reader);
  admission.leave(10);
  EXPECT_EQ(admission.let_in(), (Tickets{3, 2}));
}

TEST(Admission, never_demotes) {
  Admission admission({10, 10, 10});
  EXPECT_TRUE(admission.enter(1, 10, Urgency::reader));
  EXPECT_FALSE(admission.enter(2, 1, Urgency::reader));
  EXPECT_FALSE(admission.enter(3, 1, Urgency::reader));
  admission.promote(2, Urgency::replica);
  admission.leave(10);
  EXPECT_EQ(admission.let_in(), (Tickets{2, 3}));
}

TEST(Admission, forgets_who_gave_up_waiting) {
  Admission admission({10, 10, 10});
  EXPECT_TRUE(admission.enter(1, 10, Urgency::reader));
  EXPECT_FALSE(admission.enter(2, 10, Urgency::reader));
  EXPECT_FALSE(admission.enter(3, 1, Urgency::reader));
  admission.withdraw(2);
  admission.leave(10);
  EXPECT_EQ(admission.let_in(), Tickets{3});
  EXPECT_EQ(admission.bytes(), 1u);
  EXPECT_EQ(admission.waiting(), 0u);
}

}  // namespace
}  // namespace shoal::peerd
