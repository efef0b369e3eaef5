// SPDX-License-Identifier: MIT
// Every message and every record of its own, as types: what codec.cc instantiates and what tests
// and fuzzers go through. The order is used by the codec fuzzer's corpus: append only.
#pragma once

#include <vector>

#include "wire/locks.h"
#include "wire/messages.h"

namespace shoal::wire {

template <class... Types>
struct TypeList {};

using AllMessages = TypeList<
    // requests
    Join, OpenSession, Heartbeat, CloseSession, AllocateInodes, Lookup, GetInode, ReadDirectory,
    GetXattrs, GetParent, Mutate, Delegate, ReturnDelegation, CloseOrphan, Locate, Announce,
    MayDrop, Status, Find, Resolve, Invite, Invalidate, Recall, CopyOrders, ReleaseOrders, Members,
    ReadBlocks, ChunkMap, PeerStatus, ReadContent, Unmount,
    // replies
    Empty, JoinReply, OpenSessionReply, HeartbeatReply, AllocateInodesReply, LookupReply,
    GetInodeReply, ReadDirectoryReply, GetXattrsReply, GetParentReply, MutateReply, DelegateReply,
    LocateReply, AnnounceReply, MayDropReply, StatusReply, FindReply, ResolveReply, InviteReply,
    InvalidateReply, RecallReply, ReadBlocksReply, ChunkMapReply, PeerStatusReply,
    // records
    Attributes, ContentRef, InodeRecord, DirectoryEntry, Xattr, Holder, Located, Member, Capacity,
    SwarmTotals, Health, Endpoint, Reclaim, Announcement, Found, Stale, CopyOrder, ReleaseOrder,
    // operations
    Create, Link, Unlink, Rmdir, Rename, SetAttributes, SetXattr, RemoveXattr, Publish, Operation,
    OperationReply, std::vector<Operation>,
    // locks
    Lock, LockReply, Unlock, TestLock, TestLockReply, ClaimLocks, LockClaim, LockPiece>;

}  // namespace shoal::wire
