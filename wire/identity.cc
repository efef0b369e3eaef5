// SPDX-License-Identifier: MIT
#include "wire/identity.h"

#include <sys/stat.h>

#include "base/file.h"
#include "wire/tls_key.h"

namespace shoal::wire {
namespace {

constexpr std::uint64_t kMaxPemBytes = 64 * 1024;

/// A key that others can read is nobody's identity.
Result<void> check_private(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return base::fail_errno(errno, "reading " + path);
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Errc::access_denied, "{} holds a private key and others can open it: chmod 600 {}",
                path, path);
  }
  return {};
}

}  // namespace

Result<Identity> Identity::generate() {
  auto pair = tls::make_key_pair();
  if (!pair) return pass(std::move(pair));
  auto pem = tls::format_pem(*pair);
  if (!pem) return pass(std::move(pem));
  auto id = tls::peer_id_of(pair->certificate.get());
  if (!id) return pass(std::move(id));
  return Identity(*id, std::move(*pem));
}

Result<Identity> Identity::load(const std::string& path) {
  auto pem = base::read_whole(path, kMaxPemBytes);
  if (!pem) return pass(std::move(pem));
  auto is_private = check_private(path);
  if (!is_private) return pass(std::move(is_private));
  auto pair = tls::parse_pem(*pem);
  if (!pair) return std::unexpected(pair.error().with("reading the identity " + path));
  auto id = tls::peer_id_of(pair->certificate.get());
  if (!id) return std::unexpected(id.error().with("reading the identity " + path));
  return Identity(*id, std::move(*pem));
}

Result<Identity> Identity::load_or_create(const std::string& path) {
  auto existing = load(path);
  if (existing || existing.error().code() != Errc::not_found) return existing;
  auto made = generate();
  if (!made) return made;
  auto written = base::write_whole(path, made->pem(), 0600);
  if (!written) return std::unexpected(written.error().with("keeping a new identity"));
  return made;
}

}  // namespace shoal::wire
