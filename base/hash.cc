// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"

namespace shoal::base {
namespace {

/// The algorithm, looked up once: a lookup per hash costs more than a 64-byte hash itself.
const EVP_MD* sha256_algorithm() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(algorithm != nullptr, "OpenSSL has no SHA-256");
  return algorithm;
}

class Sha256Context {
 public:
  Sha256Context() : context_(EVP_MD_CTX_new()) {
    CHECK(context_ != nullptr);
    CHECK(EVP_DigestInit_ex2(context_.get(), sha256_algorithm(), nullptr) == 1);
  }

  void start() { CHECK(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1); }
  void add(ByteView data) {
    CHECK(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
  }
  Digest finish() {
    Digest digest;
    auto* out = reinterpret_cast<unsigned char*>(digest.bytes.data());
    CHECK(EVP_DigestFinal_ex(context_.get(), out, nullptr) == 1);
    return digest;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

Sha256Context& thread_context() {
  thread_local Sha256Context context;
  return context;
}

}  // namespace

Result<Digest> Digest::from(ByteView view) {
  if (view.size() != kBytes) return fail(Errc::invalid, "a digest of {} bytes", view.size());
  Digest digest;
  std::ranges::copy(view, digest.bytes.begin());
  return digest;
}

Digest sha256(ByteView data) {
  Sha256Context& context = thread_context();
  context.start();
  context.add(data);
  return context.finish();
}

Digest sha256_pair(const Digest& left, const Digest& right) {
  std::array<std::byte, 2 * Digest::kBytes> both;
  std::ranges::copy(left.bytes, both.begin());
  std::ranges::copy(right.bytes, both.begin() + Digest::kBytes);
  return sha256(both);
}

}  // namespace shoal::base
