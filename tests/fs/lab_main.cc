// SPDX-License-Identifier: MIT
// Mounts a swarm of some peers in one process until a key is pressed or standard input ends, for
// trying things by hand: fs_lab FOLDER PEERS
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "tests/fs/mount_lab.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: fs_lab FOLDER PEERS\n");
    return 2;
  }
  shoal::base::LogOptions options;
  if (std::getenv("SHOAL_DEBUG") != nullptr) options.level = shoal::base::LogLevel::debug;
  shoal::base::start_log(options);
  const shoal::test::MountLab lab(static_cast<unsigned>(std::atoi(argv[2])), argv[1]);
  std::printf("mounted\n");
  std::fflush(stdout);
  std::getchar();
  return 0;
}
