// SPDX-License-Identifier: MIT
#include "peerd/throttle.h"

namespace shoal::peerd {

class Throttle::Waiting {
 public:
  Waiting(Throttle& throttle, Place place) : throttle_(throttle), place_(place) {
    throttle_.line_.insert(place_);
  }
  ~Waiting() {
    throttle_.line_.erase(place_);
    throttle_.changed_.pulse();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  bool is_first() const { return *throttle_.line_.begin() == place_; }

 private:
  Throttle& throttle_;
  Place place_;
};

Task<Result<void>> Throttle::pass(std::uint64_t bytes, int urgency) {
  if (is_unlimited()) co_return base::ok();
  const Waiting waiting(*this, {urgency, ++last_ticket_});
  for (;;) {
    const SteadyTime now = timer_.clock().steady();
    if (waiting.is_first() && limit_.take(bytes, now)) co_return base::ok();
    const Deadline until{waiting.is_first() ? limit_.next(now) : SteadyTime::max()};
    auto waited = co_await base::with_deadline(timer_, until, changed_.wait());
    if (!waited && waited.error().code() != Errc::timed_out) co_return waited;
  }
}

}  // namespace shoal::peerd
