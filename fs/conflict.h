// SPDX-License-Identifier: MIT
#pragma once

#include "fs/core.h"

namespace shoal::fs {

/// Our unpublished bytes lost to another peer's version of the file (the session had ended
/// meanwhile): they become a file of their own next to it, with a name by wire::conflict_name(),
/// and the user is told by the log and by an error at the next close. Afterwards the file is clean,
/// without a blob. False: that version has the very same bytes, so nothing is lost, and the file
/// counts as sealed with them. Errors: when the copy could not be made; then nothing has changed.
/// Shape: the caller holds the file's serial(). Thread: the loop.
Task<Result<bool>> set_aside(Core* core, std::shared_ptr<OpenFile> file);

}  // namespace shoal::fs
