-- A gap stands for any number of bytes, so the lengths of a row outgrow an integer.
--
-- segments: beside 0 (stdout) and 1 (stderr), 2 and 3 are bytes of them that the worker dropped, 4 and 5 such beyond the
-- attempt's limit; data has nothing for those.
alter table log_chunk
  alter column length_bytes type bigint,
  alter column stdout_bytes type bigint,
  -- Of data: 0 none, 1 Zstandard.
  add column compression smallint not null default 0
    constraint log_chunk_compression_check check (compression in (0, 1));
