// SPDX-License-Identifier: MIT
// How fast this machine hashes: the tree of a cached buffer against one OpenSSL stream over the
// same bytes, and each hasher by batch size. One thread; runs alternate, medians are reported.
//
// usage: hash_bench [--mib 1024] [--rounds 5] [--json FILE]

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "base/clock.h"
#include "base/hash_choice.h"
#include "base/hash_tree.h"
#include "base/random.h"

namespace shoal {
namespace {

constexpr double kGiga = 1e9;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / kGiga;
}

/// Time on the CPU, so that other work on the machine does not count.
template <class F>
double seconds_of(F work) {
  const double start = cpu_seconds();
  work();
  return cpu_seconds() - start;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Leaves, all rows above them and the root, a chunk at a time as the daemon does it.
Digest tree_root(ByteView data, base::LeafHasher& hasher) {
  std::vector<Digest> leaves;
  for (std::size_t at = 0; at < data.size(); at += base::kDefaultChunkBytes) {
    const std::size_t length = std::min<std::size_t>(base::kDefaultChunkBytes, data.size() - at);
    const std::vector<Digest> part = base::hash_leaves(data.subspan(at, length), hasher);
    leaves.insert(leaves.end(), part.begin(), part.end());
  }
  return base::root_of_leaves(leaves);
}

nlohmann::json tree_against_stream(std::size_t mib, int rounds) {
  Bytes data(mib * 1024 * 1024);
  base::Random(1).fill(data);
  base::LeafHasher* hasher = nullptr;
  const double choosing = seconds_of([&] { hasher = &base::thread_leaf_hasher(); });
  std::vector<double> trees;
  std::vector<double> streams;
  Digest root;
  for (int round = 0; round < rounds; ++round) {
    trees.push_back(seconds_of([&] { root = tree_root(data, *hasher); }));
    streams.push_back(seconds_of([&] { base::sha256(data); }));
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < trees.size(); ++i) ratios.push_back(streams[i] / trees[i]);
  const double bytes = static_cast<double>(data.size());
  return {{"hasher", hasher->name()},
          {"root", root.hex()},
          {"bytes", data.size()},
          {"rounds", rounds},
          {"choosing_ms", choosing * 1e3},
          {"tree_gb_per_s", bytes / median(trees) / kGiga},
          {"openssl_stream_gb_per_s", bytes / median(streams) / kGiga},
          {"ratio", median(ratios)}};
}

/// GB/s for batches of `leaves` messages of `length` bytes: the best of many runs.
template <class Hash>
double batch_speed(std::size_t leaves, std::size_t length, Hash hash) {
  constexpr int kRuns = 200;
  const Bytes data(leaves * length, std::byte{5});
  std::vector<ByteView> messages;
  for (std::size_t i = 0; i < leaves; ++i) {
    messages.push_back(ByteView(data).subspan(i * length, length));
  }
  std::vector<Digest> digests(leaves);
  const base::SystemClock clock;  // asking for CPU time takes longer than hashing a short message
  Duration least = Duration::max();
  for (int run = 0; run < kRuns; ++run) {
    const SteadyTime start = clock.steady();
    hash(messages, digests);
    least = std::min(least, clock.steady() - start);
  }
  return static_cast<double>(data.size()) / static_cast<double>(least.count());
}

template <class Hash>
nlohmann::json batch_speeds(Hash hash) {
  nlohmann::json speeds;
  for (const std::size_t leaves : {1u, 2u, 3u, 4u, 5u, 6u, 8u, 12u, 15u, 16u, 17u, 24u, 64u}) {
    speeds["16KiB"][std::to_string(leaves)] = batch_speed(leaves, base::kBlockBytes, hash);
  }
  speeds["8KiB"]["1"] = batch_speed(1, 8 * 1024, hash);
  for (const std::size_t pairs : {1u, 4u, 8u, 32u}) {
    speeds["64B"][std::to_string(pairs)] = batch_speed(pairs, 64, hash);
  }
  return speeds;
}

nlohmann::json hashers_by_batch() {
  nlohmann::json hashers;
  base::LeafHasher& chosen = base::thread_leaf_hasher();
  hashers["chosen"] =
      batch_speeds([&](const auto& leaves, auto& digests) { chosen.hash(leaves, digests); });
  for (const base::HashCandidate& candidate : base::hash_candidates()) {
    const auto hasher = candidate.make();
    if (hasher == nullptr) continue;
    hashers[candidate.name] = batch_speeds([&](const auto& leaves, auto& digests) {
      if (!hasher->hash(leaves, digests)) throw std::runtime_error(candidate.name + " failed");
    });
  }
  return hashers;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) {
  CLI::App app("How fast this machine hashes: the tree against one OpenSSL stream.");
  std::size_t mib = 1024;
  int rounds = 5;
  std::string path;
  app.add_option("--mib", mib, "Size of the buffer")->check(CLI::Range(1, 1 << 20));
  app.add_option("--rounds", rounds, "Runs of each side")->check(CLI::Range(1, 1000));
  app.add_option("--json", path, "Write the result there as well");
  CLI11_PARSE(app, argc, argv);
  nlohmann::json result = shoal::tree_against_stream(mib, rounds);
  result["batches_gb_per_s"] = shoal::hashers_by_batch();
  const std::string text = result.dump(2) + "\n";
  std::fputs(text.c_str(), stdout);
  if (!path.empty() && !(std::ofstream(path) << text)) {
    std::fprintf(stderr, "hash_bench: cannot write %s\n", path.c_str());
    return 1;
  }
  return 0;
}
