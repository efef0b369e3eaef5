# SPDX-License-Identifier: MIT
# Third-party libraries, all from the distribution. scripts/setup installs them.

set(shoal_setup_help "run scripts/setup, which installs it")

# A macro, because find modules leave variables that later calls need.
macro(shoal_need name package)
  find_package(${name} QUIET ${ARGN})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${name} is missing (package ${package}): ${shoal_setup_help}.")
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Threads REQUIRED)
shoal_need(fmt libfmt-dev)
shoal_need(spdlog libspdlog-dev)
shoal_need(OpenSSL libssl-dev)
shoal_need(SQLite3 libsqlite3-dev)
shoal_need(cereal libcereal-dev)
shoal_need(tomlplusplus libtomlplusplus-dev)
shoal_need(CLI11 libcli11-dev)
shoal_need(nlohmann_json nlohmann-json3-dev)
shoal_need(PkgConfig pkg-config)

include(ShoalFuse)

find_path(SHOAL_ASIO_INCLUDE asio/awaitable.hpp)
if(NOT SHOAL_ASIO_INCLUDE)
  message(FATAL_ERROR "standalone Asio is missing (package libasio-dev): ${shoal_setup_help}.")
endif()

if(SHOAL_TESTS)
  shoal_need(GTest "libgtest-dev, libgmock-dev")
  # The system's interpreter, because python3-libtorrent belongs to it.
  if(NOT DEFINED Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
    set(Python3_EXECUTABLE /usr/bin/python3)
  endif()
  shoal_need(Python3 python3 COMPONENTS Interpreter)
endif()
