// SPDX-License-Identifier: MIT
#include "fs/errno.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace shoal::fs {
namespace {

TEST(Errno, every_kind_has_the_number_that_programs_expect) {
  const std::map<Errc, int> expected{
      {Errc::invalid, EINVAL},
      {Errc::not_found, ENOENT},
      {Errc::exists, EEXIST},
      {Errc::not_directory, ENOTDIR},
      {Errc::is_directory, EISDIR},
      {Errc::not_empty, ENOTEMPTY},
      {Errc::not_permitted, EPERM},
      {Errc::access_denied, EACCES},
      {Errc::name_too_long, ENAMETOOLONG},
      {Errc::too_many_links, EMLINK},
      {Errc::too_large, EFBIG},
      {Errc::no_space, ENOSPC},
      {Errc::no_attribute, ENODATA},
      {Errc::unsupported, EOPNOTSUPP},
      {Errc::read_only, EROFS},
      {Errc::busy, EBUSY},
      {Errc::stale, ESTALE},
      {Errc::conflict, EIO},
      {Errc::corrupt, EIO},
      {Errc::io, EIO},
      {Errc::timed_out, EIO},
      {Errc::canceled, EINTR},
      {Errc::unreachable, EIO},
      {Errc::unauthenticated, EACCES},
      {Errc::version_mismatch, EIO},
      {Errc::out_of_range, ENXIO},
      {Errc::internal, EIO},
  };
  EXPECT_EQ(expected.size(), base::kErrcMax);
  for (const auto& [code, number] : expected) {
    EXPECT_EQ(errno_for(code), number) << base::name(code);
  }
}

TEST(Errno, a_number_from_outside_the_list_is_an_io_error) {
  EXPECT_EQ(errno_for(static_cast<Errc>(9999)), EIO);
}

}  // namespace
}  // namespace shoal::fs
