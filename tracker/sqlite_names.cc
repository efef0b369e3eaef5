// SPDX-License-Identifier: MIT
// Inodes, names, extended attributes and orphans in SQLite.
#include "base/check.h"
#include "tracker/sqlite_store.h"

namespace shoal::tracker {
namespace {

constexpr unsigned kKindShift = 12;
constexpr std::uint32_t kModeMask = 07777;

// The columns that read_inode() expects, from inodes i and contents c.
#define SHOAL_INODE_COLUMNS                                                                 \
  "i.ino, i.mode, i.nlink, i.uid, i.gid, i.atime, i.mtime, i.ctime, i.content, i.version, " \
  "i.allocated, i.has_xattrs, i.rdev, i.target, c.root, c.size, c.chunk_bytes"
#define SHOAL_INODE_CONTENT "LEFT JOIN contents c ON c.key = i.content"

std::string copy_text(ByteView blob) { return std::string(as_text(blob)); }

wire::ContentRef read_ref(const base::Statement& row, int root, int size, int chunk_bytes) {
  wire::ContentRef ref;
  auto digest = Digest::from(row.blob(root));
  if (digest) ref.id.root = *digest;
  ref.id.size = row.unsigned_integer(size);
  ref.chunk_bytes = static_cast<std::uint32_t>(row.integer(chunk_bytes));
  return ref;
}

InodeRow read_inode(const base::Statement& row, int first) {
  InodeRow inode;
  inode.inode = InodeId(row.unsigned_integer(first));
  const auto mode = static_cast<std::uint32_t>(row.integer(first + 1));
  inode.kind = static_cast<wire::FileKind>(mode >> kKindShift);
  inode.mode = mode & kModeMask;
  inode.nlink = static_cast<std::uint32_t>(row.integer(first + 2));
  inode.uid = static_cast<std::uint32_t>(row.integer(first + 3));
  inode.gid = static_cast<std::uint32_t>(row.integer(first + 4));
  inode.atime = row.integer(first + 5);
  inode.mtime = row.integer(first + 6);
  inode.ctime = row.integer(first + 7);
  inode.content = ContentKey(row.unsigned_integer(first + 8));
  inode.version = row.unsigned_integer(first + 9);
  inode.allocated_bytes = row.unsigned_integer(first + 10);
  inode.has_xattrs = row.integer(first + 11) != 0;
  if (!row.is_null(first + 12)) inode.rdev = row.unsigned_integer(first + 12);
  if (!row.is_null(first + 13)) inode.target = copy_text(row.blob(first + 13));
  if (inode.content) inode.content_ref = read_ref(row, first + 14, first + 15, first + 16);
  return inode;
}

void bind_inode(base::Statement& statement, const InodeRow& row) {
  const std::uint32_t mode = (static_cast<std::uint32_t>(row.kind) << kKindShift) | row.mode;
  statement.bind(1, row.inode.value())
      .bind(2, std::int64_t{mode})
      .bind(3, std::int64_t{row.nlink})
      .bind(4, std::int64_t{row.uid})
      .bind(5, std::int64_t{row.gid})
      .bind(6, row.atime)
      .bind(7, row.mtime)
      .bind(8, row.ctime)
      .bind(9, row.content.value())
      .bind(10, row.version)
      .bind(11, row.allocated_bytes)
      .bind(12, std::int64_t{row.has_xattrs});
  if (row.rdev == 0) {
    statement.bind_null(13);
  } else {
    statement.bind(13, row.rdev);
  }
}

}  // namespace

std::optional<InodeRow> SqliteStore::inode(InodeId inode) {
  auto& query =
      sql("SELECT " SHOAL_INODE_COLUMNS " FROM inodes i " SHOAL_INODE_CONTENT " WHERE i.ino=?1");
  query.bind(1, inode.value());
  if (!next(query)) return std::nullopt;
  InodeRow row = read_inode(query, 0);
  query.reset();
  return row;
}

void SqliteStore::insert_inode(const InodeRow& row) {
  auto& statement =
      sql("INSERT INTO inodes(ino, mode, nlink, uid, gid, atime, mtime, ctime, content, version, "
          "allocated, has_xattrs, rdev, target) "
          "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
  bind_inode(statement, row);
  if (row.target.empty()) {
    statement.bind_null(14);
  } else {
    statement.bind(14, as_bytes(row.target));
  }
  run(statement);
}

void SqliteStore::update_inode(const InodeRow& row) {
  auto& statement =
      sql("UPDATE inodes SET mode=?2, nlink=?3, uid=?4, gid=?5, atime=?6, mtime=?7, ctime=?8, "
          "content=?9, version=?10, allocated=?11, has_xattrs=?12, rdev=?13 WHERE ino=?1");
  bind_inode(statement, row);
  run(statement);
}

void SqliteStore::remove_inode(InodeId inode) {
  run(sql("DELETE FROM inodes WHERE ino=?1").bind(1, inode.value()));
  run(sql("DELETE FROM xattrs WHERE ino=?1").bind(1, inode.value()));
}

std::optional<InodeId> SqliteStore::child(InodeId parent, std::string_view name) {
  auto& query = sql("SELECT child FROM entries WHERE parent=?1 AND name=?2");
  query.bind(1, parent.value()).bind(2, as_bytes(name));
  if (!next(query)) return std::nullopt;
  const InodeId found(query.unsigned_integer(0));
  query.reset();
  return found;
}

std::optional<InodeRow> SqliteStore::child_inode(InodeId parent, std::string_view name) {
  auto& query = sql("SELECT " SHOAL_INODE_COLUMNS
                    " FROM entries e JOIN inodes i ON i.ino = e.child " SHOAL_INODE_CONTENT
                    " WHERE e.parent=?1 AND e.name=?2");
  query.bind(1, parent.value()).bind(2, as_bytes(name));
  if (!next(query)) return std::nullopt;
  InodeRow row = read_inode(query, 0);
  query.reset();
  return row;
}

bool SqliteStore::has_children(InodeId parent) {
  auto& query = sql("SELECT 1 FROM entries WHERE parent=?1 LIMIT 1");
  query.bind(1, parent.value());
  const bool found = next(query);
  query.reset();
  return found;
}

std::vector<ChildRow> SqliteStore::children(InodeId parent, std::string_view after,
                                            std::uint32_t limit) {
  // CROSS JOIN keeps the order of the tables: the names lead, the inodes follow one by one.
  auto& query = sql("SELECT e.name, " SHOAL_INODE_COLUMNS
                    " FROM entries e CROSS JOIN inodes i ON i.ino = e.child " SHOAL_INODE_CONTENT
                    " WHERE e.parent=?1 AND e.name>?2 ORDER BY e.name LIMIT ?3");
  query.bind(1, parent.value()).bind(2, as_bytes(after)).bind(3, std::int64_t{limit});
  std::vector<ChildRow> rows;
  while (next(query)) rows.push_back({copy_text(query.blob(0)), read_inode(query, 1)});
  return rows;
}

void SqliteStore::add_entry(InodeId parent, std::string_view name, InodeId child) {
  run(sql("INSERT INTO entries VALUES(?1, ?2, ?3)")
          .bind(1, parent.value())
          .bind(2, as_bytes(name))
          .bind(3, child.value()));
}

void SqliteStore::replace_entry(InodeId parent, std::string_view name, InodeId child) {
  run(sql("UPDATE entries SET child=?3 WHERE parent=?1 AND name=?2")
          .bind(1, parent.value())
          .bind(2, as_bytes(name))
          .bind(3, child.value()));
}

void SqliteStore::remove_entry(InodeId parent, std::string_view name) {
  run(sql("DELETE FROM entries WHERE parent=?1 AND name=?2")
          .bind(1, parent.value())
          .bind(2, as_bytes(name)));
}

std::vector<LinkRow> SqliteStore::links(InodeId child, std::uint32_t limit) {
  auto& query =
      sql("SELECT parent, name FROM entries WHERE child=?1 ORDER BY parent, name LIMIT ?2");
  query.bind(1, child.value()).bind(2, std::int64_t{limit});
  std::vector<LinkRow> rows;
  while (next(query)) {
    rows.push_back({InodeId(query.unsigned_integer(0)), copy_text(query.blob(1))});
  }
  return rows;
}

void SqliteStore::scan_entries(
    const std::function<bool(InodeId, std::string_view, InodeId)>& visit) {
  auto& query = sql("SELECT parent, name, child FROM entries ORDER BY parent, name");
  while (next(query)) {
    const InodeId parent(query.unsigned_integer(0));
    const InodeId child(query.unsigned_integer(2));
    if (!visit(parent, as_text(query.blob(1)), child)) break;
  }
  query.reset();
}

std::vector<wire::Xattr> SqliteStore::xattrs(InodeId inode) {
  auto& query = sql("SELECT name, value FROM xattrs WHERE ino=?1 ORDER BY name");
  query.bind(1, inode.value());
  std::vector<wire::Xattr> found;
  while (next(query)) {
    const ByteView value = query.blob(1);
    found.push_back({copy_text(query.blob(0)), Bytes(value.begin(), value.end())});
  }
  return found;
}

void SqliteStore::put_xattr(InodeId inode, std::string_view name, ByteView value) {
  run(sql("INSERT INTO xattrs VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET value=?3")
          .bind(1, inode.value())
          .bind(2, as_bytes(name))
          .bind(3, value));
}

void SqliteStore::remove_xattr(InodeId inode, std::string_view name) {
  run(sql("DELETE FROM xattrs WHERE ino=?1 AND name=?2")
          .bind(1, inode.value())
          .bind(2, as_bytes(name)));
}

void SqliteStore::add_orphan(InodeId inode, SessionId session) {
  run(sql("INSERT INTO orphans VALUES(?1, ?2) ON CONFLICT DO NOTHING")
          .bind(1, inode.value())
          .bind(2, session.value()));
}

void SqliteStore::remove_orphan(InodeId inode, SessionId session) {
  run(sql("DELETE FROM orphans WHERE ino=?1 AND session=?2")
          .bind(1, inode.value())
          .bind(2, session.value()));
}

std::vector<SessionId> SqliteStore::orphan_sessions(InodeId inode) {
  auto& query = sql("SELECT session FROM orphans WHERE ino=?1 ORDER BY session");
  query.bind(1, inode.value());
  std::vector<SessionId> found;
  while (next(query)) found.emplace_back(query.unsigned_integer(0));
  return found;
}

std::vector<std::pair<InodeId, SessionId>> SqliteStore::orphans() {
  auto& query = sql("SELECT ino, session FROM orphans ORDER BY ino, session");
  std::vector<std::pair<InodeId, SessionId>> found;
  while (next(query)) {
    found.emplace_back(InodeId(query.unsigned_integer(0)), SessionId(query.unsigned_integer(1)));
  }
  return found;
}

std::vector<InodeId> SqliteStore::orphans_of(SessionId session) {
  auto& query = sql("SELECT ino FROM orphans WHERE session=?1 ORDER BY ino");
  query.bind(1, session.value());
  std::vector<InodeId> found;
  while (next(query)) found.emplace_back(query.unsigned_integer(0));
  return found;
}

}  // namespace shoal::tracker
