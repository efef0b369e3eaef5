// SPDX-License-Identifier: MIT
// Stands in for libFuzzer in normal builds: hands the empty input, every file of the corpus and
// every shorter beginning of it (up to a limit) to the target. A finding is a crash.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Truncations cost a run each; longer files are cut at this many evenly spread places.
constexpr std::size_t kMaxCutsPerFile = 512;

std::vector<std::filesystem::path> corpus_files(const char* folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(folder, error), end;
       !error && entry != end; entry.increment(error)) {
    if (entry->is_regular_file(error)) files.push_back(entry->path());
  }
  std::ranges::sort(files);
  return files;
}

// Exactly sized copies, so that AddressSanitizer sees a read behind the end.
void run(const std::vector<std::uint8_t>& input, std::size_t size) {
  const std::vector<std::uint8_t> copy(input.begin(),
                                       input.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  const std::vector<std::filesystem::path> files = corpus_files(argv[1]);
  if (files.empty()) {
    std::fprintf(stderr, "%s holds no corpus files; add some, a fuzz target needs seeds\n",
                 argv[1]);
    return 1;
  }
  run({}, 0);
  for (const std::filesystem::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<std::uint8_t> input{std::istreambuf_iterator<char>(stream), {}};
    std::fprintf(stderr, "%s (%zu bytes)\n", file.c_str(), input.size());
    const std::size_t step = input.size() / kMaxCutsPerFile + 1;
    for (std::size_t size = 0; size < input.size(); size += step) run(input, size);
    run(input, input.size());
  }
  std::fprintf(stderr, "%zu corpus files replayed\n", files.size());
  return 0;
}
