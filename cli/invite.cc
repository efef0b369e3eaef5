// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {

Result<ExitCode> run_invite(const InviteOptions& options, const Output& output) {
  const auto valid = base::parse_duration(options.valid);
  if (!valid) return pass(valid);
  if (*valid <= Duration::zero()) {
    return fail(Errc::invalid, "--valid has to be longer than nothing");
  }
  auto connected = connect_target({.dir = options.dir, .path = {}, .wanted = Wanted::tracker});
  if (!connected) return pass(connected);
  const base::SystemClock clock;
  const auto until = (clock.wall() + *valid).time_since_epoch();
  const auto invitation = connected->client.invite(*valid);
  if (!invitation) return pass(invitation);
  if (output.json()) {
    Json json = json_document();
    json["invitation"] = invitation->text();
    json["tracker"] = invitation->tracker.text();
    json["tracker_id"] = invitation->tracker_id.hex();
    json["valid_until"] =
        rfc3339(std::chrono::duration_cast<std::chrono::seconds>(until).count() * 1'000'000'000);
    output.print_json(json);
    return ExitCode::ok;
  }
  output.print(invitation->text());
  output.say(fmt::format("It works once, for {}, with the tracker at {}. On the new machine:",
                         base::format_duration(*valid), invitation->tracker.text()));
  output.say(
      "  peerd join - --dir DIR     (then paste it; this way it stays out of the process list)");
  return ExitCode::ok;
}

}  // namespace shoal::cli
