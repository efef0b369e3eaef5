// SPDX-License-Identifier: MIT
// Keeping the kernel's pages true. Two races need care:
//
// A page that is dropped may be read again before the event that made it stale is answered; the
// tracker still gives the old content then. So reads that arrive while pages are dropped are held
// until the answer is out. One that came earlier keeps its pages locked, and the drop waits for it;
// if it is a held one that is in the way, all are let go and the drop is done again.
//
// A write puts its bytes into the kernel's pages before it reaches us. If those pages are dropped
// and read again before the write is carried out, the kernel keeps the old bytes. So a write that
// is answered shortly after a drop makes its pages go once more.
#pragma once

#include <memory>

#include "fs/core.h"
#include "fs/reply.h"
#include "fs/write_path.h"

namespace shoal::fs {

/// Keeps reads of one file held until the object ends, and a moment longer, so that the answer to
/// the event goes out first. Thread: loop.
class ReadHold {
 public:
  ReadHold(Core& core, std::shared_ptr<OpenFile> file);
  ReadHold(ReadHold&& other) noexcept = default;
  ReadHold& operator=(ReadHold&&) = delete;
  ~ReadHold();

 private:
  Core* core_;
  std::shared_ptr<OpenFile> file_;
};

/// Drops all pages of an inode for an event. holds: get the holds that the caller keeps until the
/// event is answered. Counts and logs when the kernel does not let go in time.
Task<Result<void>> drop_pages(Core* core, InodeId inode, std::vector<ReadHold>* holds);
/// Makes the kernel write out what was written through mappings (and drop the pages).
Task<void> flush_mapped_pages(Core* core, std::shared_ptr<OpenFile> file);

/// Answers a write that was carried out, after its pages were dropped where that is needed.
/// Thread: any.
void finish_write(Core& core, Reply reply, std::shared_ptr<OpenFile> file, std::uint64_t offset,
                  const Result<Written>& written);

}  // namespace shoal::fs
