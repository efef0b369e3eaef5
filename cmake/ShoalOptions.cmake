# SPDX-License-Identifier: MIT
# shoal_options: what every translation unit of shoal is compiled with. All macros that change the
# layout of third-party types are here and nowhere else, so that all units agree.

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(shoal_line_info -gline-tables-only)
else()
  set(shoal_line_info -g1)
endif()
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")

add_library(shoal_options INTERFACE)
add_library(shoal::options ALIAS shoal_options)
target_compile_features(shoal_options INTERFACE cxx_std_23)
target_include_directories(shoal_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_link_libraries(shoal_options INTERFACE fmt::fmt Threads::Threads)

target_compile_options(shoal_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror=unused-result
  "$<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>"
  "$<$<CONFIG:Release>:${shoal_line_info}>"
  -fno-omit-frame-pointer
  "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/="
  # Objects do not depend on the name of the build folder, so ccache shares them between folders.
  "-fdebug-prefix-map=${PROJECT_BINARY_DIR}=${PROJECT_SOURCE_DIR}/build")
if(SHOAL_WERROR)
  target_compile_options(shoal_options INTERFACE -Werror)
endif()

# Asio 1.22 sees neither co_await nor awaitable under clang without the two HAS macros. It finds
# aligned_alloc only in units that include a standard header before it; mixed units then free
# with another allocator than they allocate with, so all are told.
target_compile_definitions(shoal_options INTERFACE
  ASIO_STANDALONE ASIO_HAS_CO_AWAIT=1 ASIO_HAS_STD_COROUTINE=1 ASIO_HAS_STD_ALIGNED_ALLOC=1
  ASIO_SEPARATE_COMPILATION
  _GLIBCXX_ASSERTIONS)

if(SHOAL_SANITIZE)
  target_compile_options(shoal_options INTERFACE
    "-fsanitize=${SHOAL_SANITIZE}" -fno-sanitize-recover=all)
  target_link_options(shoal_options INTERFACE "-fsanitize=${SHOAL_SANITIZE}")
  if(SHOAL_SANITIZE MATCHES "thread")
    # TSan does not model stand-alone fences; Asio then uses full barriers it understands.
    target_compile_definitions(shoal_options INTERFACE ASIO_DISABLE_FENCED_BLOCK)
  endif()
else()
  target_compile_options(shoal_options INTERFACE -fstack-protector-strong)
  target_compile_definitions(shoal_options INTERFACE
    "$<$<OR:$<CONFIG:Release>,$<CONFIG:RelWithDebInfo>>:_FORTIFY_SOURCE=2>")
endif()

if(SHOAL_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SHOAL_FUZZ needs clang (libFuzzer); configure with clang++-19.")
  endif()
  target_compile_options(shoal_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The fast linker when it fits the compiler.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  string(REGEX MATCH "^[0-9]+" shoal_clang_major "${CMAKE_CXX_COMPILER_VERSION}")
  find_program(SHOAL_LLD NAMES ld.lld-${shoal_clang_major} ld.lld)
  if(SHOAL_LLD)
    target_link_options(shoal_options INTERFACE "--ld-path=${SHOAL_LLD}")
  endif()
endif()

if(SHOAL_TIDY)
  find_program(SHOAL_CLANG_TIDY NAMES clang-tidy-19 clang-tidy)
  if(NOT SHOAL_CLANG_TIDY)
    message(FATAL_ERROR "SHOAL_TIDY needs clang-tidy: apt-get install clang-tidy-19.")
  endif()
  set(CMAKE_CXX_CLANG_TIDY "${SHOAL_CLANG_TIDY};--quiet")
endif()
