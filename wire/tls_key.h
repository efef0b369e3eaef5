// SPDX-License-Identifier: MIT
// Keys and certificates as OpenSSL sees them; for wire/ only.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "wire/identity.h"

namespace shoal::wire::tls {

struct KeyFreer {
  void operator()(EVP_PKEY* key) const;
};
struct CertificateFreer {
  void operator()(X509* certificate) const;
};
using Key = std::unique_ptr<EVP_PKEY, KeyFreer>;
using Certificate = std::unique_ptr<X509, CertificateFreer>;

struct KeyPair {
  Key key;
  Certificate certificate;
};

/// Ed25519 (RFC 8032, RFC 8410) and a certificate that it signs itself, valid for ever: identity
/// is the key, nothing else in the certificate is looked at.
Result<KeyPair> make_key_pair();
/// Errors: corrupt (unreadable, another kind of key, key and certificate do not belong together).
Result<KeyPair> parse_pem(std::string_view pem);
Result<std::string> format_pem(const KeyPair& pair);

/// SHA-256 of the certificate's DER SubjectPublicKeyInfo.
Result<PeerId> peer_id_of(X509* certificate);

/// The oldest entry of OpenSSL's error queue as a sentence; empties the queue.
std::string take_openssl_error();

}  // namespace shoal::wire::tls
