// SPDX-License-Identifier: MIT
#include "cli/suggest.h"

#include <algorithm>
#include <cstddef>

namespace shoal::cli {
namespace {

/// Optimal string alignment distance: insert, delete, replace, swap of neighbours.
std::size_t slips(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string suggest(std::string_view typed, const std::vector<std::string>& words) {
  constexpr std::size_t kLongestWord = 32;  // nothing longer is a slip, and the table is quadratic
  if (typed.size() < 2 || typed.size() > kLongestWord) return {};
  std::string best;
  std::size_t best_slips = 3;
  for (const std::string& word : words) {
    const std::size_t count = word.starts_with(typed) ? 1 : slips(typed, word);
    if (count < best_slips && count < word.size()) {
      best = word;
      best_slips = count;
    }
  }
  return best;
}

}  // namespace shoal::cli
