import type { EventRecord } from "@hodei/domain";

/** A row of table `event` as JSON, for `json_to_recordset`. */
interface EventJson {
  readonly tenant_id: string;
  readonly subject_type: string;
  readonly subject_id: string;
  readonly version: number;
  readonly type: string;
  readonly at: Date;
  readonly correlation_id: string;
  readonly caused_by: string;
  readonly data: EventRecord["data"];
}

/** Inserts the events of a JSON parameter in their order; goes on with a join or condition, or `)`. */
export const insertEventsFrom = (parameter: string): string => `
  insert into event (tenant_id, subject_type, subject_id, version, type, at, correlation_id, caused_by, data)
  select e.tenant_id, e.subject_type, e.subject_id, e.version, e.type, e.at, e.correlation_id, e.caused_by, e.data
  from json_to_recordset(${parameter}::json) as e(
    tenant_id text, subject_type text, subject_id text, version integer, type text, at timestamptz,
    correlation_id text, caused_by text, data jsonb)`;

export function toEventsJson(events: readonly EventRecord[]): string {
  const rows: EventJson[] = events.map((event) => ({
    tenant_id: event.tenantId,
    subject_type: event.subjectType,
    subject_id: event.subjectId,
    version: event.version,
    type: event.type,
    at: event.at,
    correlation_id: event.correlationId,
    caused_by: event.causedBy,
    data: event.data,
  }));
  return JSON.stringify(rows);
}
