// SPDX-License-Identifier: MIT
// What happens when a transaction cannot be committed: its changes are answered with the error,
// memory goes back to what it was, and reads are answered again from what is really there.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "tracker/core.h"
#include "tracker/handlers.h"

namespace shoal::tracker {
namespace {

/// Rows of ended sessions are not worth failing every transaction for while the disk is full.
constexpr Duration kForgetPause = std::chrono::seconds(1);

}  // namespace

/// A change that took part: what was committed in earlier transactions stays answered.
void Core::fail_work(Work& work, const Error& error) {
  auto* mutate = std::get_if<MutateWork>(&work.task);
  if (mutate == nullptr) {
    state_.reply(work.token, std::unexpected(error));
    return;
  }
  mutate->replies.resize(mutate->committed);
  wire::OperationReply refused;
  refused.error = error.code();
  refused.context = error.context();
  mutate->replies.resize(mutate->request.operations.size(), refused);
  if (Session* session = state_.sessions.find(work.session)) {
    std::erase_if(session->running, [&work](const auto& run) { return run.second == work.id; });
    for (std::size_t i = mutate->committed; i < mutate->request.operations.size(); ++i) {
      const Sequence sequence(mutate->request.first.value() + i);
      const auto [first, last] = session->awaited.equal_range(sequence);
      for (auto waiter = first; waiter != last; ++waiter) state_.works.wake(waiter->second);
      session->awaited.erase(first, last);
    }
  }
  // Nothing of a journal is refused for that: the peer sends it again.
  if (std::ranges::any_of(mutate->request.operations,
                          [](const wire::Operation& each) { return each.journal != 0; })) {
    state_.reply(work.token, std::unexpected(error));
    return;
  }
  wire::MutateReply reply;
  reply.replies = std::move(mutate->replies);
  state_.reply(work.token, std::move(reply));
}

std::vector<Output> Core::fail_batch(const Error& error) {
  State& state = state_;
  if (!std::exchange(state.is_refused, true)) {
    base::log_error("changes fail, the database does not accept them: {}", error.message());
  }
  if (!state.unforgotten.empty()) state.forget_again = state.now.steady + kForgetPause;
  state.undo.undo_all();
  state.undo.forget();
  state.census.load(state.store);
  state.releases.clear();
  state.journals.clear();

  // Requests to peers stay: dropping something from a cache is never wrong. Replies do not, but
  // for those that have nothing to do with the database.
  std::set<Token> failed(batch_tokens_.begin(), batch_tokens_.end());
  std::vector<Request> reads = std::exchange(state.reads, {});
  std::vector<Output> all = std::exchange(state.outputs, {});
  for (Output& output : all) {
    const auto* reply = std::get_if<Reply>(&output);
    if (reply != nullptr && !reply->is_firm) continue;
    if (reply != nullptr) failed.erase(reply->token);
    state.outputs.push_back(std::move(output));
  }
  for (const WorkId id : std::exchange(state.touched, {})) {
    if (state.works.find(id) == nullptr) continue;
    Work work = state.works.remove(id);
    failed.erase(work.token);
    fail_work(work, error);
  }
  for (Work& work : std::exchange(state.ended, {})) {
    failed.erase(work.token);
    if (auto* read = std::get_if<ReadWork>(&work.task)) {
      std::erase_if(reads, [&work](const Request& request) { return request.token == work.token; });
      Work& again = state.works.add(work.token, work.session, std::move(*read));
      state.works.wake(again.id);
    } else {
      fail_work(work, error);
    }
  }
  batch_tokens_.clear();
  for (const Token token : failed) {
    const bool is_waiting =
        state.works.find_by_token(token) != nullptr || is_lock_waiting(state, token);
    if (!is_waiting) state.reply(token, std::unexpected(error));
  }
  answer_reads(std::move(reads));
  state.reads.clear();
  state.ended.clear();
  return std::exchange(state.outputs, {});
}

/// From what is really there, outside of any transaction. Works that may write wait for the next.
void Core::answer_reads(std::vector<Request> reads) {
  State& state = state_;
  const std::size_t first = state.outputs.size();
  for (Request& request : reads) {
    if (state.works.find_by_token(request.token) == nullptr) take_request(request);
  }
  std::vector<WorkId> others;
  while (const auto id = state.works.next_awake()) {
    Work* work = state.works.find(*id);
    auto* read = work == nullptr ? nullptr : std::get_if<ReadWork>(&work->task);
    if (read == nullptr) {
      others.push_back(*id);
    } else if (step_read(state, *work, *read)) {
      state.works.remove(*id);
    }
  }
  state.works.wake(others);
  const std::optional<Error> broken = state.store.error();
  state.store.rollback();
  if (!broken) return;
  for (std::size_t i = first; i < state.outputs.size(); ++i) {
    if (auto* reply = std::get_if<Reply>(&state.outputs[i]))
      reply->result = std::unexpected(*broken);
  }
}

}  // namespace shoal::tracker
