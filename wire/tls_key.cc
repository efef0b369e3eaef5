// SPDX-License-Identifier: MIT
#include "wire/tls_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

namespace shoal::wire::tls {
namespace {

struct BioFreer {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Memory = std::unique_ptr<BIO, BioFreer>;

std::unexpected<Error> fail_openssl(Errc code, std::string_view doing) {
  return fail(code, "{}: {}", doing, take_openssl_error());
}

bool set_times(X509* certificate) {
  return ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20000101000000Z") == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1;
}

bool set_serial(X509* certificate) {
  std::uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1;
}

bool set_names(X509* certificate) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const auto* const name = reinterpret_cast<const unsigned char*>("shoal");
  return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

/// No passphrase is ever asked for on a terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

}  // namespace

void KeyFreer::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
void CertificateFreer::operator()(X509* certificate) const { X509_free(certificate); }

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("OpenSSL error {:x}", code);
}

Result<KeyPair> make_key_pair() {
  KeyPair pair;
  pair.key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!pair.key) return fail_openssl(Errc::internal, "making a key");
  pair.certificate.reset(X509_new());
  X509* const certificate = pair.certificate.get();
  const bool is_made = certificate != nullptr && X509_set_version(certificate, 2) == 1 &&
                       set_serial(certificate) && set_times(certificate) &&
                       set_names(certificate) &&
                       X509_set_pubkey(certificate, pair.key.get()) == 1 &&
                       X509_sign(certificate, pair.key.get(), nullptr) > 0;
  if (!is_made) return fail_openssl(Errc::internal, "making a certificate");
  return pair;
}

Result<KeyPair> parse_pem(std::string_view pem) {
  KeyPair pair;
  const Memory for_key(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Memory for_certificate(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  pair.key.reset(PEM_read_bio_PrivateKey(for_key.get(), nullptr, no_passphrase, nullptr));
  if (!pair.key) return fail_openssl(Errc::corrupt, "no private key found");
  pair.certificate.reset(PEM_read_bio_X509(for_certificate.get(), nullptr, no_passphrase, nullptr));
  if (!pair.certificate) return fail_openssl(Errc::corrupt, "no certificate found");
  if (EVP_PKEY_get_id(pair.key.get()) != EVP_PKEY_ED25519) {
    return fail(Errc::corrupt, "the key is not an Ed25519 key");
  }
  if (X509_check_private_key(pair.certificate.get(), pair.key.get()) != 1) {
    ERR_clear_error();
    return fail(Errc::corrupt, "the key and the certificate do not belong together");
  }
  return pair;
}

Result<std::string> format_pem(const KeyPair& pair) {
  const Memory memory(BIO_new(BIO_s_mem()));
  const bool is_written = memory &&
                          PEM_write_bio_PrivateKey(memory.get(), pair.key.get(), nullptr, nullptr,
                                                   0, nullptr, nullptr) == 1 &&
                          PEM_write_bio_X509(memory.get(), pair.certificate.get()) == 1;
  if (!is_written) return fail_openssl(Errc::internal, "writing a key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<PeerId> peer_id_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return fail_openssl(Errc::corrupt, "reading a public key");
  const ByteView view(reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(size));
  const PeerId id{base::sha256(view)};
  OPENSSL_free(der);
  return id;
}

}  // namespace shoal::wire::tls
