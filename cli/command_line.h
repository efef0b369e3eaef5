// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "cli/exit_code.h"
#include "cli/output.h"

namespace shoal::cli {

/// What the command line asks for.
struct Invocation {
  Output::Options output;
  std::function<Result<ExitCode>(const Output&)> run;
};

/// What to print instead: help, the version, or what is wrong with the command line.
struct Message {
  ExitCode code = ExitCode::ok;
  std::string text;
};

/// Reads the arguments. Nothing is run, opened or printed. color_terminal: whether stdout shows
/// colours.
std::variant<Invocation, Message> parse_command_line(int argc, const char* const* argv,
                                                     bool color_terminal);

}  // namespace shoal::cli
