// SPDX-License-Identifier: MIT
// shoal get: a file's bytes into DEST.part, then its name. A file of several chunks goes on where
// an earlier run ended: the chunks that are there are hashed and compared with the piece layer, so
// nothing has to be remembered about the earlier run and nothing wrong is kept.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "base/file.h"
#include "base/hash_tree.h"
#include "cli/paths.h"
#include "cli/swarm_verbs.h"

namespace shoal::cli {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel: ELOOP
/// A file that somebody keeps changing is not fetched for ever.
constexpr int kMaxVersions = 5;

void on_interrupt(int) {
  constexpr std::string_view kText = "\nInterrupted. The same command goes on from here.\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(static_cast<int>(ExitCode::interrupted));
}

/// The file that path leads to; a link at its end is followed inside the swarm.
Result<wire::ResolveReply> resolve_file(Client& client, std::string path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    auto reply = client.resolve(path);
    if (!reply) return reply;
    const wire::InodeRecord& record = reply->found.record;
    if (record.attributes.kind == wire::FileKind::regular) return reply;
    if (record.attributes.kind == wire::FileKind::directory) {
      return fail(Errc::is_directory,
                  "{} is a directory, and get takes one file: copy it from the mount with cp -a",
                  base::printable(path));
    }
    if (record.attributes.kind != wire::FileKind::symlink) {
      return fail(Errc::unsupported, "{} is a {}: it has no bytes to get", base::printable(path),
                  kind_word(record.attributes.kind));
    }
    if (record.target.starts_with('/')) {
      return fail(Errc::unsupported, "{} is a link to {}, which lies outside of the swarm",
                  base::printable(path), base::printable(record.target));
    }
    path = swarm_path(path + "/../" + record.target);
  }
  return fail(Errc::invalid, "{}: too many links", base::printable(path));
}

/// Where the file goes: a directory takes it under its own name.
Result<std::string> destination_of(const GetOptions& options, const std::string& path) {
  const std::string name(base_name(path));
  if (options.destination.empty()) return name;
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(options.destination, error);
  std::string destination = options.destination;
  if (is_folder) destination += destination.ends_with('/') ? name : "/" + name;
  if (!is_folder && destination.ends_with('/')) {
    return fail(Errc::not_found, "there is no folder {}", destination);
  }
  return destination;
}

/// Bytes at the front of the file that are right: whole chunks that hash to the content's layer.
Result<std::uint64_t> verified_prefix(const base::Fd& fd, const wire::Located& located) {
  const wire::ContentRef& content = located.content;
  if (located.layer.empty()) return 0;
  if (!base::verify_layer(content.id, content.chunk_bytes, located.layer)) return 0;
  Bytes chunk(content.chunk_bytes);
  base::LeafHasher& hasher = base::thread_leaf_hasher();
  std::uint64_t done = 0;
  for (std::uint64_t number = 0; number < located.layer.size(); ++number) {
    const std::uint64_t length =
        std::min<std::uint64_t>(content.chunk_bytes, content.id.size - done);
    const MutableByteView part(chunk.data(), length);
    const auto count = base::read_at(fd, done, part);
    if (!count) return pass(count);
    if (*count != length) break;
    const std::vector<Digest> leaves = base::hash_leaves(part, hasher);
    if (!base::verify_chunk_leaves(content.id, content.chunk_bytes, located.layer, number,
                                   leaves)) {
      break;
    }
    done += length;
  }
  return done;
}

class Download {
 public:
  Download(Client& client, const wire::ResolveReply& file, std::string label, ProgressMode mode)
      : client_(client), file_(file), label_(std::move(label)), mode_(mode) {}

  /// Writes the bytes to stdout, in order.
  Result<void> to_stdout() {
    return run(0, [](std::uint64_t, ByteView bytes) -> Result<void> {
      while (!bytes.empty()) {
        const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return base::fail_errno(errno, "writing to stdout");
        bytes = bytes.subspan(static_cast<std::size_t>(count));
      }
      return {};
    });
  }

  Result<void> to_file(const std::string& part) {
    auto fd = base::open_file(part, O_RDWR | O_CREAT, 0600);
    if (!fd) return pass(fd);
    const auto present = verified_prefix(*fd, file_.located);
    if (!present) return pass(present);
    auto cut = base::truncate_file(*fd, *present);
    if (!cut) return cut;
    auto done = run(*present, [&](std::uint64_t offset, ByteView bytes) {
      return base::write_at(*fd, offset, bytes);
    });
    if (!done) return done;
    return set_attributes(*fd, part);
  }

