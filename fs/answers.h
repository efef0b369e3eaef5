// SPDX-License-Identifier: MIT
// Answers that the kernel may keep. Each is looked up and sent inside the reply gate, with a
// time-out only when memory still vouches for it; see docs/coherence.md, "The kernel's side".
#pragma once

#include <optional>
#include <string>

#include "fs/reply.h"

namespace shoal::fs {

/// What the kernel may be told to keep at this moment: what is left of the lease, less a margin.
class Keep {
 public:
  explicit Keep(const Core& core);
  SteadyTime until() const { return until_; }
  double seconds() const { return seconds_; }

 private:
  SteadyTime until_;
  double seconds_ = 0;
};

/// Notes what the kernel is being told, for later answers. Shape: it has the inode already.
void note_given(Core& core, const wire::InodeRecord& record);

/// The name's inode, or its absence, out of memory. False, and nothing sent, when that is unknown.
bool answer_name_from_memory(Core& core, Reply& reply, InodeId directory, const std::string& name);
/// A name and the record that a request just brought.
bool answer_entry(Core& core, Reply& reply, InodeId directory, const std::string& name,
                  const wire::InodeRecord& fetched);
/// An inode by number, without a name that the kernel could keep.
bool answer_inode(Core& core, Reply& reply, const wire::InodeRecord& fetched);
void answer_absent(Core& core, Reply& reply, InodeId directory, const std::string& name);
/// The same for a file that was created and opened.
bool answer_created(Core& core, Reply& reply, InodeId directory, const std::string& name,
                    const wire::InodeRecord& fetched, const OpenOut& open);

bool answer_attributes_from_memory(Core& core, Reply& reply, InodeId inode);
bool answer_attributes(Core& core, Reply& reply, const wire::InodeRecord& fetched);
/// A directory that is gone, to somebody who is still in it: as it was, without a name. False, and
/// nothing sent, when the inode is none that the kernel knows as a directory.
bool answer_removed_directory(Core& core, Reply& reply, InodeId inode);

}  // namespace shoal::fs
