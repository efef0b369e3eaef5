# SPDX-License-Identifier: MIT
# Refuses compilers that are known to miscompile or not to compile this code, with the reason.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

set(shoal_compiler "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
set(shoal_compiler_help
    "Run scripts/setup, then configure with -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 \
in an empty build folder (scripts/build does all of this).")

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    message(FATAL_ERROR
      "shoal needs clang >= 19 or g++ >= 13, and this is ${shoal_compiler}: g++ 12 miscompiles "
      "coroutines (temporaries inside a co_await expression are destroyed twice, which frees memory "
      "twice at run time without any warning). ${shoal_compiler_help}")
  endif()
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
    message(FATAL_ERROR
      "shoal needs clang >= 19 or g++ >= 13, and this is ${shoal_compiler}: before clang 19, "
      "std::expected of libstdc++ is hidden. ${shoal_compiler_help}")
  endif()
else()
  message(FATAL_ERROR
    "shoal needs clang >= 19 or g++ >= 13, and this is ${shoal_compiler}, which nobody has tried. "
    "${shoal_compiler_help}")
endif()

# The version number alone does not tell which standard library is found: compile a sample.
if(NOT DEFINED SHOAL_HAS_EXPECTED)
  try_compile(SHOAL_HAS_EXPECTED
    "${CMAKE_BINARY_DIR}/checks/expected" "${CMAKE_CURRENT_LIST_DIR}/check_expected.cc"
    CXX_STANDARD 23 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    OUTPUT_VARIABLE shoal_expected_output)
  if(NOT SHOAL_HAS_EXPECTED)
    unset(SHOAL_HAS_EXPECTED CACHE)
    message(FATAL_ERROR
      "${shoal_compiler} does not compile std::expected and coroutines with the standard library it "
      "finds: libstdc++ 12 or newer is needed. ${shoal_compiler_help}\n${shoal_expected_output}")
  endif()
endif()
