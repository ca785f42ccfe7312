/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/statements.h"

#include "catalog/catalog.h"

_Static_assert(CATALOG_SCHEMA == 1, "raise user_version in the schema below");

/*
 * Names, tags and keys are bytes, so they are blobs; times and sizes are
 * integers. `place` is pack * 65536 + slot: it names a snapshot in 48 bits
 * where other tables refer to it, and orders snapshots of one time as they were
 * committed. `tag.time` is the snapshot's, so that the newest of 100,000 with a
 * tag is found without reading them. `base` has a page of its own, see
 * catalog/catalog.c.
 */
static const char schema[] =
	"CREATE TABLE position("
	" one INTEGER PRIMARY KEY CHECK(one = 1),"
	" generation INTEGER NOT NULL, digest BLOB NOT NULL,"
	" log_seq INTEGER NOT NULL, log_id BLOB NOT NULL,"
	" log_end INTEGER NOT NULL, next_pack INTEGER NOT NULL,"
	" next_slot INTEGER NOT NULL, schema INTEGER NOT NULL,"
	" repository BLOB NOT NULL, snapshots INTEGER NOT NULL,"
	" live BLOB NOT NULL, epoch INTEGER NOT NULL) STRICT;"
	"CREATE TABLE base("
	" one INTEGER PRIMARY KEY CHECK(one = 1),"
	" epoch INTEGER NOT NULL) STRICT;"

	"CREATE TABLE snapshot("
	" place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
	" generation INTEGER NOT NULL, name BLOB NOT NULL,"
	" time INTEGER NOT NULL, host BLOB NOT NULL, root BLOB NOT NULL,"
	" files INTEGER NOT NULL, dirs INTEGER NOT NULL,"
	" others INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" new_chunks INTEGER NOT NULL, new_bytes INTEGER NOT NULL,"
	" new_stored INTEGER NOT NULL, record BLOB NOT NULL) STRICT;"
	"CREATE INDEX snapshot_time ON snapshot(time);"
	"CREATE INDEX snapshot_name ON snapshot(name, time);"
	"CREATE INDEX snapshot_root ON snapshot(root);"

	"CREATE TABLE tag("
	" snapshot INTEGER NOT NULL, key BLOB NOT NULL,"
	" value BLOB NOT NULL, time INTEGER NOT NULL,"
	" PRIMARY KEY(snapshot, key)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX tag_value ON tag(key, value, time, snapshot);"

	"CREATE TABLE pack("
	" number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
	" kind INTEGER NOT NULL, class INTEGER NOT NULL,"
	" length INTEGER NOT NULL, chunks INTEGER NOT NULL,"
	" blocks INTEGER NOT NULL, plain INTEGER NOT NULL,"
	" directory BLOB NOT NULL, tier INTEGER NOT NULL,"
	" remote BLOB NOT NULL, object BLOB NOT NULL,"
	" state INTEGER NOT NULL, generation INTEGER NOT NULL) STRICT;"
	"CREATE TABLE freed_block("
	" pack INTEGER NOT NULL, block INTEGER NOT NULL,"
	" state INTEGER NOT NULL,"
	" PRIMARY KEY(pack, block)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE log("
	" number INTEGER PRIMARY KEY, seq INTEGER NOT NULL UNIQUE,"
	" first_generation INTEGER NOT NULL,"
	" sealed INTEGER NOT NULL) STRICT;"
	"CREATE TABLE log_group("
	" log INTEGER NOT NULL, first_slot INTEGER NOT NULL,"
	" offset INTEGER NOT NULL,"
	" PRIMARY KEY(log, first_slot)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE checkpoint("
	" one INTEGER PRIMARY KEY CHECK(one = 1),"
	" generation INTEGER NOT NULL, root BLOB NOT NULL,"
	" log_seq INTEGER NOT NULL, log_id BLOB NOT NULL,"
	" offset INTEGER NOT NULL, lost INTEGER NOT NULL) STRICT;"
	"INSERT INTO checkpoint VALUES(1, 0, zeroblob(32), 0, zeroblob(16), 0,"
	" 0);"

	"PRAGMA application_id = 1112293955;" /* "BLBC" */
	"PRAGMA user_version = 1;";

#define COLUMNS                                                                \
	"SELECT s.place, s.id, s.generation, s.name, s.time, s.host, s.root,"  \
	" s.files, s.dirs, s.others, s.bytes, s.new_chunks, s.new_bytes,"      \
	" s.new_stored, s.record "

#define SNAPSHOT COLUMNS "FROM snapshot s "

/* Rows passed over by OFFSET cost a step in the index each, and no row. */
#define DURING "WHERE s.time BETWEEN ?1 AND ?2 "
#define OLDEST "ORDER BY s.time, s.place LIMIT -1 OFFSET ?3"
#define NEWEST "ORDER BY s.time DESC, s.place DESC LIMIT -1 OFFSET ?3"

