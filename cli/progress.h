// SPDX-License-Identifier: MIT
// How far a transfer is, on stderr: a bar on a terminal, else a line every five seconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace shoal::cli {

enum class ProgressMode { bar, plain, json, none };

/// auto (a bar on a terminal, else plain), bar, plain, json or none. Errors: invalid.
Result<ProgressMode> parse_progress(std::string_view word, bool is_terminal);

/// Where a transfer stands.
struct ProgressState {
  std::uint64_t done_bytes = 0;  ///< with what an earlier run had
  std::uint64_t total_bytes = 0;
  std::uint64_t started_bytes = 0;  ///< what an earlier run had
  Duration elapsed{};
};

/// Bytes a second since the start; 0 before anything came.
double rate_of(const ProgressState& state);
/// What is left at that rate; negative when it cannot be told yet.
Duration time_left(const ProgressState& state);

/// "report.pdf   42% [=======>          ]  1.2 GiB / 2.9 GiB  96.1 MiB/s  18 s left", at most
/// `width` characters.
std::string bar_line(std::string_view label, const ProgressState& state, std::size_t width);
/// The same without a bar.
std::string plain_line(std::string_view label, const ProgressState& state);
/// One JSON object in a line.
std::string json_line(std::string_view label, const ProgressState& state);

/// Writes the lines as time goes by. Thread: main.
class Progress {
 public:
  Progress(ProgressMode mode, std::string label, std::uint64_t total_bytes,
           std::uint64_t started_bytes, const Clock& clock);
  /// Clears a bar that finish() did not end.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done_bytes);
  /// The last line; the bar stays as it is.
  void finish();
  ProgressState state() const;

 private:
  void write(bool is_last);
  ProgressMode mode_;
  std::string label_;
  ProgressState state_;
  const Clock& clock_;
  SteadyTime began_;
  SteadyTime next_;
  bool is_bar_shown_ = false;
};

}  // namespace shoal::cli
