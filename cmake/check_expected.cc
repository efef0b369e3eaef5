// SPDX-License-Identifier: MIT
// What configuring tries to compile: std::expected as base class, and the coroutine header.
#include <coroutine>
#include <expected>
#include <string>

template <class T>
class [[nodiscard]] Result : public std::expected<T, std::string> {
 public:
  using std::expected<T, std::string>::expected;
};

static Result<int> parse(bool good) {
  if (good) return 1;
  return std::unexpected(std::string("bad"));
}

int main() {
  std::coroutine_handle<> none;
  const Result<int> result = parse(!none);
  return result.has_value() ? 0 : 1;
}
