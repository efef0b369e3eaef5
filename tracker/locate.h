// SPDX-License-Identifier: MIT
#pragma once

#include "tracker/rows.h"
#include "wire/records.h"

namespace shoal::tracker {

struct State;

/// All holders of a content: complete ones that are online first, then other online ones.
std::vector<wire::Holder> holders_of(State& state, const ContentRow& row);
/// The same with the piece layer: all that is needed to fetch it.
wire::Located locate(State& state, const ContentRow& row);

}  // namespace shoal::tracker
