// SPDX-License-Identifier: MIT
#include "peerd/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <memory>

#include "wire/limits.h"

namespace shoal::peerd {
namespace {

/// The address as text; empty for other families and for link-local ones, which need a scope.
std::string text_of(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    if (::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text) == nullptr) return {};
  } else if (address.sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) return {};
    if (::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text) == nullptr) return {};
  }
  return text;
}

}  // namespace

std::vector<wire::Endpoint> reachable_at(const wire::Endpoint& local) {
  const bool is_any_v4 = local.host == "0.0.0.0";
  const bool is_any_v6 = local.host == "::";
  if (!is_any_v4 && !is_any_v6) return {local};
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(raw, &::freeifaddrs);
  std::vector<wire::Endpoint> found;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    const bool is_up = (entry->ifa_flags & IFF_UP) != 0;
    const bool is_loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    if (entry->ifa_addr == nullptr || !is_up || is_loopback) continue;
    if (is_any_v4 && entry->ifa_addr->sa_family != AF_INET) continue;
    std::string host = text_of(*entry->ifa_addr);
    if (!host.empty()) found.push_back({std::move(host), local.port});
    if (found.size() == wire::kMaxEndpoints) break;
  }
  return found;
}

}  // namespace shoal::peerd
