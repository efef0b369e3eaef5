// SPDX-License-Identifier: MIT
#include "tracker/contents.h"

#include "base/check.h"

namespace shoal::tracker {

ContentRow Contents::refer(const wire::ContentRef& ref, const std::vector<Digest>& layer,
                           PeerKey publisher) {
  if (ref.id.is_empty()) return ContentRow{{}, ref, 0, {}};
  auto row = store_.find_content(ref.id);
  if (!row) {
    row = ContentRow{{}, ref, 1, census_.with({}, publisher)};
    row->key = store_.add_content(*row, layer);
    census_.count(row->holders, 1, 1);
    return *row;
  }
  row->refs += 1;
  census_.count(row->holders, 0, 1);
  const HolderSetId holders = census_.with(row->holders, publisher);
  if (holders == row->holders) {
    store_.update_content(*row);
  } else {
    move(*row, holders);
    store_.remove_partial(row->key, publisher);
  }
  return *row;
}

void Contents::unrefer(ContentKey key, InodeId inode) {
  if (!key) return;
  auto row = store_.content(key);
  if (!row) return;  // only when the store is broken: its commit will say so
  row->refs -= 1;
  census_.count(row->holders, 0, -1);
  if (row->refs > 0) {
    store_.update_content(*row);
    return;
  }
  census_.count(row->holders, -1, 0);
  releases_.push_back({inode, row->ref, census_.set(row->holders).peers});
  for (const PartialRow& partial : store_.partials(key)) {
    releases_.back().holders.push_back(partial.peer);
  }
  store_.remove_content(key);
}

void Contents::move(ContentRow& row, HolderSetId to) {
  const auto files = static_cast<std::int64_t>(row.refs);
  census_.count(row.holders, -1, -files);
  census_.count(to, 1, files);
  row.holders = to;
  store_.update_content(row);
}

void Contents::set_complete(ContentRow& row, PeerKey peer) {
  if (census_.contains(row.holders, peer)) return;
  move(row, census_.with(row.holders, peer));
  store_.remove_partial(row.key, peer);
}

void Contents::set_partial(ContentRow& row, PeerKey peer, ByteView chunks) {
  if (census_.contains(row.holders, peer)) move(row, census_.without(row.holders, peer));
  store_.put_partial(row.key, peer, chunks);
}

void Contents::set_absent(ContentRow& row, PeerKey peer) {
  if (census_.contains(row.holders, peer)) move(row, census_.without(row.holders, peer));
  store_.remove_partial(row.key, peer);
}

bool is_valid_chunk_map(const wire::ContentRef& ref, ByteView chunks) {
  const std::uint64_t count = base::chunk_count(ref.id.size, ref.chunk_bytes);
  if (chunks.size() != (count + 7) / 8) return false;
  const std::uint64_t spare = chunks.size() * 8 - count;
  if (spare == 0) return true;
  const auto mask = static_cast<unsigned>((1U << spare) - 1U);
  return (std::to_integer<unsigned>(chunks.back()) & mask) == 0;
}

}  // namespace shoal::tracker
