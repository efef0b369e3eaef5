// SPDX-License-Identifier: MIT
// stdout is data, stderr is talk.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/json.h"

namespace shoal::cli {

enum class Color { plain, good, warning, bad, faint, strong };

/// How a verb speaks. Thread: main.
class Output {
 public:
  struct Options {
    bool json = false;
    bool quiet = false;
    bool color = false;  ///< see wants_color
  };

  explicit Output(Options options) : options_(options) {}

  bool json() const { return options_.json; }
  bool quiet() const { return options_.quiet; }

  /// A line of data.
  void print(std::string_view line) const;
  void print_json(const Json& json) const;
  /// A line of talk; nothing with --quiet.
  void say(std::string_view line) const;
  /// text in a colour, or as it is. State is never shown by colour alone.
  std::string paint(Color color, std::string_view text) const;

 private:
  Options options_;
};

/// choice is auto, always or never; auto means a terminal, without NO_COLOR.
bool wants_color(std::string_view choice, bool is_terminal);

/// Columns as wide as their longest cell, two blanks between them, no blanks at a line's end. A
/// column may be flush right. Width is counted in characters, not bytes.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Shape: as many cells as columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool is_empty() const { return rows_.empty(); }
  /// Lines without the last line's end.
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "1 file", "3 files", "12,345 files".
std::string count_of(std::uint64_t count, std::string_view noun);
/// "12,345".
std::string grouped(std::uint64_t number);
/// "3 s ago", "2 h ago", "never" for 0. Units: nanoseconds since 1970.
std::string ago(std::int64_t then, std::int64_t now);

}  // namespace shoal::cli
