-- Follow-ups arrive after the procedure, from a log of their own or from a person in the app.
create table follow_up_window (
    timepoint varchar not null,
    place tinyint not null,
    nominal_day integer not null,
    first_day integer,
    last_day integer
);
insert into follow_up_window values
    ('baseline', 0, 0, -30, -1),
    ('15min', 1, 0, null, null),
    ('1wk', 2, 7, 4, 10),
    ('2wk', 3, 14, 11, 22),
    ('1mo', 4, 30, 23, 45),
    ('2mo', 5, 61, 46, 76),
    ('3mo', 6, 91, 77, 137),
    ('6mo', 7, 183, 138, 229);

create table follow_up (
    site varchar not null,
    accession_number varchar not null,
    performed_on date,
    measure varchar not null,
    scale varchar,
    timepoint varchar,
    measured_on date,
    score double,
    terms varchar,
    withdrawn boolean not null,
    entered_by varchar,
    procedure_id bigint,
    state varchar not null,
    placed_timepoint varchar,
    placed_score double,
    placed_scale varchar,
    source_at timestamptz not null,
    source_file_id integer not null,
    source_line bigint not null,
    row_hash ubigint not null,
    run_id varchar not null
);

create table follow_up_history as
    select *, ''::varchar as superseded_by_run, now() as superseded_at, ''::varchar as why from follow_up limit 0;
