// SPDX-License-Identifier: MIT
// Operations of the peers' journals happen once, by their numbers: docs/coherence.md, "The
// journal".
#include <algorithm>

#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

/// More than a batch: what a peer that breaks the rules can make the tracker keep.
constexpr std::size_t kMaxTold = 2 * wire::kMaxOperations;

/// A grant is not told again: it may have ended since.
bool says_something(const wire::OperationReply& reply) {
  return reply.error || !reply.renamed_to.empty();
}

}  // namespace

std::optional<wire::OperationReply> repeat_journaled(State& state, const Session& session,
                                                     std::uint64_t number) {
  const Member& member = state.members.at(session.peer);
  if (number == 0 || number > member.row.journal) return std::nullopt;
  const auto told = member.journal_told.find(number);
  return told == member.journal_told.end() ? wire::OperationReply{} : told->second;
}

void note_journaled(State& state, const Session& session, std::uint64_t number,
                    const wire::OperationReply& reply) {
  Member& member = state.members.at(session.peer);
  if (state.journals.insert(session.peer).second) {
    state.undo.add([&state, key = session.peer, applied = member.row.journal] {
      Member& back = state.members.at(key);
      back.row.journal = applied;
      back.journal_told.erase(back.journal_told.upper_bound(applied), back.journal_told.end());
    });
  }
  member.row.journal = number;
  if (!says_something(reply)) return;
  auto& told = member.journal_told;
  told[number] = {reply.error, reply.context, {}, {}, reply.renamed_to};
  if (told.size() > kMaxTold) told.erase(told.begin());
}

void forget_told(State& state, const Session& session, const wire::Mutate& request) {
  auto& told = state.members.at(session.peer).journal_told;
  const auto first = std::ranges::find_if(
      request.operations, [](const wire::Operation& operation) { return operation.journal != 0; });
  if (first == request.operations.end()) return;
  told.erase(told.begin(), told.lower_bound(first->journal));
}

void store_journals(State& state) {
  for (const PeerKey peer : state.journals) state.store.put_peer(state.members.at(peer).row);
}

}  // namespace shoal::tracker
