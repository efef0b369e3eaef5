# SPDX-License-Identifier: MIT
# shoal::version, the library that knows version and commit. The commit is looked up at every build;
# when it changed, one small source is compiled and the programs are linked again, nothing else.

set(shoal_version_source "${PROJECT_BINARY_DIR}/generated/version.cc")
add_custom_target(shoal_version_refresh
  COMMAND "${CMAKE_COMMAND}"
    "-DVERSION=${PROJECT_VERSION}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "-DTEMPLATE=${PROJECT_SOURCE_DIR}/base/version.cc.in" "-DOUTPUT=${shoal_version_source}"
    -P "${CMAKE_CURRENT_LIST_DIR}/write_version.cmake"
  BYPRODUCTS "${shoal_version_source}"
  COMMENT "Looking up the commit"
  VERBATIM)
add_library(shoal_version STATIC "${shoal_version_source}")
add_library(shoal::version ALIAS shoal_version)
add_dependencies(shoal_version shoal_version_refresh)
target_link_libraries(shoal_version PUBLIC shoal_options)
