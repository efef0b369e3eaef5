// SPDX-License-Identifier: MIT
// How one holder answers, as measured by one fetcher: its rate and latency, how many bytes to keep
// under way to it, and when an answer is late. Pure: bytes and moments come in as arguments.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace shoal::peerd {

class Pace {
 public:
  /// Each started() is followed by exactly one of the three below.
  void started(std::uint64_t bytes, SteadyTime now);
  void answered(std::uint64_t bytes, SteadyTime started_at, SteadyTime now);
  /// No answer, and nothing to learn from that.
  void dropped(std::uint64_t bytes);
  /// Another holder was quicker: it is slower than that by an unknown amount.
  void outrun(std::uint64_t bytes, SteadyTime started_at, SteadyTime now);

  std::uint32_t requests() const { return requests_; }     ///< under way
  std::uint64_t bytes() const { return bytes_; }           ///< under way
  SteadyTime last_answer() const { return last_answer_; }  ///< or start of the first request
  double rate() const { return rate_; }                    ///< bytes per second; 0: not known
  double latency() const { return latency_; }  ///< seconds, of short answers; 0: not known

  /// Bytes to keep under way: twice what fits into the link at the measured rate, so that the
  /// holder always has the next request and a link that could do more shows it.
  std::uint64_t window() const;
  /// Whether a request of that many bytes has to wait for an answer. An idle holder is never full.
  bool is_full(std::uint64_t bytes) const;

  /// How long after its start a request of that many bytes is later than 95 of 100 answers like it
  /// were, and than what is queued before it explains. queued: bytes under way at its start, its
  /// own included.
  Duration late_after(std::uint64_t bytes, std::uint64_t queued) const;
  /// Whether it has sent nothing for so long that it counts as stalled.
  bool is_silent(std::uint64_t bytes, std::uint64_t queued, SteadyTime now) const;

 private:
  /// The last times of answers of one size class, for the quantile.
  class Times {
   public:
    void add(double seconds);
    /// 0 until there are enough of them.
    double p95() const;

   private:
    static constexpr std::size_t kKept = 64;
    static constexpr std::size_t kEnough = 8;
    std::array<float, kKept> seconds_{};
    std::size_t count_ = 0;
  };
  void sample_rate(double bytes, double spent);
  void sample_delay(std::uint64_t bytes, double elapsed, SteadyTime started_at, SteadyTime now);

  std::uint32_t requests_ = 0;
  std::uint64_t bytes_ = 0;
  double latency_ = 0;
  double rate_ = 0;
  double sample_bytes_ = 0;  ///< what the next rate sample has gathered
  double sample_seconds_ = 0;
  double delay_ = 0;  ///< seconds: the least of late that an answer took without others before it
  SteadyTime delay_at_{};
  SteadyTime idle_start_{};  ///< when the last request began that found nothing under way
  SteadyTime last_answer_{};
  Times short_times_;
  Times long_times_;
};

}  // namespace shoal::peerd
