// SPDX-License-Identifier: MIT
#include "cli/exit_code.h"

namespace shoal::cli {

ExitCode exit_code_for(Errc code) {
  switch (code) {
    case Errc::invalid:
      return ExitCode::usage;
    case Errc::not_found:
    case Errc::not_directory:
      return ExitCode::not_found;
    case Errc::unreachable:
    case Errc::timed_out:  // somebody is there, and says nothing
      return ExitCode::unreachable;
    case Errc::unauthenticated:
      return ExitCode::authentication;
    case Errc::canceled:
      return ExitCode::interrupted;
    default:
      return ExitCode::failed;
  }
}

}  // namespace shoal::cli
