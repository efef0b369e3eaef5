// SPDX-License-Identifier: MIT
// Locks of files, which the tracker keeps for the whole swarm: docs/coherence.md, "Locks". Tasks
// run on the loop.
#pragma once

#include <memory>

#include "fs/core.h"
#include "fs/reply.h"

namespace shoal::fs {

struct LockCall {
  LockTable::Key key;
  wire::LockPiece piece;
  std::uint32_t pid = 0;
  bool wait = false;
};

/// Asks the tracker and answers, when the lock is granted or refused or `over` was set (by an
/// interrupt: see Reply::park). Whatever becomes of the answer, in the end the program has the lock
/// if and only if it was told so.
Task<void> lock_task(Core* core, Reply reply, std::shared_ptr<FileHandle> handle, LockCall call,
                     std::shared_ptr<base::Signal> over);
/// F_GETLK.
Task<void> test_lock_task(Core* core, Reply reply, LockCall call);

/// Gives up what the owner has in the range, in the background: until it arrives or the session is
/// lost. Thread: any.
void unlock(Core& core, const LockTable::Key& key, wire::LockRange range = {});
/// All that was asked for through the handle and that no close has given up: locks of open file
/// descriptions. Thread: any.
void unlock_handle(Core& core, const FileHandle& handle);
/// Answers when the owner's unlocks are through.
Task<void> unlocked_task(Core* core, Reply reply, LockTable::Key key);

}  // namespace shoal::fs
