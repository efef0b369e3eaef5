// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "tracker/delegations.h"
#include "tracker/ops/plan.h"

namespace shoal::tracker {

/// What is left of an operation whose delegation was lost before it was sent.
struct Detached {
  wire::Change change;
  std::string renamed_to;  ///< the name used instead of the operation's; empty: that one
};

/// The table of docs/coherence.md, "The journal": the change as it fits the present state, to be
/// checked and applied like any other. Changes nothing.
/// Errors: conflict (it would take away what others have changed since).
Result<Detached> fit_detached(OpContext& context, const wire::Operation& operation,
                              std::string_view peer_name, const Delegations& delegations);

}  // namespace shoal::tracker
