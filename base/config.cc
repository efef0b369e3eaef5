// SPDX-License-Identifier: MIT
#include "base/config.h"

#include <toml++/toml.h>

#include <exception>
#include <map>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

namespace shoal::base {
namespace {

/// Puts a value that was found good into its place.
using Apply = std::function<void()>;
/// Errors: invalid with what the value should have been, without file and line.
using Check = std::function<Result<Apply>(const toml::node&)>;

/// More than any configuration for people, less than what hurts.
constexpr std::uint64_t kMaxConfigBytes = 1024 * 1024;

std::unexpected<Error> fail_at(const std::string& source_name, const toml::source_region& where,
                               std::string_view what) {
  return fail(Errc::invalid, "{}:{}: {}", printable(source_name), where.begin.line, what);
}

}  // namespace

struct ConfigSchema::Key {
  std::string name;
  Check check;
};

namespace {

/// One walk over a parsed file: collects what is to be applied, stops at the first mistake.
class Walk {
 public:
  Walk(const std::map<std::string, Check, std::less<>>& keys, const std::string& source_name)
      : keys_(keys), source_name_(source_name) {}

  Result<void> table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      auto done = node.is_table() ? section(*node.as_table(), name) : value(node, name);
      if (!done) return done;
    }
    return {};
  }

  void apply() const {
    for (const Apply& apply : found_) apply();
  }

 private:
  Result<void> section(const toml::table& table, const std::string& name) {
    const std::string prefix = name + ".";
    const auto first = keys_.lower_bound(prefix);
    if (first == keys_.end() || !first->first.starts_with(prefix)) {
      return fail_at(source_name_, table.source(),
                     fmt::format("unknown section '{}'", printable(name)));
    }
    return this->table(table, prefix);
  }

  Result<void> value(const toml::node& node, const std::string& name) {
    const auto key = keys_.find(name);
    if (key == keys_.end()) {
      return fail_at(source_name_, node.source(), fmt::format("unknown key '{}'", printable(name)));
    }
    auto checked = key->second(node);
    if (!checked) {
      return fail_at(source_name_, node.source(),
                     fmt::format("{}: {}", name, checked.error().context()));
    }
    found_.push_back(std::move(*checked));
    return {};
  }

  const std::map<std::string, Check, std::less<>>& keys_;
  const std::string& source_name_;
  std::vector<Apply> found_;
};

}  // namespace

ConfigSchema::ConfigSchema() = default;
ConfigSchema::~ConfigSchema() = default;

ConfigSchema& ConfigSchema::text(std::string_view key, std::string& place) {
  keys_.push_back({std::string(key), [&place](const toml::node& node) -> Result<Apply> {
                     const auto* value = node.as_string();
                     if (value == nullptr) return fail(Errc::invalid, "text in quotes is needed");
                     return [&place, text = value->get()] { place = text; };
                   }});
  return *this;
}

ConfigSchema& ConfigSchema::flag(std::string_view key, bool& place) {
  keys_.push_back({std::string(key), [&place](const toml::node& node) -> Result<Apply> {
                     const auto* value = node.as_boolean();
                     if (value == nullptr) return fail(Errc::invalid, "true or false is needed");
                     return [&place, flag = value->get()] { place = flag; };
                   }});
  return *this;
}

ConfigSchema& ConfigSchema::integer(std::string_view key, std::int64_t& place, std::int64_t min,
                                    std::int64_t max) {
  keys_.push_back({std::string(key), [&place, min, max](const toml::node& node) -> Result<Apply> {
                     const auto* value = node.as_integer();
                     if (value == nullptr || value->get() < min || value->get() > max) {
                       return fail(Errc::invalid, "a whole number from {} to {} is needed", min,
                                   max);
                     }
                     return [&place, number = value->get()] { place = number; };
                   }});
  return *this;
}

ConfigSchema& ConfigSchema::bytes(std::string_view key, std::uint64_t& place) {
  keys_.push_back({std::string(key), [&place](const toml::node& node) -> Result<Apply> {
                     if (const auto* number = node.as_integer(); number && number->get() >= 0) {
                       const auto size = static_cast<std::uint64_t>(number->get());
                       return [&place, size] { place = size; };
                     }
                     const auto* text = node.as_string();
                     if (text == nullptr) {
                       return fail(Errc::invalid, R"(a size such as "20 GiB" is needed)");
                     }
                     const auto size = parse_bytes(text->get());
                     if (!size) return pass(size);
                     return [&place, size = *size] { place = size; };
                   }});
  return *this;
}

ConfigSchema& ConfigSchema::duration(std::string_view key, Duration& place) {
  keys_.push_back({std::string(key), [&place](const toml::node& node) -> Result<Apply> {
                     const auto* text = node.as_string();
                     if (text == nullptr) {
                       return fail(Errc::invalid, R"(a duration such as "20s" is needed)");
                     }
                     const auto span = parse_duration(text->get());
                     if (!span) return pass(span);
                     return [&place, span = *span] { place = span; };
                   }});
  return *this;
}

Result<void> ConfigSchema::read(const std::string& path) const {
  auto content = read_whole(path, kMaxConfigBytes);
  if (!content) return pass(content);
  return parse(*content, path);
}

Result<void> ConfigSchema::parse(std::string_view toml, const std::string& source_name) const {
  std::map<std::string, Check, std::less<>> keys;
  for (const Key& key : keys_) {
    CHECK(keys.emplace(key.name, key.check).second, "the key {} is declared twice", key.name);
  }
  toml::table table;
  try {
    table = toml::parse(toml, source_name);
  } catch (const toml::parse_error& error) {
    return fail_at(source_name, error.source(), error.description());
  } catch (const std::exception& error) {
    return fail(Errc::invalid, "{}: {}", printable(source_name), error.what());
  }
  Walk walk(keys, source_name);
  auto walked = walk.table(table, "");
  if (!walked) return walked;
  walk.apply();
  return {};
}

}  // namespace shoal::base
