// SPDX-License-Identifier: MIT
// Endpoint and Invitation of identity.h as text.
#include <algorithm>
#include <charconv>

#include "wire/identity.h"

namespace shoal::wire {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035, as text
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::string_view kPrefix = "shoal-";
constexpr std::string_view kPrefixOfVersion = "shoal-1-";
constexpr std::byte kVersion{1};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_name_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
         c == '_';
}

/// A literal IPv6 address by its looks, with a zone perhaps; the system has the last word.
bool looks_like_v6(std::string_view host) {
  const std::string_view address = host.substr(0, host.find('%'));
  return std::ranges::count(address, ':') >= 2 && address.size() <= 45 &&
         std::ranges::all_of(address, [](char c) { return is_hex(c) || c == ':' || c == '.'; }) &&
         (address.size() == host.size() ||
          std::ranges::all_of(host.substr(address.size() + 1), is_name_char));
}

bool looks_like_name(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHostBytes && std::ranges::all_of(host, is_name_char) &&
         host.front() != '-' && host.front() != '.';
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::string Endpoint::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<Endpoint> Endpoint::parse(std::string_view text, std::uint16_t default_port) {
  const auto wrong = [text](std::string_view why) {
    return fail(Errc::invalid, "\"{}\" is not an address: {}", base::printable(text), why);
  };
  std::string_view host = text;
  std::optional<std::string_view> port_text;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return wrong("] is missing");
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) return wrong("a port after ] begins with ':'");
    if (!rest.empty()) port_text = rest.substr(1);
    if (!looks_like_v6(host)) return wrong("only IPv6 addresses stand in brackets");
  } else if (!looks_like_v6(text)) {
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port_text = text.substr(colon + 1);
    }
    if (!looks_like_name(host)) return wrong("write host:port or [v6]:port");
  }
  Endpoint endpoint{std::string(host), default_port};
  if (port_text) {
    const auto port = parse_port(*port_text);
    if (!port) return wrong("the port is not a number up to 65535");
    endpoint.port = *port;
  } else if (default_port == 0) {
    return wrong("the port is missing, write host:port");
  }
  return endpoint;
}

// Inside the base64url: u8 version | 32 tracker id | 32 secret | u16 port, low byte first |
// u8 length of the host | host | first 4 bytes of the SHA-256 of all that.
std::string Invitation::text() const {
  Bytes out{kVersion};
  append(out, tracker_id.digest.view());
  append(out, secret);
  out.push_back(static_cast<std::byte>(tracker.port & 0xff));
  out.push_back(static_cast<std::byte>(tracker.port >> 8));
  out.push_back(static_cast<std::byte>(tracker.host.size()));
  append(out, as_bytes(tracker.host));
  const Digest checksum = base::sha256(out);
  append(out, checksum.view().first(kChecksumBytes));
  return std::string(kPrefixOfVersion) + base::to_base64url(out);
}

Result<Invitation> Invitation::parse(std::string_view text) {
  constexpr std::size_t kFixedBytes = 1 + Digest::kBytes + kSecretBytes + 2 + 1;
  text = trimmed(text);
  if (!text.starts_with(kPrefix)) {
    return fail(Errc::invalid, "this is not an invitation: it should begin with \"{}\"",
                kPrefixOfVersion);
  }
  if (!text.starts_with(kPrefixOfVersion)) {
    const std::string_view rest = text.substr(kPrefix.size());
    const std::string_view number = rest.substr(0, rest.find('-'));
    const bool is_newer = number.size() < rest.size() && parse_port(number).value_or(0) > 1;
    if (!is_newer) return fail(Errc::invalid, "this is not an invitation");
    return fail(Errc::invalid, "the invitation is of the newer version {}: update this program",
                number);
  }
  const auto damaged = [] {
    return fail(Errc::invalid, "the invitation is damaged: copy it again, whole");
  };
  const auto bytes = base::from_base64url(text.substr(kPrefixOfVersion.size()));
  if (!bytes || bytes->size() < kFixedBytes + kChecksumBytes) return damaged();
  const ByteView all(*bytes);
  const ByteView covered = all.first(all.size() - kChecksumBytes);
  const Digest checksum = base::sha256(covered);
  if (!std::ranges::equal(all.last(kChecksumBytes), checksum.view().first(kChecksumBytes))) {
    return damaged();
  }
  const ByteView host = covered.subspan(kFixedBytes);
  if (covered[0] != kVersion ||
      std::to_integer<std::size_t>(covered[kFixedBytes - 1]) != host.size()) {
    return damaged();
  }
  auto id = Digest::from(covered.subspan(1, Digest::kBytes));
  if (!id || id->is_zero()) return damaged();
  const ByteView secret = covered.subspan(1 + Digest::kBytes, kSecretBytes);
  const auto port =
      static_cast<std::uint16_t>(std::to_integer<unsigned>(covered[kFixedBytes - 3]) |
                                 std::to_integer<unsigned>(covered[kFixedBytes - 2]) << 8);
  const std::string_view host_text = as_text(host);
  if (port == 0 || (!looks_like_name(host_text) && !looks_like_v6(host_text))) return damaged();
  return Invitation{Endpoint{std::string(host_text), port}, PeerId{*id},
                    Bytes(secret.begin(), secret.end())};
}

}  // namespace shoal::wire
