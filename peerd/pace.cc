// SPDX-License-Identifier: MIT
#include "peerd/pace.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "peerd/limits.h"

namespace shoal::peerd {
namespace {

// Answers up to this size measure latency; larger ones are dominated by their bytes.
constexpr std::uint64_t kShortAnswer = 64 << 10;
// A rate sample is taken after this much busy time or this many bytes.
constexpr double kSampleSeconds = 0.05;
constexpr double kSampleBytes = 4 << 20;
constexpr double kSmoothing = 0.3;
// The least delay is believed for so long; routes change.
constexpr std::chrono::seconds kDelayKept{30};
// What a busy machine needs to turn from one answer to the next, beside the link's delay.
constexpr double kTurnSeconds = 0.005;
constexpr double kWindowGain = 2;
// An answer is late when it takes this much longer than 95 of 100 did, or than its queue explains.
constexpr double kLateMargin = 1.5;
// Below these nothing is late: it is the noise of a scheduler.
constexpr double kShortFloor = 0.01;
constexpr double kLongFloor = 0.04;
// ... and what is taken for late before enough was measured.
constexpr double kUnknownLate = 0.25;
constexpr double kUnknownRate = 20e6;
// A holder that is late by this factor and sent nothing meanwhile is stalled.
constexpr double kSilenceFactor = 3;
// A link that was never measured may be as slow as this.
constexpr double kSlowRate = 256e3;

double seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::duration<double>>(duration).count();
}
Duration from_seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}
double smooth(double old, double sample) {
  return old == 0 ? sample : old + kSmoothing * (sample - old);
}

}  // namespace

void Pace::Times::add(double seconds) {
  seconds_[count_ % kKept] = static_cast<float>(seconds);
  ++count_;
}

double Pace::Times::p95() const {
  if (count_ < kEnough) return 0;
  std::array<float, kKept> sorted = seconds_;
  const std::size_t count = std::min(count_, kKept);
  const std::size_t place = count * 95 / 100;
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(sorted.begin(), nth, sorted.begin() + static_cast<std::ptrdiff_t>(count));
  return *nth;
}

void Pace::started(std::uint64_t bytes, SteadyTime now) {
  if (requests_ == 0) last_answer_ = idle_start_ = now;
  ++requests_;
  bytes_ += bytes;
}

void Pace::dropped(std::uint64_t bytes) {
  CHECK(requests_ > 0 && bytes_ >= bytes, "answers without requests");
  --requests_;
  bytes_ -= bytes;
}

void Pace::answered(std::uint64_t bytes, SteadyTime started_at, SteadyTime now) {
  dropped(bytes);
  const double elapsed = seconds(now - started_at);
  if (bytes <= kShortAnswer) latency_ = smooth(latency_, elapsed);
  (bytes <= kShortAnswer ? short_times_ : long_times_).add(elapsed);
  // Small requests say nothing about the rate: there the latency is what is measured. The time
  // since the answer before it, since several requests are under way at once.
  if (bytes > kShortAnswer) {
    sample_rate(static_cast<double>(bytes), seconds(now - std::max(last_answer_, started_at)));
  }
  sample_delay(bytes, elapsed, started_at, now);
  last_answer_ = now;
}

void Pace::outrun(std::uint64_t bytes, SteadyTime started_at, SteadyTime now) {
  dropped(bytes);
  const double elapsed = seconds(now - started_at);
  (bytes <= kShortAnswer ? short_times_ : long_times_).add(elapsed);
  if (bytes <= kShortAnswer) {
    latency_ = smooth(latency_, elapsed);
    return;
  }
  // At most this rate: half of it is the best guess, and the next answer corrects it.
  const double most = static_cast<double>(bytes) / std::max(elapsed, 1e-6);
  if (rate_ == 0 || most < rate_) rate_ = smooth(rate_, most / 2);
}

void Pace::sample_rate(double bytes, double spent) {
  sample_seconds_ += spent;
  sample_bytes_ += bytes;
  // The first answer tells at once: the window waits for it.
  const bool is_enough = sample_seconds_ >= kSampleSeconds || sample_bytes_ >= kSampleBytes;
  if (!is_enough && rate_ != 0) return;
  rate_ = smooth(rate_, sample_bytes_ / std::max(sample_seconds_, 1e-6));
  sample_seconds_ = 0;
  sample_bytes_ = 0;
}

/// From answers that did not wait for others. The time of their own bytes is part of it: more
/// cannot be known from one answer, and it only makes the window wider by those bytes.
void Pace::sample_delay(std::uint64_t bytes, double elapsed, SteadyTime started_at,
                        SteadyTime now) {
  const bool is_alone = started_at == idle_start_;
  if (!is_alone && bytes > kShortAnswer) return;
  if (delay_ != 0 && elapsed > delay_ && now - delay_at_ < kDelayKept) return;
  delay_ = std::max(elapsed, 1e-5);
  delay_at_ = now;
}

std::uint64_t Pace::window() const {
  if (rate_ == 0) return kFirstPeerWindow;
  const double wanted = kWindowGain * rate_ * (delay_ + kTurnSeconds);
  const auto bytes = static_cast<std::uint64_t>(std::min(wanted, double{kMaxPeerBytes}));
  return std::max(bytes, kMinPeerWindow);
}

bool Pace::is_full(std::uint64_t bytes) const {
  if (requests_ == 0) return false;
  return requests_ >= kMaxPeerRequests || bytes_ + bytes > window();
}

Duration Pace::late_after(std::uint64_t bytes, std::uint64_t queued) const {
  const bool is_short = bytes <= kShortAnswer;
  const double rate = rate_ > 0 ? rate_ : kUnknownRate;
  const double queue = static_cast<double>(queued) / rate;
  const double p95 = (is_short ? short_times_ : long_times_).p95();
  const double floor = p95 == 0 ? kUnknownLate : is_short ? kShortFloor : kLongFloor;
  const double explained = std::max(p95, delay_ + queue);
  return from_seconds(std::max(floor, kLateMargin * explained));
}

bool Pace::is_silent(std::uint64_t bytes, std::uint64_t queued, SteadyTime now) const {
  if (requests_ == 0) return false;
  const double slowest = rate_ == 0 ? static_cast<double>(queued) / kSlowRate : 0;
  const double limit = kSilenceFactor * std::max(seconds(late_after(bytes, queued)), slowest);
  return seconds(now - last_answer_) > limit;
}

}  // namespace shoal::peerd
