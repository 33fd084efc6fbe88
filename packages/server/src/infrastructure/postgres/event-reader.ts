import {
  type EventCursor,
  type EventFilter,
  type EventPage,
  type EventReader,
  type EventRecord,
  PlatformError,
  type StoredEvent,
  type SubjectType,
  type TenantId,
} from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";

/** Events of transactions older than every one that is still running: nothing can appear before them any more. */
const VISIBLE = "tx_id < pg_snapshot_xmin(pg_current_snapshot())";

/**
 * A position beyond every transaction is of another cluster, from which this database was restored: everything that can be
 * seen here came after it.
 */
const IS_FOREIGN = "$1::xid8 >= pg_snapshot_xmax(pg_current_snapshot())";

/**
 * The filter as alternatives that the planner can drop: `$1` and `$2` position, `$3` tenant, `$4` subject, `$5` types.
 * The position of the last visible event comes with every answer, of the same snapshot, also when no event passes.
 */
const LIST: Statement = {
  text: `
    with latest as (
      select tx_id, id from event where ${VISIBLE} order by tx_id desc, id desc limit 1
    ), found as (
      select tx_id, id, tenant_id, subject_type, subject_id, version, type, at, correlation_id, caused_by, data
      from event
      where (tx_id, id) > (case when ${IS_FOREIGN} then '0'::xid8 else $1::xid8 end, $2::bigint) and ${VISIBLE}
        and ($3::text is null or tenant_id = $3)
        and ($4::text is null or subject_id = $4)
        and ($5::text[] is null or type = any($5))
      order by tx_id, id
      limit $6
    )
    select latest.tx_id as latest_tx_id, latest.id as latest_id, ${IS_FOREIGN} as is_foreign, found.*
    from latest left join found on true
    order by found.tx_id, found.id`,
};

const LATEST: Statement = {
  name: "event_latest",
  text: `select tx_id, id from event where ${VISIBLE} order by tx_id desc, id desc limit 1`,
};

/** A position in the order of events. `txId` is a 64-bit transaction id, as text. */
interface Position {
  readonly txId: string;
  readonly id: number;
}

interface EventRow {
  readonly latest_tx_id: string;
  readonly latest_id: number;
  readonly is_foreign: boolean;
  /** Null, as all that follows, when no event passes. */
  readonly tx_id: string | null;
  readonly id: number;
  readonly tenant_id: string;
  readonly subject_type: SubjectType;
  readonly subject_id: string;
  readonly version: number;
  readonly type: string;
  readonly at: Date;
  readonly correlation_id: string;
  readonly caused_by: string;
  readonly data: EventRecord["data"];
}

export class PostgresEventReader implements EventReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async list(
    { tenantId, subjectId, types = [] }: EventFilter,
    after: EventCursor,
    limit: number,
  ): Promise<EventPage> {
    const { txId, id } = parseCursor(after);
    const anyOf = types.length === 0 ? null : types;
    const values = [txId, id, tenantId, subjectId, anyOf, limit];
    const rows = await this.#sql.run<EventRow>(LIST, values);
    const events = rows.flatMap((row) => fromRow(row));
    const lastCursor = events.at(-1)?.cursor;
    if (lastCursor !== undefined && events.length === limit) {
      return { events, nextCursor: lastCursor };
    }
    const [latest] = rows.map((row) => toCursor({ txId: row.latest_tx_id, id: row.latest_id }));
    const isBehind = latest !== undefined && latest < after && rows[0]?.is_foreign !== true;
    return { events, nextCursor: latest === undefined || isBehind ? after : latest };
  }

  async latestCursor(): Promise<EventCursor> {
    const [row] = await this.#sql.run<{ readonly tx_id: string; readonly id: number }>(LATEST, []);
    return row === undefined ? "" : toCursor({ txId: row.tx_id, id: row.id });
  }
}

function fromRow(row: EventRow): StoredEvent[] {
  if (row.tx_id === null) return [];
  return [
    {
      tenantId: row.tenant_id as TenantId,
      subjectType: row.subject_type,
      subjectId: row.subject_id,
      version: row.version,
      type: row.type,
      at: row.at,
      correlationId: row.correlation_id,
      causedBy: row.caused_by,
      data: row.data,
      cursor: toCursor({ txId: row.tx_id, id: row.id }),
    },
  ];
}

/** Of equal length, so that cursors compare as text like the positions they name. */
function toCursor({ txId, id }: Position): EventCursor {
  const hex = (value: string | number) => BigInt(value).toString(16).padStart(16, "0");
  return `${hex(txId)}-${hex(id)}`;
}

function parseCursor(cursor: EventCursor): Position {
  if (cursor === "") return { txId: "0", id: 0 };
  const [, txId, id] = /^([0-9a-f]{16})-([0-9a-f]{16})$/.exec(cursor) ?? [];
  if (txId === undefined || id === undefined || Number.parseInt(id, 16) > Number.MAX_SAFE_INTEGER) {
    throw new PlatformError(
      "invalid_argument",
      "malformed_cursor",
      "the cursor is not one that an event came with; start without one",
    );
  }
  return { txId: BigInt(`0x${txId}`).toString(), id: Number.parseInt(id, 16) };
}
