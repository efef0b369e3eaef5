// SPDX-License-Identifier: MIT
// Making working copies the current contents: at close, at fsync, when recalled, after a failure.
// Tasks run on the loop.
#pragma once

#include "fs/core.h"

namespace shoal::fs {

struct PublishOptions {
  bool durable = false;    ///< bytes and names are on the disk when it returns
  bool release = false;    ///< give the delegation back
  bool confirmed = false;  ///< the tracker has answered when it returns; durable implies it
};

/// Publishes what changed; without a change it only does what the options ask for. Writes wait
/// meanwhile. After a failure the working copy stays, and housekeep() tries again.
/// Errors: unreachable or timed_out (blocks of the base are missing), no_space, io, conflict.
Task<Result<void>> publish(Core* core, std::shared_ptr<OpenFile> file, PublishOptions options);
/// Shape: the caller holds the file's serial(). Errors: stale too: without the delegation.
Task<Result<void>> publish_locked(Core* core, std::shared_ptr<OpenFile> file,
                                  PublishOptions options);

/// Whether nothing leads to a file that is open here any more. Asks the tracker when somebody
/// wanted to remove the last name, for that may have failed.
Task<bool> is_surely_orphan(Core* core, InodeId inode);

/// After handles were closed: publishes or gives the delegation back when the last writer has gone,
/// lets an orphan go, drops the file object when nobody needs it.
Task<void> after_close(Core* core, std::shared_ptr<OpenFile> file, InodeTable::Closed closed);

/// The same for what needs no wait: a small file under its delegation, or nothing to publish; then
/// `file` is gone. False: after_close() has to do it. Thread: a worker.
bool settle_closed(Core& core, std::shared_ptr<OpenFile>& file, InodeTable::Closed closed);

/// Tells the store which blobs the tracker knows of by now.
Task<void> note_all_published(Core* core);

/// Publishes what nobody has open for writing any more, and returns when the tracker has answered
/// all that took effect here; the first error.
Task<Result<void>> publish_closed(Core* core);
/// Publishes all that is unsent; the first error.
Task<Result<void>> publish_all(Core* core);
/// Takes up working copies that an earlier daemon left in the store.
Task<void> recover_unpublished(Core* core);
/// Runs for ever: tries again what could not be published, drops file objects that are not used.
Task<void> housekeep(Core* core);

}  // namespace shoal::fs
