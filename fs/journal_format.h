// SPDX-License-Identifier: MIT
// The bytes of the journal's file, without I/O; docs/storage.md describes them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "wire/operations.h"

namespace shoal::fs::journal_format {

inline constexpr std::size_t kHeaderBytes = 12;
inline constexpr std::uint32_t kVersion = 1;
/// Checksum, length and number in front of each operation.
inline constexpr std::size_t kPrefixBytes = 20;
/// No honest record is longer: the largest holds the value of an xattr.
inline constexpr std::size_t kMaxRecordBytes = 128 * 1024;

Bytes header();
Bytes record(std::uint64_t number, const wire::Operation& operation);

enum class Damage {
  none,
  torn,           ///< the last record, or the header, was written in part
  corrupt,        ///< something else is wrong
  other_version,  ///< sound, but not for us
};

struct Item {
  std::uint64_t number = 0;
  std::uint64_t begin = 0;  ///< offset of the record
  wire::Operation operation;
};

struct Content {
  std::vector<Item> items;
  std::uint64_t sound_bytes = 0;  ///< 0: not even the header is
  Damage damage = Damage::none;
};

/// Reads a whole file. Numbers grow from record to record. Pure.
Content read(ByteView file);

}  // namespace shoal::fs::journal_format
