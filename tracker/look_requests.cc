// SPDX-License-Identifier: MIT
#include "tracker/handlers.h"
#include "tracker/locate.h"
#include "wire/codec.h"

namespace shoal::tracker {
namespace {

Result<InodeRow> walk(State& state, std::string_view path) {
  const std::string_view whole = path;
  if (path.empty() || path.front() != '/') return fail(Errc::invalid, "a path begins with '/'");
  auto row = state.store.inode(kRootInode);
  while (row) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    if (path.empty()) return *row;
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    if (!row->is_directory()) return fail(Errc::not_directory, "before {}", base::printable(name));
    auto valid = wire::check_name(name);
    if (!valid) return pass(valid);
    row = state.store.child_inode(row->inode, name);
  }
  return fail(Errc::not_found, "there is no {} in the swarm", base::printable(whole));
}

wire::Found describe(State& state, const std::string& path, const InodeRow& row) {
  wire::Found found;
  found.path = path;
  found.record = make_plain_record(row);
  if (row.kind != wire::FileKind::regular) return found;
  const auto content = state.store.content(row.content);
  if (content) found.holders = holders_of(state, *content);
  return found;
}

}  // namespace

wire::SwarmTotals totals(const State& state) {
  wire::SwarmTotals sum;
  sum.files = state.census.files();
  sum.directories = state.census.directories();
  sum.bytes = state.census.bytes();
  sum.copies = state.options.copies;
  for (const auto& [key, member] : state.members.all()) {
    sum.members += 1;
    sum.capacity_bytes += member.row.capacity.capacity_bytes;
    if (!member.is_online()) continue;
    sum.members_online += 1;
    sum.free_bytes += member.row.capacity.free_bytes;
  }
  const std::uint64_t copies = std::max<std::uint32_t>(sum.copies, 1);
  sum.capacity_bytes /= copies;
  sum.free_bytes /= copies;
  return sum;
}

void on_status(State& state, Token token) {
  wire::StatusReply reply;
  reply.swarm_name = state.swarm_name;
  reply.totals = totals(state);
  reply.health = state.census.health(
      state.options.copies, [&state](PeerKey peer) { return state.members.is_online(peer); });
  reply.members = state.members.describe_all(state.now.wall_nanoseconds());
  state.reply(token, std::move(reply));
}

void on_resolve(State& state, Token token, const wire::Resolve& request) {
  auto row = walk(state, request.path);
  if (!row) {
    state.reply(token, pass(row));
    return;
  }
  wire::ResolveReply reply;
  reply.found = describe(state, request.path, *row);
  if (row->kind == wire::FileKind::regular) {
    reply.wanted_copies = state.options.copies;
    const auto content = state.store.content(row->content);
    if (content) reply.located = locate(state, *content);
  }
  state.reply(token, std::move(reply));
}

void on_describe(State& state, Token token, const Describe& request) {
  wire::FindReply reply;
  for (const std::string& path : request.paths) {
    const auto row = walk(state, path);
    if (row) reply.found.push_back(describe(state, path, *row));
  }
  state.reply(token, std::move(reply));
}

}  // namespace shoal::tracker