/* CROSS JOIN keeps the planner from turning the order of tables around. */
#define TAGGED                                                                 \
	COLUMNS "FROM tag t CROSS JOIN snapshot s "                            \
		"WHERE t.time BETWEEN ?1 AND ?2"                               \
		" AND t.key = ?4 AND t.value = ?5"                             \
		" AND s.place = t.snapshot "

#define PACK                                                                   \
	"SELECT number, id, kind, class, length, chunks, blocks, plain,"       \
	" directory, tier, remote, object, state, generation FROM pack "

#define LOG                                                                    \
	"SELECT l.number, p.id, l.seq, p.length, l.first_generation,"          \
	" l.sealed FROM log l JOIN pack p ON p.number = l.number "

static const char *const sql[CATALOG_STATEMENTS] = {
	[CATALOG_Q_POSITION] =
		"SELECT p.generation, p.digest, p.log_seq, p.log_id, p.log_end,"
		" p.next_pack, p.next_slot, p.snapshots, p.live, p.schema,"
		" p.repository, p.epoch = b.epoch"
		" FROM position p JOIN base b ON b.one = 1 WHERE p.one = 1",
	[CATALOG_Q_APPLICATION] = "PRAGMA application_id",
	[CATALOG_Q_SCHEMA] = "PRAGMA user_version",
	[CATALOG_Q_EMPTY] = "SELECT NOT EXISTS(SELECT 1 FROM sqlite_schema)",
	[CATALOG_Q_WAL] = "PRAGMA journal_mode = WAL",
	[CATALOG_Q_INTEGRITY] = "PRAGMA integrity_check(1)",
	[CATALOG_Q_LIVE_IDS] = "SELECT id FROM snapshot",
	[CATALOG_Q_STRAY_TAG] =
		"SELECT 1 FROM tag t WHERE NOT EXISTS(SELECT 1 FROM snapshot s"
		" WHERE s.place = t.snapshot AND s.time = t.time) LIMIT 1",

	[CATALOG_Q_BEGIN_READ] = "BEGIN",
	[CATALOG_Q_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[CATALOG_Q_COMMIT] = "COMMIT",
	[CATALOG_Q_ROLLBACK] = "ROLLBACK",
	[CATALOG_Q_MOVE] =
		"UPDATE position SET generation = ?1, digest = ?2,"
		" log_seq = ?3, log_id = ?4, log_end = ?5, next_pack = ?6,"
		" next_slot = ?7, snapshots = ?8, live = ?9 WHERE one = 1",
	[CATALOG_Q_EPOCH_BASE] =
		"UPDATE base SET epoch = epoch + 1 WHERE one = 1",
	[CATALOG_Q_EPOCH_POSITION] =
		"UPDATE position SET epoch ="
		" (SELECT epoch FROM base WHERE one = 1) WHERE one = 1",

	[CATALOG_Q_ADD_SNAPSHOT] =
		"INSERT INTO snapshot(place, id, generation, name, time, host,"
		" root, files, dirs, others, bytes, new_chunks, new_bytes,"
		" new_stored, record) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
		" ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[CATALOG_Q_PLACE] = "SELECT place, time FROM snapshot WHERE id = ?1",
	[CATALOG_Q_REMOVE_SNAPSHOT] = "DELETE FROM snapshot WHERE place = ?1",
	[CATALOG_Q_REMOVE_TAGS] = "DELETE FROM tag WHERE snapshot = ?1",
	[CATALOG_Q_SET_TAG] =
		"INSERT INTO tag(snapshot, key, value, time)"
		" VALUES(?1, ?2, ?3, ?4) ON CONFLICT(snapshot, key)"
		" DO UPDATE SET value = excluded.value",
	[CATALOG_Q_DROP_TAG] =
		"DELETE FROM tag WHERE snapshot = ?1 AND key = ?2",
	[CATALOG_Q_ADD_PACK] =
		"INSERT INTO pack(number, id, kind, class, length, chunks,"
		" blocks, plain, directory, tier, remote, object, state,"
		" generation) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
		" x'', x'', ?11, ?12)",
	[CATALOG_Q_SET_PACK] = "UPDATE pack SET state = ?1, generation = ?2"
			       " WHERE number = ?3",
	[CATALOG_Q_FORGET_BLOCKS] = "DELETE FROM freed_block WHERE pack = ?1",
	[CATALOG_Q_SET_BLOCK] = "INSERT INTO freed_block(pack, block, state)"
				" VALUES(?1, ?2, ?3) ON CONFLICT(pack, block)"
				" DO UPDATE SET state = excluded.state",
	[CATALOG_Q_CLEAR_BLOCK] =
		"DELETE FROM freed_block WHERE pack = ?1 AND block = ?2",
	[CATALOG_Q_BLOCK] =
		"SELECT state FROM freed_block WHERE pack = ?1 AND block = ?2",
	[CATALOG_Q_MOVE_PACK] =
		"UPDATE pack SET tier = ?1, remote = ?2, object = ?3"
		" WHERE number = ?4",
	[CATALOG_Q_ADD_LOG] =
		"INSERT INTO log(number, seq, first_generation, sealed)"
		" VALUES(?1, ?2, ?3, 0)",
	[CATALOG_Q_SEAL_LOG] =
		"UPDATE log SET sealed = 1 WHERE number = ?1 AND sealed = 0",
	[CATALOG_Q_SEAL_PACK] =
		"UPDATE pack SET length = ?1, chunks = ?2, blocks = ?3,"
		" plain = ?4, directory = ?5 WHERE number = ?6",
	[CATALOG_Q_ADD_GROUP] = "INSERT INTO log_group(log, first_slot, offset)"
				" SELECT number, ?2, ?3 FROM log"
				" WHERE number = ?1 AND sealed = 0",
	[CATALOG_Q_DROP_GROUPS] = "DELETE FROM log_group WHERE log = ?1",
	[CATALOG_Q_SET_CHECKPOINT] =
		"UPDATE checkpoint SET generation = ?1, root = ?2,"
		" log_seq = ?3, log_id = ?4, offset = ?5 WHERE one = 1",
	[CATALOG_Q_ADD_LOST] =
		"UPDATE checkpoint SET lost = lost + 1 WHERE one = 1",

	[CATALOG_Q_SNAPSHOT] = SNAPSHOT "WHERE s.id = ?1",
	[CATALOG_Q_SNAPSHOT_PREFIX] =
		SNAPSHOT "WHERE s.id BETWEEN ?1 AND ?2 ORDER BY s.id LIMIT ?3",
	[CATALOG_Q_ALL_OLDEST] = SNAPSHOT DURING OLDEST,
	[CATALOG_Q_ALL_NEWEST] = SNAPSHOT DURING NEWEST,
	[CATALOG_Q_NAME_OLDEST] = SNAPSHOT DURING "AND s.name = ?4 " OLDEST,
	[CATALOG_Q_NAME_NEWEST] = SNAPSHOT DURING "AND s.name = ?4 " NEWEST,
	[CATALOG_Q_TAG_OLDEST] =
		TAGGED "ORDER BY t.time, t.snapshot LIMIT -1 OFFSET ?3",
	[CATALOG_Q_TAG_NEWEST] = TAGGED
	"ORDER BY t.time DESC, t.snapshot DESC LIMIT -1 OFFSET ?3",
	[CATALOG_Q_HAS_TAG] =
		"SELECT 1 FROM tag WHERE snapshot = ?1 AND key = ?2"
		" AND value = ?3",
	[CATALOG_Q_TAGS] = "SELECT t.key, t.value FROM tag t WHERE t.snapshot ="
			   " (SELECT s.place FROM snapshot s WHERE s.id = ?1)"
			   " ORDER BY t.key",
	[CATALOG_Q_ROOT] = "SELECT 1 FROM snapshot WHERE root = ?1 LIMIT 1",
	[CATALOG_Q_COUNT] = "SELECT snapshots FROM position WHERE one = 1",
	[CATALOG_Q_PACK] = PACK "WHERE number = ?1",
	[CATALOG_Q_PACK_ID] = PACK "WHERE id = ?1",
	[CATALOG_Q_PACKS] = PACK "WHERE (1 << kind) & ?1 AND (1 << state) & ?2"
				 " ORDER BY number",
	[CATALOG_Q_BLOCKS] =
		"SELECT block, state FROM freed_block WHERE pack = ?1"
		" ORDER BY block",
	[CATALOG_Q_SUM] =
		"SELECT kind, state, COUNT(*), SUM(length), SUM(plain),"
		" SUM(chunks), SUM(blocks) FROM pack GROUP BY kind, state",
	[CATALOG_Q_LOG] = LOG "WHERE l.number = ?1",
	[CATALOG_Q_LOGS] = LOG "ORDER BY l.seq",
	[CATALOG_Q_GROUP] = "SELECT first_slot, offset FROM log_group"
			    " WHERE log = ?1 AND first_slot <= ?2"
			    " ORDER BY first_slot DESC LIMIT 1",
	[CATALOG_Q_CHECKPOINT] =
		"SELECT generation, root, log_seq, log_id, offset, lost"
		" FROM checkpoint WHERE one = 1",
};

const char *catalog_statement_sql(enum catalog_statement which)
{
	return sql[which];
}

const char *catalog_statement_schema(void)
{
	return schema;
}