  ProgressState state() const { return state_; }

 private:
  Result<void> run(std::uint64_t from, const Client::Sink& sink) {
    const wire::InodeRecord& record = file_.found.record;
    Progress progress(mode_, label_, record.content.id.size, from, clock_);
    auto done = client_.read_content(record.inode, record.content, from,
                                     [&](std::uint64_t offset, ByteView bytes) {
                                       auto written = sink(offset, bytes);
                                       if (written) progress.update(offset + bytes.size());
                                       return written;
                                     });
    if (done) progress.finish();
    state_ = progress.state();
    return done;
  }

  /// Mode and time as in the swarm, and everything on the disk before the name is.
  Result<void> set_attributes(const base::Fd& fd, const std::string& part) const {
    const wire::Attributes& attributes = file_.found.record.attributes;
    const mode_t mask = ::umask(0);
    ::umask(mask);
    const mode_t mode = (attributes.mode & 0777) & ~mask;
    if (::fchmod(fd.get(), mode) != 0) return base::fail_errno(errno, "chmod " + part);
    constexpr std::int64_t kSecond = 1'000'000'000;
    std::int64_t seconds = attributes.mtime / kSecond;
    std::int64_t fraction = attributes.mtime % kSecond;
    if (fraction < 0) {
      fraction += kSecond;
      --seconds;
    }
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_NOW},
                               {.tv_sec = seconds, .tv_nsec = fraction}};
    if (::futimens(fd.get(), times) != 0)
      return base::fail_errno(errno, "setting times of " + part);
    return base::sync_data(fd);
  }

  Client& client_;
  const wire::ResolveReply& file_;
  std::string label_;
  ProgressMode mode_;
  base::SystemClock clock_;
  ProgressState state_;
};

void report(const std::string& path, const std::string& destination, const wire::ResolveReply& file,
            const ProgressState& state, const Output& output) {
  if (output.json()) {
    Json json = json_document();
    set_path(json, "path", path);
    set_path(json, "destination", destination);
    json["bytes"] = file.found.record.content.id.size;
    json["resumed_bytes"] = state.started_bytes;
    json["root"] = file.found.record.content.id.root.hex();
    json["milliseconds"] =
        std::chrono::duration_cast<std::chrono::milliseconds>(state.elapsed).count();
    output.print_json(json);
    return;
  }
  if (state.started_bytes == 0) return;
  output.say(
      fmt::format("{} of it were here from before", base::format_bytes(state.started_bytes)));
}

}  // namespace

Result<ExitCode> run_get(const GetOptions& options, const Output& output) {
  auto mode = parse_progress(output.quiet() ? "none" : options.progress, ::isatty(STDERR_FILENO));
  if (!mode) return pass(mode);
  const bool to_stdout = options.destination == "-";
  if (to_stdout && output.json()) {
    return fail(Errc::invalid, "--json and the destination - would share stdout: take one of them");
  }
  auto resolved = connect_for_path(options.dir, options.path, Wanted::peer);
  if (!resolved) return pass(resolved);
  auto destination = destination_of(options, resolved->path);
  if (!destination) return pass(destination);
  std::error_code error;
  if (!to_stdout && !options.force && std::filesystem::exists(*destination, error)) {
    return fail(Errc::exists, "{} is there already: name another destination, or say --force",
                base::printable(*destination));
  }

  ::signal(SIGINT, on_interrupt);
  Client& client = resolved->connected.client;
  const std::string label(base_name(resolved->path));
  const std::string part = *destination + ".part";
  for (int version = 0; version < kMaxVersions; ++version) {
    const auto file = resolve_file(client, resolved->path);
    if (!file) return pass(file);
    Download download(client, *file, label, *mode);
    auto done = to_stdout ? download.to_stdout() : download.to_file(part);
    if (!done) {
      // The file has a new content; what stdout has taken cannot be taken back.
      if (done.error().code() == Errc::stale && !to_stdout) continue;
      return std::unexpected(done.error().with("getting " + base::printable(resolved->path)));
    }
    if (to_stdout) return ExitCode::ok;
    if (::rename(part.c_str(), destination->c_str()) != 0) {
      return base::fail_errno(errno, "renaming " + part);
    }
    report(resolved->path, *destination, *file, download.state(), output);
    return ExitCode::ok;
  }
  return fail(Errc::conflict, "{} changes faster than it can be read",
              base::printable(resolved->path));
}

}  // namespace shoal::cli
