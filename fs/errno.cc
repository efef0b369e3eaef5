// SPDX-License-Identifier: MIT
#include "fs/errno.h"

#include <cerrno>

namespace shoal::fs {

int errno_for(Errc code) {
  switch (code) {
    case Errc::invalid:
      return EINVAL;
    case Errc::not_found:
      return ENOENT;
    case Errc::exists:
      return EEXIST;
    case Errc::not_directory:
      return ENOTDIR;
    case Errc::is_directory:
      return EISDIR;
    case Errc::not_empty:
      return ENOTEMPTY;
    case Errc::not_permitted:
      return EPERM;
    case Errc::access_denied:
      return EACCES;
    case Errc::name_too_long:
      return ENAMETOOLONG;
    case Errc::too_many_links:
      return EMLINK;
    case Errc::too_large:
      return EFBIG;
    case Errc::no_space:
      return ENOSPC;
    case Errc::no_attribute:
      return ENODATA;
    case Errc::unsupported:
      return EOPNOTSUPP;
    case Errc::read_only:
      return EROFS;
    case Errc::busy:
      return EBUSY;
    case Errc::stale:
      return ESTALE;
    case Errc::conflict:
      return EIO;
    case Errc::corrupt:
      return EIO;
    case Errc::io:
      return EIO;
    case Errc::timed_out:
      return EIO;
    case Errc::canceled:
      return EINTR;
    case Errc::unreachable:
      return EIO;
    case Errc::unauthenticated:
      return EACCES;
    case Errc::version_mismatch:
      return EIO;
    case Errc::out_of_range:
      return ENXIO;
    case Errc::internal:
      return EIO;
  }
  return EIO;  // a number from outside the list
}

}  // namespace shoal::fs
