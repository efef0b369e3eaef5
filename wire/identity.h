// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "base/hash.h"

namespace shoal::wire {

/// Who someone is: the SHA-256 of their public key (DER SubjectPublicKeyInfo). Peers and the
/// tracker alike. All zero is nobody.
struct PeerId {
  Digest digest;

  auto operator<=>(const PeerId&) const = default;
  explicit operator bool() const { return !digest.is_zero(); }
  /// 64 hexadecimal digits; short_hex the first 8, for logs.
  std::string hex() const { return digest.hex(); }
  std::string short_hex() const { return digest.hex().substr(0, 8); }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(digest.bytes);
  }
};

/// A key pair and its self-signed certificate (Ed25519), kept as one PEM file with mode 0600.
class Identity {
 public:
  /// Reads path, or makes a new identity there. Errors: corrupt, io, access_denied.
  static Result<Identity> load_or_create(const std::string& path);
  static Result<Identity> load(const std::string& path);
  /// A new one that lives only in memory.
  static Result<Identity> generate();

  const PeerId& id() const { return id_; }
  /// Private key and certificate. Never logged.
  const std::string& pem() const { return pem_; }

 private:
  Identity(PeerId id, std::string pem) : id_(id), pem_(std::move(pem)) {}
  PeerId id_;
  std::string pem_;
};

/// "host:port" or "[v6]:port"; the host is a literal address or a name.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  std::string text() const;
  /// Errors: invalid. default_port is used when text has none and it is not 0.
  static Result<Endpoint> parse(std::string_view text, std::uint16_t default_port = 0);

  template <class Archive>
  void serialize(Archive& archive) {
    archive(host, port);
  }
};

/// What a machine needs to join: where the tracker is, who it is, and a secret that works once.
/// Text form: "shoal-1-" and base64url of version, tracker id, secret, endpoint and a checksum, so
/// that a mistyped invitation is told from a refused one.
struct Invitation {
  Endpoint tracker;
  PeerId tracker_id;
  Bytes secret;  ///< 32 bytes

  std::string text() const;
  /// Errors: invalid, with what is wrong (not an invitation, damaged, a newer version).
  static Result<Invitation> parse(std::string_view text);
};

}  // namespace shoal::wire

template <>
struct std::hash<shoal::wire::PeerId> {
  std::size_t operator()(const shoal::wire::PeerId& id) const noexcept {
    return std::hash<shoal::base::Digest>{}(id.digest);
  }
};

namespace shoal {
using wire::PeerId;
}  // namespace shoal
