-- Wakes whoever listens once what was announced is committed. It says that there is something, and nothing of it: the
-- table alone tells what.
create function outbox_told() returns trigger language plpgsql as $$
begin
  perform pg_notify('outbox', '');
  return null;
end
$$;
create trigger outbox_told after insert on outbox for each statement execute function outbox_told();
