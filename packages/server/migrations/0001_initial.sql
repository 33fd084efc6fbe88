-- Every table carries tenant_id; rows of the platform itself (replicas, subscriptions) belong to "default".
--
-- There are no foreign keys: rows that belong together are written in one transaction, each key check costs the hot path
-- a lookup and a lock, and old rows are to go by dropping partitions.
--
-- Instants come from the servers' clocks in whole milliseconds, never from now(), so that time can be simulated.

-- The number of the oldest step that a server must know in order to work with these tables. A step that only adds leaves
-- it alone; one that takes away what older servers need raises it to the step since which nobody needs that any more.
create table schema_floor (
  tenant_id text primary key default 'default',
  step integer not null
);

insert into schema_floor (step) values (1);

-- The hot row: all that changes in the life of a job, and nothing else. A minute after its end a job leaves this table, and
-- job_spec and attempt with it, for finished_job and finished_attempt: what is here is as small as the work at hand.
--
-- A change of state touches a column that indexes' conditions name, so it writes a new version into each index it
-- belongs to. Hence every index but the primary key is partial and about unfinished jobs, and lists by age or label are
-- served by job_spec, which never changes. The free space of a page (fillfactor) keeps versions of a row together, and lets
-- changes that leave the state alone (a cancel request) stay out of the indexes (HOT updates).
create table job (
  id uuid primary key,
  tenant_id text not null,
  state text not null constraint job_state_check check (state in (
    'pending', 'assigned', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out')),
  version integer not null,
  attempt integer not null,
  started_attempts integer not null,
  -- It waits for what job_dependency says.
  is_blocked boolean not null,
  priority smallint not null,
  run_at timestamptz not null,
  -- When it was first due, earlier by a minute for each point of priority: the order in which jobs are placed.
  urgent_since timestamptz not null,
  -- The spec's deadline.
  deadline_at timestamptz,
  -- Until when it may wait: the deadline, and before its first attempt the queue time-out.
  queue_deadline_at timestamptz,
  lease_token uuid,
  lease_worker_id uuid,
  acknowledge_by timestamptz,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  cancel_requested_by text,
  -- For which job its attempt is to end, or its last one ended.
  preempt_requested_at timestamptz,
  preempted_by uuid,
  preemption_count smallint not null,
  -- Where others end so that it finds room.
  claimed_worker_id uuid,
  outcome_reason text constraint job_outcome_reason_check check (outcome_reason in (
    'completed', 'non_zero_exit', 'signal', 'oom_killed', 'run_timeout', 'queue_timeout', 'cancelled_by', 'dropped', 'dependency_failed', 'preempted', 'worker_lost',
    'provider_reclaimed', 'image_pull_failed', 'command_not_found', 'permission_denied', 'spawn_failed',
    'secret_unavailable', 'input_failed', 'output_failed', 'disk_full', 'unkillable', 'invalid_spec', 'internal', 'deadline_exceeded')),
  outcome_exit_code integer,
  outcome_signal text,
  outcome_message text,
  correlation_id text not null,
  -- Of the spec; here to count who holds it.
  concurrency_key text,
  constraint job_blocked_check check (not is_blocked or state = 'pending'),
  constraint job_lease_check check (
    (state in ('assigned', 'running')) = (lease_token is not null and lease_worker_id is not null
      and acknowledge_by is not null)),
  constraint job_end_check check (
    (state in ('succeeded', 'failed', 'cancelled', 'timed_out')) = (finished_at is not null
      and outcome_reason is not null))
) with (
  fillfactor = 70,
  -- Each job leaves all of its versions behind, so vacuum by count rather than by a share of what is there.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0
);

create index job_due on job (urgent_since, id) where state = 'pending' and not is_blocked;
create index job_due_of_tenant on job (tenant_id, urgent_since, id) where state = 'pending' and not is_blocked;
create index job_run_at on job (run_at) where state = 'pending';
create index job_queue_deadline on job (queue_deadline_at, id)
  where state = 'pending' and queue_deadline_at is not null;
create index job_unacknowledged on job (acknowledge_by, id) where state = 'assigned';
create index job_of_worker on job (lease_worker_id) where state in ('assigned', 'running');
create index job_of_concurrency_key on job (tenant_id, concurrency_key, created_at, id)
  where state in ('pending', 'assigned', 'running') and concurrency_key is not null;
-- Few of many: looked for among all those that succeeded.
create index job_not_succeeded on job (tenant_id, created_at, id)
  where state in ('failed', 'cancelled', 'timed_out');
-- In the order in which they leave.
create index job_ended on job (finished_at, id) where finished_at is not null;

-- What never changes. The small columns come first: reading them leaves a large spec in its TOAST table.
create table job_spec (
  job_id uuid primary key,
  tenant_id text not null,
  created_at timestamptz not null,
  name text not null,
  labels jsonb not null,
  policy jsonb not null,
  -- json, not jsonb: never looked into by SQL, and comes back as it was written.
  spec json not null
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0
);

create index job_spec_newest on job_spec (tenant_id, created_at, job_id);
create index job_spec_labels on job_spec using gin (labels jsonb_path_ops) where labels <> '{}';

-- What blocked jobs still wait for; few, and gone when it has come.
create table job_dependency (
  job_id uuid not null,
  after_id uuid not null,
  tenant_id text not null,
  condition text not null constraint job_dependency_condition_check check (condition in ('succeeded', 'failed', 'any')),
  primary key (job_id, after_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index job_dependency_after on job_dependency (after_id);

create table attempt (
  job_id uuid not null,
  number integer not null,
  tenant_id text not null,
  worker_id uuid not null,
  lease_token uuid not null,
  state text not null constraint attempt_state_check check (state in (
    'assigned', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out', 'lost')),
  assigned_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  outcome_reason text constraint attempt_outcome_reason_check check (outcome_reason in (
    'completed', 'non_zero_exit', 'signal', 'oom_killed', 'run_timeout', 'queue_timeout', 'cancelled_by', 'dropped', 'dependency_failed', 'preempted', 'worker_lost',
    'provider_reclaimed', 'image_pull_failed', 'command_not_found', 'permission_denied', 'spawn_failed',
    'secret_unavailable', 'input_failed', 'output_failed', 'disk_full', 'unkillable', 'invalid_spec', 'internal', 'deadline_exceeded')),
  outcome_exit_code integer,
  outcome_signal text,
  outcome_message text,
  log_bytes bigint not null,
  processes_left integer not null,
  -- What it used; null where that is not known.
  cpu_ms bigint,
  peak_memory_bytes bigint,
  read_bytes bigint,
  written_bytes bigint,
  primary key (job_id, number)
) with (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0
);

-- Which job an idempotency key made. A key is unique for as long as its job is kept, wherever that is, so it has a table of
-- its own, which no partition can be unique across; rows whose job is gone go in small batches.
create table job_key (
  tenant_id text not null,
  key text not null,
  job_id uuid not null,
  created_at timestamptz not null,
  primary key (tenant_id, key)
) with (
  autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

create index job_key_oldest on job_key (created_at, job_id);

-- Jobs that have ended, with their specs. They never change, and were checked when they were in job.
--
-- In partitions, one for each day of UTC, that the server makes and drops (PostgresPartitions): that with which the job goes.
create table finished_job (
  kept_until timestamptz not null,
  id uuid not null,
  tenant_id text not null,
  state text not null,
  version integer not null,
  attempt integer not null,
  started_attempts integer not null,
  is_blocked boolean not null,
  priority smallint not null,
  run_at timestamptz not null,
  urgent_since timestamptz not null,
  deadline_at timestamptz,
  queue_deadline_at timestamptz,
  lease_token uuid,
  lease_worker_id uuid,
  acknowledge_by timestamptz,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz not null,
  cancel_requested_at timestamptz,
  cancel_requested_by text,
  preempt_requested_at timestamptz,
  preempted_by uuid,
  preemption_count smallint not null,
  claimed_worker_id uuid,
  outcome_reason text not null,
  outcome_exit_code integer,
  outcome_signal text,
  outcome_message text,
  correlation_id text not null,
  concurrency_key text,
  name text not null,
  labels jsonb not null,
  policy jsonb not null,
  spec json not null,
  primary key (id, kept_until)
) partition by range (kept_until);

create index finished_job_newest on finished_job (tenant_id, created_at, id);
create index finished_job_not_succeeded on finished_job (tenant_id, created_at, id)
  where state in ('failed', 'cancelled', 'timed_out');
create index finished_job_labels on finished_job using gin (labels jsonb_path_ops) where labels <> '{}';

-- Attempts of finished_job, which go with their jobs.
create table finished_attempt (
  kept_until timestamptz not null,
  job_id uuid not null,
  number integer not null,
  tenant_id text not null,
  worker_id uuid not null,
  lease_token uuid not null,
  state text not null,
  assigned_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  outcome_reason text,
  outcome_exit_code integer,
  outcome_signal text,
  outcome_message text,
  log_bytes bigint not null,
  processes_left integer not null,
  cpu_ms bigint,
  peak_memory_bytes bigint,
  read_bytes bigint,
  written_bytes bigint,
  primary key (job_id, number, kept_until)
) partition by range (kept_until);

-- Finds the attempts of a day, in order to know whether its log may go. Costs next to nothing to keep.
create index finished_attempt_assigned on finished_attempt using brin (assigned_at);

create table worker (
  id uuid primary key,
  tenant_id text not null,
  pool text not null,
  provider text not null,
  state text not null constraint worker_state_check check (state in (
    'provisioning', 'connecting', 'ready', 'draining', 'terminated', 'lost')),
  version integer not null,
  -- What it said of itself; null before its first session.
  facts jsonb,
  replica_id text,
  created_at timestamptz not null,
  connected_at timestamptz,
  connect_by timestamptz,
  drain_requested_at timestamptz,
  terminated_at timestamptz
) with (fillfactor = 70);

create index worker_newest on worker (tenant_id, created_at, id);
create index worker_newest_of_pool on worker (pool, provider, created_at, id);
create index worker_live on worker (id) where state <> 'terminated';

create table join_token (
  hash text primary key,
  tenant_id text not null,
  worker_id uuid not null,
  expires_at timestamptz not null
);

create index join_token_expiry on join_token (expires_at);

-- One row per living server, renewed every few seconds: small pages, so that each renewal is a HOT update.
create table replica (
  id text primary key,
  tenant_id text not null default 'default',
  renewed_at timestamptz not null
) with (fillfactor = 10);

-- Attempts that count against a rate limit; those that do not any more go when others come.
create table rate_start (
  tenant_id text not null,
  key text not null,
  at timestamptz not null,
  counts_until timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index rate_start_key on rate_start (tenant_id, key, counts_until);
create index rate_start_counts_until on rate_start (counts_until);

-- The number of the latest leadership of what is led. Its holder's transactions lock the row against the next one.
create table leadership (
  name text primary key,
  tenant_id text not null default 'default',
  epoch bigint not null
) with (fillfactor = 10);

-- The outbox. A row shows to readers once no transaction that began writing earlier is still running, in the order
-- (tx_id, id): an id alone skips rows of transactions that commit late. Transaction ids belong to one cluster, so cursors
-- do not survive a dump and restore.
--
-- In partitions, one for each day of UTC, that the server makes and drops (PostgresPartitions). A sequence and not an
-- identity column, which partitions cannot have before PostgreSQL 17.
create sequence event_id;

create table event (
  tx_id xid8 not null default pg_current_xact_id(),
  id bigint not null default nextval('event_id'),
  tenant_id text not null,
  subject_type text not null constraint event_subject_type_check check (subject_type in (
    'job', 'worker', 'secret')),
  subject_id text not null,
  version integer not null,
  type text not null,
  at timestamptz not null,
  correlation_id text not null,
  caused_by text not null,
  data jsonb not null,
  primary key (tx_id, id, at)
) partition by range (at);

create index event_subject on event (subject_id, tx_id, id);

-- Secrets of tenants. What is here is of no use without the master key, which never is in the database.
create table secret (
  tenant_id text not null,
  -- Lists go by it, in the same order everywhere.
  name text collate "C" not null,
  version integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- Key of this version's value alone, wrapped by the master key.
  wrapped_key bytea not null,
  -- Nonce, ciphertext and tag of AES-256-GCM, bound to tenant, name and version.
  sealed_value bytea not null,
  primary key (tenant_id, name)
);

-- A known text under the master key: tells a server with another key so before it writes anything.
create table master_key_proof (
  tenant_id text primary key default 'default',
  wrapped bytea not null
);

-- One row per subscription, written every few seconds: small pages, so that each write is a HOT update.
create table subscription (
  name text primary key,
  tenant_id text not null default 'default',
  -- Null until somebody delivers.
  cursor text,
  -- The replica that delivers, and until when nobody else does.
  holder text,
  held_until timestamptz
) with (fillfactor = 10);

-- Events that a subscription could not deliver: waiting for another try, or given up (dead letters). Whole, as the outbox
-- does not keep them for as long.
create table undelivered_event (
  subscription text not null,
  cursor text not null,
  tenant_id text not null,
  event json not null,
  failures integer not null,
  error text not null,
  next_try_at timestamptz not null,
  dead_at timestamptz,
  primary key (subscription, cursor)
);

create index undelivered_event_waiting on undelivered_event (subscription, cursor) where dead_at is null;
create index undelivered_event_dead on undelivered_event (tenant_id, cursor, subscription) where dead_at is not null;

-- Pieces of logs as workers sent them. Rows of one attempt touch, the first at byte 0. Where bytes are missing the row
-- counts them, so its lengths may be beyond an integer.
--
-- In partitions, one for each day of UTC, that the server makes and drops (PostgresPartitions). All rows of an attempt are
-- in one: that of the day on which it was assigned.
create table log_chunk (
  -- Of the attempt.
  assigned_at timestamptz not null,
  job_id uuid not null,
  attempt integer not null,
  byte_offset bigint not null,
  tenant_id text not null,
  length_bytes bigint not null constraint log_chunk_length_check check (length_bytes > 0),
  -- Of these, how many are of standard output: finds the chunks of one stream without reading them.
  stdout_bytes bigint not null constraint log_chunk_stdout_check check (stdout_bytes between 0 and length_bytes),
  -- Newlines of the log, and of its standard output, from its start up to the end of this row: finds lines by halving.
  newline_count bigint not null,
  stdout_newline_count bigint not null,
  -- [kind, length, milliseconds after at, ...] for each run of bytes. Kinds: 0 stdout, 1 stderr; 2 and 3 the same, dropped
  -- by the worker; 4 and 5 the same, beyond the attempt's limit; 6 and 7, beyond the tenant's. data has nothing for what is missing.
  segments json not null,
  at timestamptz not null,
  -- Of data: 0 none, 1 Zstandard.
  compression smallint not null constraint log_chunk_compression_check check (compression in (0, 1)),
  data bytea not null,
  primary key (job_id, attempt, byte_offset, assigned_at)
) partition by range (assigned_at);

-- Bytes of log_chunk.data that a tenant has stored on one day of UTC, the latest: what its limit is held against.
create table log_usage (
  tenant_id text primary key,
  day date not null,
  stored_bytes bigint not null
) with (fillfactor = 10);

-- Workers compress what is worth it; the server spends no processor on trying again.
alter table log_chunk alter column data set storage external;
