// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "tracker/inputs.h"
#include "tracker/state.h"
#include "tracker/store.h"

namespace shoal::tracker {

/// The tracker's state machine: names, sessions, watches, delegations, holders, placement. It has
/// no threads, no clock and no network of its own; the same inputs at the same moments give the
/// same outputs. docs/coherence.md says what happens to a change.
/// Owner: the driver. Thread: one at a time.
/// What survives a crash: everything in the store. Watches, delegations and pending changes do not;
/// the first lease term after a start makes up for that.
class Core {
 public:
  /// Reads what it needs from the store and counts the start. Errors: those of the store.
  static Result<std::unique_ptr<Core>> start(Store& store, CoreOptions options, Moment now);

  /// Works off inputs in their order as one transaction, with what is due by time if `tick` is
  /// set, and returns what is to be sent: nothing of it may leave before this returns. When the
  /// transaction fails, its changes are answered with the error and nothing of them stays.
  std::vector<Output> run(std::vector<Input> inputs, Moment now, bool tick);

  /// The members now, for looking around elsewhere.
  const State& state() const { return state_; }

 private:
  Core(Store& store, CoreOptions options) : state_(store, std::move(options)) {}

  Result<void> load(Moment now);
  void take(Input& input);
  void take_request(Request& request);
  void on_time();
  void settle();
  std::vector<Output> commit();
  std::vector<Output> fail_batch(const Error& error);
  void fail_work(Work& work, const Error& error);
  void answer_reads(std::vector<Request> reads);

  State state_;
  std::vector<Token> batch_tokens_;  ///< of requests that may change something
};

}  // namespace shoal::tracker
