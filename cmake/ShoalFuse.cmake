# SPDX-License-Identifier: MIT
# shoal::fuse3: libfuse, the system's or a newer one, and the API level to compile for.

set(SHOAL_LIBFUSE "auto" CACHE STRING
  "libfuse: auto (the one of scripts/build-libfuse, else the system's), system, or where it is installed")

# The result goes into variables without a cache, so that another choice needs no fresh folder.
function(shoal_find_fuse prefix)
  find_path(include fuse3/fuse_lowlevel.h PATHS "${prefix}/include" NO_DEFAULT_PATH NO_CACHE)
  find_library(library fuse3 PATHS "${prefix}/lib" "${prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}"
    NO_DEFAULT_PATH NO_CACHE)
  find_file(description fuse3.pc PATHS "${prefix}/lib/pkgconfig"
    "${prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig" NO_DEFAULT_PATH NO_CACHE)
  if(NOT include OR NOT library OR NOT description)
    message(FATAL_ERROR "There is no libfuse in ${prefix} (SHOAL_LIBFUSE).")
  endif()
  file(STRINGS "${description}" version REGEX "^Version:")
  string(REGEX REPLACE "^Version: *" "" version "${version}")
  add_library(shoal_libfuse SHARED IMPORTED GLOBAL)
  set_target_properties(shoal_libfuse PROPERTIES
    IMPORTED_LOCATION "${library}"
    # Both, or <fuse3/fuse_lowlevel.h> would be the system's.
    INTERFACE_INCLUDE_DIRECTORIES "${include};${include}/fuse3"
    INTERFACE_COMPILE_DEFINITIONS _FILE_OFFSET_BITS=64)
  target_link_libraries(shoal_fuse3 INTERFACE shoal_libfuse)
  set(fuse3_VERSION "${version}" PARENT_SCOPE)
endfunction()

add_library(shoal_fuse3 INTERFACE)
add_library(shoal::fuse3 ALIAS shoal_fuse3)

set(shoal_built_fuse "${PROJECT_SOURCE_DIR}/build/deps/libfuse")
if(SHOAL_LIBFUSE STREQUAL "auto" AND EXISTS "${shoal_built_fuse}/stamp")
  shoal_find_fuse("${shoal_built_fuse}")
  # The daemon's library takes requests from the kernel alone; this one is for tests that play it.
  if(EXISTS "${shoal_built_fuse}/custom-io/lib/libfuse3.so")
    set(shoal_fuse_for_tests "${shoal_built_fuse}/custom-io/lib")
  endif()
  # Configures again once it is built anew or removed.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${shoal_built_fuse}/stamp")
elseif(SHOAL_LIBFUSE MATCHES "^(auto|system)$")
  pkg_check_modules(fuse3 QUIET IMPORTED_TARGET GLOBAL "fuse3>=3.14")
  if(NOT fuse3_FOUND)
    message(FATAL_ERROR "libfuse >= 3.14 is missing (package libfuse3-dev): ${shoal_setup_help}.")
  endif()
  target_link_libraries(shoal_fuse3 INTERFACE PkgConfig::fuse3)
else()
  shoal_find_fuse("${SHOAL_LIBFUSE}")
endif()

# The API level decides which signatures the headers show; what is there at all, FUSE_VERSION tells.
if(fuse3_VERSION VERSION_GREATER_EQUAL 3.18)
  set(shoal_fuse_level 318)
elseif(fuse3_VERSION VERSION_GREATER_EQUAL 3.17)
  set(shoal_fuse_level 317)
elseif(fuse3_VERSION VERSION_GREATER_EQUAL 3.14)
  set(shoal_fuse_level 314)
else()
  message(FATAL_ERROR "libfuse ${fuse3_VERSION} is too old: 3.14 or newer is needed.")
endif()
target_compile_definitions(shoal_fuse3 INTERFACE FUSE_USE_VERSION=${shoal_fuse_level})
message(STATUS "libfuse ${fuse3_VERSION} (SHOAL_LIBFUSE=${SHOAL_LIBFUSE})")
