// SPDX-License-Identifier: MIT
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "base/log.h"
#include "cli/command_line.h"

namespace {

using shoal::cli::ExitCode;

int number(ExitCode code) { return static_cast<int>(code); }

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a daemon that goes away is an error to report, not a death
  shoal::base::start_log({.level = shoal::base::LogLevel::error});
  auto parsed = shoal::cli::parse_command_line(argc, argv, ::isatty(STDOUT_FILENO) != 0);
  if (const auto* message = std::get_if<shoal::cli::Message>(&parsed)) {
    std::FILE* const file = message->code == ExitCode::ok ? stdout : stderr;
    std::fputs(message->text.c_str(), file);
    return number(message->code);
  }
  const auto& invocation = std::get<shoal::cli::Invocation>(parsed);
  const shoal::cli::Output output(invocation.output);
  const auto result = invocation.run(output);
  if (result) return number(*result);
  std::fprintf(stderr, "shoal: %s\n", result.error().context().c_str());
  return number(shoal::cli::exit_code_for(result.error().code()));
}
