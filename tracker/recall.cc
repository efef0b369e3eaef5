// SPDX-License-Identifier: MIT
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

/// The holder could not, or would not, publish: nobody may see the old bytes instead.
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
                         Error(Errc::io, "its writer could not publish").with(error->message()));
  } else if (std::get<wire::RecallReply>(answer).held) {
    fail_publish_waiters(state, delegation, Error(Errc::busy, "its writer keeps the file"));
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
      std::get<ReadWork>(work->task).recalled = *reply;
    } else {
      work->failure =
          Error(Errc::io, "its writer did not tell").with(std::get<Error>(answer).message());
    }
    state.works.wake(id);
  }
  delegation.is_asking = false;
  if (delegation.later_attribute_waiters.empty()) return;
  delegation.attribute_waiters = std::exchange(delegation.later_attribute_waiters, {});
  delegation.is_asking = true;
  send_recall(state, inode, delegation, false);
}

}  // namespace

void recall_to_publish(State& state, InodeId inode, WorkId work) {
  Delegation& delegation = *state.delegations.find(inode);
  delegation.publish_waiters.push_back(work);
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

void grant_delegation(State& state, InodeId inode, SessionId holder) {
  state.delegations.grant(inode, holder);
  state.undo.add([&state, inode] { state.works.wake(state.delegations.drop(inode)); });
}

void drop_delegation(State& state, InodeId inode) {
  const SessionId holder = state.delegations.holder(inode);
  if (!holder) return;
  state.works.wake(state.delegations.drop(inode));
  state.undo.add([&state, inode, holder] {
    if (state.sessions.find(holder) != nullptr && !state.delegations.holder(inode)) {
      state.delegations.grant(inode, holder);
    }
  });
}

}  // namespace shoal::tracker
