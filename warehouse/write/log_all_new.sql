-- No row needs a closer look.
create or replace temp table aside (row_no bigint, verdict varchar);
