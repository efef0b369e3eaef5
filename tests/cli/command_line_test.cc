// SPDX-License-Identifier: MIT
#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace shoal::cli {
namespace {

using testing::HasSubstr;

std::variant<Invocation, Message> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "shoal");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), false);
}

Message message_of(std::vector<const char*> arguments) {
  const auto parsed = parse(std::move(arguments));
  const auto* message = std::get_if<Message>(&parsed);
  return message != nullptr ? *message : Message{.code = ExitCode::ok, .text = "(it was accepted)"};
}

/// What the verb says when it is run on a folder that is no lab: which folder it understood.
std::string error_of(std::vector<const char*> arguments) {
  const auto parsed = parse(std::move(arguments));
  const auto* invocation = std::get_if<Invocation>(&parsed);
  if (invocation == nullptr) return std::get<Message>(parsed).text;
  const auto result = invocation->run(Output(invocation->output));
  return result ? "(it worked)" : result.error().context();
}

TEST(CommandLine, takes_the_folder_before_and_behind_the_verb) {
  const std::vector<std::vector<const char*>> all = {
      {"lab", "kill", "1", "--dir", "/no/lab"}, {"lab", "kill", "--dir", "/no/lab", "1"},
      {"lab", "--dir", "/no/lab", "kill", "1"}, {"--dir", "/no/lab", "lab", "kill", "1"},
      {"lab", "kill", "1", "--dir=/no/lab"},    {"lab", "stop", "--dir", "/no/lab"},
      {"lab", "status", "--dir", "/no/lab"},    {"lab", "restart", "--dir", "/no/lab", "tracker"},
  };
  for (const auto& arguments : all)
    EXPECT_THAT(error_of(arguments), HasSubstr("no lab in /no/lab"));
}

TEST(CommandLine, takes_json_before_and_behind_the_verb) {
  for (const auto& arguments : std::vector<std::vector<const char*>>{{"--json", "status"},
                                                                     {"status", "--json"},
                                                                     {"lab", "--json", "status"},
                                                                     {"lab", "status", "--json"}}) {
    const auto parsed = parse(arguments);
    ASSERT_TRUE(std::holds_alternative<Invocation>(parsed));
    EXPECT_TRUE(std::get<Invocation>(parsed).output.json);
  }
}

TEST(CommandLine, takes_options_from_the_environment) {
  ::setenv("SHOAL_JSON", "1", 1);
  EXPECT_TRUE(std::get<Invocation>(parse({"status"})).output.json);
  ::unsetenv("SHOAL_JSON");
  EXPECT_FALSE(std::get<Invocation>(parse({"status"})).output.json);
  ::setenv("SHOAL_PROGRESS", "loud", 1);
  EXPECT_EQ(message_of({"get", "/a"}).code, ExitCode::usage);
  ::unsetenv("SHOAL_PROGRESS");
}

TEST(CommandLine, calls_wrong_usage_2) {
  for (const auto& arguments :
       std::vector<std::vector<const char*>>{{},
                                             {"nonsense"},
                                             {"lab"},
                                             {"lab", "nonsense"},
                                             {"lab", "kill"},
                                             {"find"},
                                             {"status", "surplus"},
                                             {"lab", "start", "--peers", "0"},
                                             {"lab", "start", "--peers", "many"},
                                             {"get", "/a", "b", "--progress=loud"},
                                             {"status", "--color=pink"},
                                             {"status", "--nonsense"}}) {
    EXPECT_EQ(message_of(arguments).code, ExitCode::usage);
  }
}

TEST(CommandLine, suggests_the_verb_that_was_meant) {
  EXPECT_THAT(message_of({"stauts"}).text, HasSubstr("did you mean status?"));
  EXPECT_THAT(message_of({"lab", "strat"}).text, HasSubstr("did you mean start?"));
  EXPECT_THAT(message_of({"lab"}).text, HasSubstr("shoal lab needs a verb"));
  EXPECT_THAT(message_of({"lab", "kill"}).text, HasSubstr("shoal lab kill --help"));
}

TEST(CommandLine, helps_with_examples) {
  const Message help = message_of({"--help"});
  EXPECT_EQ(help.code, ExitCode::ok);
  EXPECT_THAT(help.text, HasSubstr("First steps"));
  for (const char* verb :
       {"status", "peers", "find", "conflicts", "info", "invite", "get", "umount"}) {
    EXPECT_THAT(message_of({verb, "--help"}).text, HasSubstr("Examples:")) << verb;
    EXPECT_THAT(help.text, HasSubstr(verb));
  }
  EXPECT_THAT(message_of({"help", "lab", "start"}).text, HasSubstr("--peers"));
  EXPECT_THAT(message_of({"help"}).text, HasSubstr("First steps"));
}

TEST(CommandLine, tells_the_version) {
  const Message version = message_of({"--version"});
  EXPECT_EQ(version.code, ExitCode::ok);
  EXPECT_THAT(version.text, HasSubstr("shoal "));
  EXPECT_THAT(version.text, HasSubstr("commit"));
}

}  // namespace
}  // namespace shoal::cli
