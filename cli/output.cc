// SPDX-License-Identifier: MIT
#include "cli/output.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace shoal::cli {
namespace {

std::string_view escape_of(Color color) {
  switch (color) {
    case Color::plain:
      return "";
    case Color::good:
      return "\x1b[32m";
    case Color::warning:
      return "\x1b[33m";
    case Color::bad:
      return "\x1b[31m";
    case Color::faint:
      return "\x1b[2m";
    case Color::strong:
      return "\x1b[1m";
  }
  return "";
}

/// Characters on a terminal: UTF-8 continuation bytes and colour escapes take no room.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\x1b') {
      while (at < text.size() && text[at] != 'm') ++at;
    } else if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

void write_line(std::FILE* file, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), file);
  std::fputc('\n', file);
  std::fflush(file);
}

}  // namespace

void Output::print(std::string_view line) const { write_line(stdout, line); }

void Output::print_json(const Json& json) const { write_line(stdout, json_text(json)); }

void Output::say(std::string_view line) const {
  if (!options_.quiet) write_line(stderr, line);
}

std::string Output::paint(Color color, std::string_view text) const {
  const std::string_view escape = escape_of(color);
  if (!options_.color || escape.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape, text);
}

bool wants_color(std::string_view choice, bool is_terminal) {
  if (choice == "always") return true;
  if (choice == "never") return false;
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  return is_terminal && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(width_of(column.title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);

  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string blanks(widths[i] - width_of(cells[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].align == Align::right ? blanks + cells[i] : cells[i] + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (!out.empty()) out += '\n';
    out += line;
  };
  add_line(titles);
  for (const auto& row : rows_) add_line(row);
  return out;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string count_of(std::uint64_t count, std::string_view noun) {
  if (count == 1) return fmt::format("1 {}", noun);
  if (noun.ends_with("y") && !noun.ends_with("ey")) {
    return fmt::format("{} {}ies", grouped(count), noun.substr(0, noun.size() - 1));
  }
  return fmt::format("{} {}s", grouped(count), noun);
}

std::string ago(std::int64_t then, std::int64_t now) {
  if (then == 0) return "never";
  const std::int64_t seconds = std::max<std::int64_t>(0, (now - then) / 1'000'000'000);
  if (seconds < 120) return fmt::format("{} s ago", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} days ago", seconds / 86400);
}

}  // namespace shoal::cli
