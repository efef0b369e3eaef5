// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

void send_recall(State& state, InodeId inode, const Delegation& delegation, bool publish) {
  Session* holder = state.sessions.find(delegation.holder);
  if (holder == nullptr) return;
  wire::Recall message;
  message.inode = inode;
  message.publish = publish;
  send_event(state, *holder, message, {}, delegation.grant);
}

/// The holder could not, or would not, give it back: nobody may see the old state instead.
void fail_publish_waiters(State& state, Delegation& delegation, const Error& error) {
  for (const WorkId id : std::exchange(delegation.publish_waiters, {})) {
    Work* work = state.works.find(id);
    if (work == nullptr) continue;
    work->failure = error;
    state.works.wake(id);
  }
  delegation.is_publishing = false;
}

void on_published(State& state, InodeId inode, Delegation& delegation,
                  const std::variant<wire::RecallReply, Error>& answer) {
  if (const auto* error = std::get_if<Error>(&answer)) {
    fail_publish_waiters(state, delegation,
                         Error(Errc::io, "its holder could not publish").with(error->message()));
  } else if (std::get<wire::RecallReply>(answer).held) {
    fail_publish_waiters(state, delegation, Error(Errc::busy, "its holder keeps it"));
  } else {
    drop_delegation(state, inode);
  }
}

void on_told(State& state, InodeId inode, Delegation& delegation,
             const std::variant<wire::RecallReply, Error>& answer) {
  const auto* reply = std::get_if<wire::RecallReply>(&answer);
  if (reply != nullptr && !reply->held) {
    drop_delegation(state, inode);
    return;
  }
  for (const WorkId id : std::exchange(delegation.attribute_waiters, {})) {
    Work* work = state.works.find(id);
    if (work == nullptr) continue;
    if (reply != nullptr) {
      auto& read = std::get<ReadWork>(work->task);
      read.recalled = inode;
      read.told = *reply;
    } else {
      work->failure =
          Error(Errc::io, "its holder did not tell").with(std::get<Error>(answer).message());
    }
    state.works.wake(id);
  }
  delegation.is_asking = false;
  if (delegation.later_attribute_waiters.empty()) return;
  delegation.attribute_waiters = std::exchange(delegation.later_attribute_waiters, {});
  delegation.is_asking = true;
  send_recall(state, inode, delegation, false);
}

void note_grant(State& state, InodeId inode, SessionId holder, bool is_directory) {
  state.delegations.grant(inode, holder, is_directory);
  state.undo.add([&state, inode] { state.works.wake(state.delegations.drop(inode)); });
}

}  // namespace

void recall_to_publish(State& state, InodeId inode, WorkId work) {
  Delegation& delegation = *state.delegations.find(inode);
  auto& waiters = delegation.publish_waiters;
  if (std::find(waiters.begin(), waiters.end(), work) == waiters.end()) waiters.push_back(work);
  if (delegation.is_publishing) return;
  delegation.is_publishing = true;
  send_recall(state, inode, delegation, true);
}

void recall_attributes(State& state, InodeId inode, WorkId work) {
  Delegation& delegation = *state.delegations.find(inode);
  if (delegation.is_asking) {
    delegation.later_attribute_waiters.push_back(work);
    return;
  }
  delegation.attribute_waiters.push_back(work);
  delegation.is_asking = true;
  send_recall(state, inode, delegation, false);
}

void on_recalled(State& state, const OpenEvent& event,
                 const std::variant<wire::RecallReply, Error>& answer) {
  const auto& recall = std::get<wire::Recall>(event.message);
  Delegation* delegation = state.delegations.find(recall.inode);
  if (delegation == nullptr || delegation->grant != event.grant) return;  // it has ended meanwhile
  if (recall.publish) {
    on_published(state, recall.inode, *delegation, answer);
  } else {
    on_told(state, recall.inode, *delegation, answer);
  }
}

void grant_file(State& state, InodeId inode, InodeId home, SessionId holder) {
  const SessionId present = state.delegations.holder(inode);
  if (present && present != holder) return;
  if (!present) note_grant(state, inode, holder, false);
  if (home) state.watches.watch_unlimited(holder, home);
}

void grant_directory(State& state, InodeId inode, SessionId holder) {
  if (state.delegations.holder(inode)) return;
  note_grant(state, inode, holder, true);
  state.watches.watch_unlimited(holder, inode);
  state.watches.hold_attributes_unlimited(holder, inode);
}

void drop_delegation(State& state, InodeId inode) {
  const Delegation* delegation = state.delegations.find(inode);
  if (delegation == nullptr) return;
  const SessionId holder = delegation->holder;
  const bool is_directory = delegation->is_directory;
  state.works.wake(state.delegations.drop(inode));
  state.undo.add([&state, inode, holder, is_directory] {
    if (state.sessions.find(holder) != nullptr && !state.delegations.holder(inode)) {
      state.delegations.grant(inode, holder, is_directory);
    }
  });
}

}  // namespace shoal::tracker
