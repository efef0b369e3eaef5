# SPDX-License-Identifier: MIT
# SHOAL_WITH_IPSEC_MB: multi-buffer SHA-256 of libipsec-mb (amd64 only). auto takes it where it is
# found; without it all hashing is OpenSSL's. Defines shoal::ipsec_mb when it is used.

set(SHOAL_WITH_IPSEC_MB auto CACHE STRING "Hash many leaves at once with libipsec-mb: auto, ON or OFF")
set_property(CACHE SHOAL_WITH_IPSEC_MB PROPERTY STRINGS auto ON OFF)

set(SHOAL_HAS_IPSEC_MB OFF)
if(SHOAL_WITH_IPSEC_MB)
  find_path(SHOAL_IPSEC_MB_INCLUDE intel-ipsec-mb.h)
  find_library(SHOAL_IPSEC_MB_LIBRARY IPSec_MB)
  mark_as_advanced(SHOAL_IPSEC_MB_INCLUDE SHOAL_IPSEC_MB_LIBRARY)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$"
     AND SHOAL_IPSEC_MB_INCLUDE AND SHOAL_IPSEC_MB_LIBRARY)
    set(SHOAL_HAS_IPSEC_MB ON)
    add_library(shoal_ipsec_mb INTERFACE)
    add_library(shoal::ipsec_mb ALIAS shoal_ipsec_mb)
    target_include_directories(shoal_ipsec_mb SYSTEM INTERFACE "${SHOAL_IPSEC_MB_INCLUDE}")
    target_link_libraries(shoal_ipsec_mb INTERFACE "${SHOAL_IPSEC_MB_LIBRARY}")
  elseif(NOT SHOAL_WITH_IPSEC_MB STREQUAL "auto")
    message(FATAL_ERROR
      "SHOAL_WITH_IPSEC_MB is ${SHOAL_WITH_IPSEC_MB}, but libipsec-mb is missing or this is not amd64 "
      "(package libipsec-mb-dev): ${shoal_setup_help}, or set it to OFF.")
  endif()
endif()
