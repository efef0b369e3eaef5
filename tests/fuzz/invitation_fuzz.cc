// SPDX-License-Identifier: MIT
// Invitations and addresses, as people paste them.
#include <cstdint>

#include "base/check.h"
#include "wire/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using shoal::wire::Endpoint;
  using shoal::wire::Invitation;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto invitation = Invitation::parse(text);
  if (invitation) {
    const auto again = Invitation::parse(invitation->text());
    CHECK(again.has_value());
    CHECK(again->tracker == invitation->tracker && again->secret == invitation->secret);
  }
  for (const std::uint16_t default_port : {std::uint16_t{0}, std::uint16_t{7000}}) {
    const auto endpoint = Endpoint::parse(text, default_port);
    if (!endpoint) continue;
    const auto again = Endpoint::parse(endpoint->text());
    CHECK(again.has_value() && *again == *endpoint);
  }
  return 0;
}
