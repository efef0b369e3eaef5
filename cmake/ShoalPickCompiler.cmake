# SPDX-License-Identifier: MIT
# Included before project(): when nobody chose a compiler (CMAKE_CXX_COMPILER, CXX), prefers a clang
# that is new enough over the distribution's default, which on Debian 12 is too old.

if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  foreach(major IN ITEMS 19 20 21 22)
    find_program(SHOAL_CLANGXX clang++-${major})
    find_program(SHOAL_CLANG clang-${major})
    if(SHOAL_CLANGXX AND SHOAL_CLANG)
      set(CMAKE_CXX_COMPILER "${SHOAL_CLANGXX}" CACHE FILEPATH "C++ compiler")
      set(CMAKE_C_COMPILER "${SHOAL_CLANG}" CACHE FILEPATH "C compiler")
      break()
    endif()
    unset(SHOAL_CLANGXX CACHE)
    unset(SHOAL_CLANG CACHE)
  endforeach()
endif()
