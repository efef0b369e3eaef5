// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/json.h"

namespace shoal::cli {
namespace {

constexpr std::chrono::milliseconds kBarInterval{100};
constexpr std::chrono::seconds kLineInterval{5};

std::size_t terminal_width() {
  winsize size{};
  constexpr std::size_t kUsual = 80;
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return kUsual;
  return size.ws_col;
}

double share_of(const ProgressState& state) {
  if (state.total_bytes == 0) return 1.0;
  return std::min(1.0,
                  static_cast<double>(state.done_bytes) / static_cast<double>(state.total_bytes));
}

std::string figures(const ProgressState& state) {
  const Duration left = time_left(state);
  const bool is_done = state.done_bytes >= state.total_bytes;
  return fmt::format("{} / {}  {}/s  {}", base::format_bytes(state.done_bytes),
                     base::format_bytes(state.total_bytes),
                     base::format_bytes(static_cast<std::uint64_t>(rate_of(state))),
                     is_done                   ? base::format_duration(state.elapsed)
                     : left < Duration::zero() ? std::string("-")
                                               : base::format_duration(left) + " left");
}

}  // namespace

Result<ProgressMode> parse_progress(std::string_view word, bool is_terminal) {
  if (word == "auto") return is_terminal ? ProgressMode::bar : ProgressMode::plain;
  if (word == "bar") return ProgressMode::bar;
  if (word == "plain") return ProgressMode::plain;
  if (word == "json") return ProgressMode::json;
  if (word == "none") return ProgressMode::none;
  return fail(Errc::invalid, "--progress is auto, bar, plain, json or none, not {}", word);
}

double rate_of(const ProgressState& state) {
  const double seconds = std::chrono::duration<double>(state.elapsed).count();
  if (seconds <= 0 || state.done_bytes <= state.started_bytes) return 0;
  return static_cast<double>(state.done_bytes - state.started_bytes) / seconds;
}

Duration time_left(const ProgressState& state) {
  if (state.done_bytes >= state.total_bytes) return Duration::zero();
  const double rate = rate_of(state);
  if (rate <= 0) return Duration(-1);
  const double seconds = static_cast<double>(state.total_bytes - state.done_bytes) / rate;
  constexpr double kForEver = 1e8;  // some years; keeps the conversion in range
  // Whole seconds: a guess has no decimals.
  return std::chrono::seconds(static_cast<std::int64_t>(std::min(seconds, kForEver)) + 1);
}

std::string bar_line(std::string_view label, const ProgressState& state, std::size_t width) {
  const int percent = static_cast<int>(share_of(state) * 100);
  const std::string tail = figures(state);
  constexpr std::size_t kMaxLabel = 28;
  std::string head(label);
  if (head.size() > kMaxLabel) head = head.substr(0, kMaxLabel - 3) + "...";
  const std::string without = fmt::format("{}  {:3}% []  {}", head, percent, tail);
  if (without.size() + 8 > width) {
    std::string line = fmt::format("{:3}%  {}", percent, tail);
    return line.size() <= width ? line : line.substr(0, width);
  }
  const std::size_t room = std::min<std::size_t>(width - without.size(), 40);
  const auto filled = static_cast<std::size_t>(share_of(state) * static_cast<double>(room));
  std::string bar(filled, '=');
  if (filled > 0 && filled < room) bar.back() = '>';
  bar.resize(room, ' ');
  return fmt::format("{}  {:3}% [{}]  {}", head, percent, bar, tail);
}

std::string plain_line(std::string_view label, const ProgressState& state) {
  return fmt::format("{}  {}%  {}", label, static_cast<int>(share_of(state) * 100), figures(state));
}

std::string json_line(std::string_view label, const ProgressState& state) {
  Json json = json_document();
  set_path(json, "path", label);
  json["done_bytes"] = state.done_bytes;
  json["total_bytes"] = state.total_bytes;
  json["bytes_per_second"] = static_cast<std::uint64_t>(rate_of(state));
  const Duration left = time_left(state);
  json["seconds_left"] = left < Duration::zero()
                             ? Json(nullptr)
                             : Json(std::chrono::duration_cast<std::chrono::seconds>(left).count());
  json["is_done"] = state.done_bytes >= state.total_bytes;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Progress::Progress(ProgressMode mode, std::string label, std::uint64_t total_bytes,
                   std::uint64_t started_bytes, const Clock& clock)
    : mode_(mode),
      label_(std::move(label)),
      state_{
          .done_bytes = started_bytes, .total_bytes = total_bytes, .started_bytes = started_bytes},
      clock_(clock),
      began_(clock.steady()),
      next_(began_) {
  if (mode_ == ProgressMode::plain) next_ += kLineInterval;
}

Progress::~Progress() {
  if (is_bar_shown_) std::fputs("\r\x1b[K", stderr);
}

ProgressState Progress::state() const { return state_; }

void Progress::update(std::uint64_t done_bytes) {
  state_.done_bytes = done_bytes;
  state_.elapsed = clock_.steady() - began_;
  if (clock_.steady() < next_) return;
  next_ = clock_.steady() +
          (mode_ == ProgressMode::bar ? Duration(kBarInterval) : Duration(kLineInterval));
  write(/*is_last=*/false);
}

void Progress::finish() {
  state_.elapsed = clock_.steady() - began_;
  write(/*is_last=*/true);
  is_bar_shown_ = false;
}

void Progress::write(bool is_last) {
  switch (mode_) {
    case ProgressMode::bar: {
      // One column stays free: a terminal may break the line after the last one.
      const std::string line = bar_line(base::printable(label_), state_, terminal_width() - 1);
      std::fprintf(stderr, "\r%s\x1b[K%s", line.c_str(), is_last ? "\n" : "");
      is_bar_shown_ = true;
      break;
    }
    case ProgressMode::plain:
      std::fprintf(stderr, "%s\n", plain_line(base::printable(label_), state_).c_str());
      break;
    case ProgressMode::json:
      std::fprintf(stderr, "%s\n", json_line(label_, state_).c_str());
      break;
    case ProgressMode::none:
      break;
  }
  std::fflush(stderr);
}

}  // namespace shoal::cli
