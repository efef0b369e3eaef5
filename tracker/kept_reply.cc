// SPDX-License-Identifier: MIT
#include "tracker/kept_reply.h"

namespace shoal::tracker {
namespace {

constexpr std::size_t kErrcBytes = 2;
constexpr std::size_t kInodeBytes = 8;

void put(Bytes& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

std::uint64_t get(ByteView in, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value |= std::to_integer<std::uint64_t>(in[at + i]) << (8 * i);
  }
  return value;
}

}  // namespace

Bytes pack_reply(const KeptReply& reply) {
  Bytes out;
  put(out, reply.error ? static_cast<std::uint64_t>(*reply.error) : 0, kErrcBytes);
  if (reply.error) {
    const ByteView context = as_bytes(reply.context);
    out.insert(out.end(), context.begin(), context.end());
  } else {
    for (const InodeId inode : reply.inodes) put(out, inode.value(), kInodeBytes);
  }
  return out;
}

KeptReply unpack_reply(ByteView packed) {
  KeptReply reply;
  if (packed.size() < kErrcBytes) return reply;
  const std::uint64_t code = get(packed, 0, kErrcBytes);
  packed = packed.subspan(kErrcBytes);
  if (code != 0) {
    reply.error = static_cast<Errc>(code);
    reply.context = as_text(packed);
    return reply;
  }
  for (; packed.size() >= kInodeBytes; packed = packed.subspan(kInodeBytes)) {
    reply.inodes.emplace_back(get(packed, 0, kInodeBytes));
  }
  return reply;
}

}  // namespace shoal::tracker
