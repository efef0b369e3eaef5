# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts share. Source it; it starts nothing.

# The root of the checkout.
SHOAL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Which libfuse to build with: "auto" is the one of scripts/build-libfuse where the system's is old
# and that could be built, "system" the system's, anything else the folder it was installed to.
SHOAL_LIBFUSE=${SHOAL_LIBFUSE:-auto}

# Build, run-time and test packages; the names are the same on Debian 12 and 13.
SHOAL_PACKAGES=(
  clang-19 lld-19 libclang-rt-19-dev clang-format-19
  cmake ninja-build pkgconf ccache git
  libasio-dev libcereal-dev libcli11-dev libfmt-dev libfuse3-dev libspdlog-dev libsqlite3-dev
  libssl-dev libtomlplusplus-dev nlohmann-json3-dev
  fuse3
  libgtest-dev libgmock-dev python3 python3-libtorrent
  acl attr gcc libc6-dev make openssl procps rsync sqlite3 tar
)
# Multi-buffer hashing: the library exists for this architecture only, and shoal does without it.
if [[ $(uname -m) == x86_64 ]]; then
  SHOAL_PACKAGES+=(libipsec-mb-dev)
fi

say() { printf '==> %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Prints those of the named packages that are not installed.
missing_packages() {
  local installed
  # Unknown names make dpkg-query fail, but it still lists the others.
  installed=" $(dpkg-query -W -f '${db:Status-Status}/${Package} ' "$@" 2>/dev/null || true)"
  local package
  for package in "$@"; do
    [[ $installed == *" installed/$package "* ]] || printf '%s\n' "$package"
  done
}

# Sets AS_ROOT to what must stand before a command that needs root; $1 says what for.
find_root() {
  if [[ $(id -u) == 0 ]]; then
    AS_ROOT=()
  elif ! command -v sudo >/dev/null; then
    die "$1 needs root, and there is no sudo. As root, run: apt-get install $2"
  elif sudo -n true 2>/dev/null || [[ -t 0 ]]; then
    AS_ROOT=(sudo)
  else
    die "$1 needs root, and sudo wants a password but there is no terminal. As root, run: apt-get install $2"
  fi
}

check_distribution() {
  local ID='' VERSION_ID='' PRETTY_NAME='this system'
  # shellcheck disable=SC1091
  [[ -r /etc/os-release ]] && . /etc/os-release
  if [[ $ID != debian ]]; then
    die "$PRETTY_NAME is not Debian, so packages cannot be installed by themselves. Install what corresponds to: $1. Then run again with SHOAL_SKIP_SETUP=1"
  fi
  # Testing and unstable have no number.
  if [[ -n $VERSION_ID && ${VERSION_ID%%.*} -lt 12 ]]; then
    die "$PRETTY_NAME is too old: shoal builds on Debian 12 and 13"
  fi
}

# Runs apt-get quietly; what it said is in $APT_LOG.
apt() {
  "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" >>"$APT_LOG" 2>&1 </dev/null
}

install_packages() {
  APT_LOG=$(mktemp)
  local options=(install -y --no-install-recommends)
  # Package lists that are there may do; fetch new ones only when they do not.
  if apt "${options[@]}" "$@"; then
    rm -f "$APT_LOG"
    return
  fi
  say "Updating the package lists (apt-get update)"
  apt update || true
  if ! apt "${options[@]}" "$@"; then
    tail -n 15 "$APT_LOG" >&2
    if grep -qE 'Temporary failure|Could not (resolve|connect)|Failed to fetch|Unable to connect' "$APT_LOG"; then
      die "packages could not be downloaded: check the network and /etc/apt/sources.list, then run again (the whole output is in $APT_LOG)"
    fi
    die "apt-get could not install: $* (see above; the whole output is in $APT_LOG). On Debian 12, clang-19 is in bookworm 12.9 and later and in bookworm-updates"
  fi
  rm -f "$APT_LOG"
}

# write_apt_configuration FOLDER: FOLDER/apt.conf makes apt keep all that it writes in FOLDER and know
# only the sources in FOLDER/apt/sources.
write_apt_configuration() {
  local work=$1
  mkdir -p "$work"/apt/{lists,cache,sources,none} "$work"/download
  cat >"$work/apt.conf" <<CONFIGURATION
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Default-Release "";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/apt/cache";
Dir::Etc::SourceList "$work/apt/none/list";
Dir::Etc::SourceParts "$work/apt/sources";
Dir::Etc::Preferences "$work/apt/none/preferences";
Dir::Etc::PreferencesParts "$work/apt/none";
CONFIGURATION
  # apt downloads as this user; where it cannot reach the folder, apt does without by itself.
  if [[ $(id -u) == 0 ]] && id _apt >/dev/null 2>&1; then chown _apt "$work/download"; fi
}

# Builds a newer libfuse where that is wanted; without it everything works with the system's.
setup_libfuse() {
  [[ $SHOAL_LIBFUSE == auto ]] || return 0
  # Where it failed, not with every build again.
  [[ -z $(find "$SHOAL_ROOT/build/deps/libfuse.failed" -mtime -1 2>/dev/null) ]] || return 0
  "$SHOAL_ROOT/scripts/build-libfuse" || true
}

# Installs and builds what is missing; quick and silent when nothing is.
setup() {
  if [[ ${SHOAL_SKIP_SETUP:-} ]]; then
    say "Not looking for missing packages, because SHOAL_SKIP_SETUP is set"
    return
  fi
  install_missing "$@"
  setup_libfuse
}

install_missing() {
  local missing=()
  if command -v dpkg-query >/dev/null; then
    mapfile -t missing < <(missing_packages "${SHOAL_PACKAGES[@]}" "$@")
  else
    missing=("${SHOAL_PACKAGES[@]}" "$@")
  fi
  [[ ${#missing[@]} -gt 0 ]] || return 0
  check_distribution "${missing[*]}"
  find_root "installing packages" "${missing[*]}"
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  install_packages "${missing[@]}"
}

# Prints why mounts are not possible; nothing when they are.
why_no_fuse() {
  if [[ ! -e /dev/fuse ]]; then
    echo "there is no /dev/fuse (load the module with: modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN)"
  elif ! { : <>/dev/fuse; } 2>/dev/null; then
    echo "/dev/fuse may not be opened (in a container: --device /dev/fuse --cap-add SYS_ADMIN)"
  elif ! command -v fusermount3 >/dev/null; then
    echo "fusermount3 is missing (package fuse3)"
  fi
}

# How many compilers at once: one a core, as far as 1.5 GB for each are there.
build_jobs() {
  if [[ ${SHOAL_JOBS:-} ]]; then
    echo "$SHOAL_JOBS"
    return
  fi
  local cores memory_kb jobs
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  jobs=$((memory_kb / 1500000))
  ((jobs > cores)) && jobs=$cores
  ((jobs < 1)) && jobs=1
  echo "$jobs"
}

# Whether the build folder $1 has to be configured, again or for the first time.
needs_configuring() {
  local ninja=$1/build.ninja
  [[ -f $ninja && $SHOAL_ROOT/CMakePresets.json -ot $ninja ]] || return 0
  grep -qxF "SHOAL_LIBFUSE:STRING=$SHOAL_LIBFUSE" "$1/CMakeCache.txt" || return 0
  [[ $SHOAL_LIBFUSE == auto && $SHOAL_ROOT/build/deps/libfuse/stamp -nt $ninja ]]
}

# build_preset PRESET [TARGET...]: configures build/PRESET when needed, then builds (all without a target).
build_preset() {
  local preset=$1
  shift
  local folder=$SHOAL_ROOT/build/$preset
  if needs_configuring "$folder"; then
    say "Configuring build/$preset"
    local log
    log=$(mktemp)
    if ! (cd "$SHOAL_ROOT" && cmake --preset "$preset" -DSHOAL_LIBFUSE="$SHOAL_LIBFUSE") >"$log" 2>&1; then
      cat "$log" >&2
      rm -f "$log"
      die "cmake could not configure build/$preset (see above); after a change of compiler or a moved checkout, remove that folder first"
    fi
    rm -f "$log"
  fi
  local jobs
  jobs=$(build_jobs)
  say "Building build/$preset ($jobs at a time)"
  ninja -C "$folder" -j "$jobs" "${@:-all}" ||
    die "the build failed (see above). To try again: scripts/build --preset $preset"
}
