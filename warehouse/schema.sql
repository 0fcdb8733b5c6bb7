-- The warehouse, one row per …; names are read by other tools, so they change only with a migration.
-- Keys are kept unique by the merge and checked by a query before publication: a primary key would
-- make the load 2.4 times slower and the file 2.6 times larger.

create table meta (
    schema_version integer not null,    -- of the last migration; this file is what all of them together give
    created_at timestamptz not null,
    time_zone varchar not null,         -- wall-clock columns below are in this zone unless the site says otherwise
    key_fingerprint varchar             -- of the key behind patient_key: another key would split every patient in two
);

-- one row per night's (or hand-started) refresh
create table run (
    run_id varchar not null,            -- UTC start, 20261121T020000Z-xxxx
    started_at timestamptz not null,
    ended_at timestamptz,
    outcome varchar not null,           -- ok | rejected | nothing | failed
    files integer not null,
    read bigint not null,
    inserted bigint not null,
    updated bigint not null,
    unchanged bigint not null,
    duplicate bigint not null,
    rejected bigint not null,
    message varchar
);

-- one row per file ever read, by its bytes
create table source_file (
    source_file_id integer not null,
    run_id varchar not null,
    sha256 varchar not null,
    path varchar not null,              -- relative to the inbox
    bytes bigint not null,
    source_at timestamptz not null,     -- when the content was current: export stamp, else modification time
    arrived_at timestamptz not null,
    profile varchar,
    kind varchar not null,              -- log | report | followup
    status varchar not null,            -- loaded | partly | refused
    read bigint not null,
    inserted bigint not null,
    updated bigint not null,
    unchanged bigint not null,
    duplicate bigint not null,
    rejected bigint not null,
    message varchar
);

-- one row per procedure (patient session)
create table procedure (
    procedure_id bigint not null,       -- surrogate, stable for the life of the warehouse; the only id in links
    site varchar not null,
    accession_number varchar,
    study_uid varchar,
    modality varchar not null,          -- CT | fluoroscopy | ultrasound
    second_modality varchar,
    procedure_start_at timestamp,       -- wall clock of the site
    performed_on date not null,
    procedure_name varchar,             -- as the source wrote it
    procedure_code varchar,             -- procedures.csv; null while unmapped
    procedure_family varchar,
    region varchar,
    patient_key varchar,                -- HMAC-SHA-256, hex
    age_years double,
    sex varchar,
    weight_kg double,
    height_cm double,
    bmi double,
    pregnancy_status varchar,
    operator varchar,
    trainee boolean,
    room varchar,
    device varchar,
    levels varchar,
    n_levels integer,
    laterality varchar,
    status varchar not null,            -- completed | cancelled | discontinued | scheduled | deleted (withdrawn: shown nowhere)
    cancel_reason varchar,
    is_test boolean not null,           -- test patients and phantoms: kept, counted, out of statistics
    ordered_at timestamp,
    scheduled_at timestamp,
    arrived_at timestamp,
    room_in_at timestamp,
    procedure_end_at timestamp,
    room_out_at timestamp,
    report_signed_at timestamp,
    duration_min double,
    dose_mgy double,
    dose_index varchar,                 -- air_kerma | ctdi_vol | ssde | unspecified
    air_kerma_mgy double,
    kap_gycm2 double,
    fluoro_time_s double,
    ctdi_vol_mgy double,
    ctdi_phantom_cm integer,
    dlp_mgycm double,
    ssde_mgy double,
    peak_skin_dose_mgy double,
    effective_dose_msv double,          -- estimate; analytics/dose.py has coefficient, region and source
    complications varchar,              -- as canonical text; the complication table has the terms
    complication_scale varchar,
    satisfaction tinyint,               -- 1 very dissatisfied … 5 very satisfied
    pain_scale varchar,                 -- NRS 0-10 | VAS 0-10 | VAS 0-100
    pain_baseline double, pain_15min double, pain_1wk double, pain_2wk double,
    pain_1mo double, pain_2mo double, pain_3mo double, pain_6mo double,
    odi_baseline double, odi_1wk double, odi_2wk double, odi_1mo double,
    odi_2mo double, odi_3mo double, odi_6mo double,
    ndi_baseline double, ndi_1wk double, ndi_2wk double, ndi_1mo double,
    ndi_2mo double, ndi_3mo double, ndi_6mo double,
    contrast_pattern varchar,
    injectate varchar,
    extra varchar,                      -- further columns of the log as a JSON object of text
    flags varchar[] not null,           -- warnings that the row was loaded with
    dose_source varchar,                -- log | report | null: who said the dose
    source_at timestamptz not null,     -- of the version that stands
    source_file_id integer not null,
    source_line bigint,                 -- physical line (text files), row (sheets) or 1 (reports)
    row_hash ubigint not null,          -- of every value that the row's source set
    run_id varchar not null             -- of the run that wrote this version
);

-- one row per superseded version of a procedure: the columns of procedure and when it ended;
-- why: corrected | withdrawn | older (arrived after a newer one)
create table procedure_history as
    select *, ''::varchar as superseded_by_run, now() as superseded_at, ''::varchar as why from procedure limit 0;

-- one row per source's word on a procedure that has a dose report: its log row (part = log) and what each
-- report says besides dose (part = report); the row in procedure is computed from these
create table procedure_part as
    select *, ''::varchar as part, ''::varchar as report_uid from procedure limit 0;

-- one row per time point of a follow-up: its day after the procedure, and the days that count as it where a
-- follow-up comes with a date (docs/definitions.md); 15 minutes is only ever named
create table follow_up_window (
    timepoint varchar not null,
    place tinyint not null,             -- in order of time
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

-- one row per word of a follow-up log, or of a person in the app, on the outcome of a case
create table follow_up (
    site varchar not null,
    accession_number varchar not null,
    performed_on date,                  -- day of the procedure, where the sender says it
    measure varchar not null,           -- pain | odi | ndi | satisfaction | complications
    scale varchar,                      -- NRS 0-10 | VAS 0-10 | VAS 0-100 | VAS | ODI | NDI; of complications: of their grades
    timepoint varchar,                  -- as sent; null: by measured_on
    measured_on date,
    score double,
    terms varchar,                      -- complications
    withdrawn boolean not null,
    entered_by varchar,                 -- who entered it in the app
    procedure_id bigint,                -- null: not matched
    state varchar not null,             -- placed | waiting | ambiguous | outside | scale | beside | withdrawn
    placed_timepoint varchar,
    placed_score double,                -- on the scale of the procedure
    placed_scale varchar,
    source_at timestamptz not null,
    source_file_id integer not null,
    source_line bigint not null,        -- with the file: the key of this table
    row_hash ubigint not null,
    run_id varchar not null
);

-- one row per superseded word; why: corrected | withdrawn | older (arrived after a newer one)
create table follow_up_history as
    select *, ''::varchar as superseded_by_run, now() as superseded_at, ''::varchar as why from follow_up limit 0;

-- one row per dose report (a DICOM object, a FHIR bundle's study, a study line of a dose-management export)
create table dose_report (
    report_uid varchar not null,        -- SOP Instance UID, else a hash of the study line
    site varchar not null,
    accession_number varchar,
    study_uid varchar,
    modality varchar not null,
    started_at timestamp,
    performed_on date not null,
    event_uids varchar[] not null,
    n_events_stated integer,
    air_kerma_mgy double,
    kap_gycm2 double,
    fluoro_time_s double,
    ctdi_vol_mgy double,
    ctdi_phantom_cm integer,
    dlp_mgycm double,
    ssde_mgy double,
    peak_skin_dose_mgy double,
    device varchar,
    manufacturer varchar,
    model varchar,
    details varchar,                    -- JSON: planes, dose-check details, patient size and position as sent
    flags varchar[] not null,
    source_at timestamptz not null,
    source_file_id integer not null,
    run_id varchar not null,
    procedure_id bigint
);

-- one row per irradiation event of a dose report
create table irradiation_event (
    event_uid varchar not null,
    report_uid varchar not null,
    procedure_id bigint,
    started_at timestamp,
    event_type varchar,
    protocol varchar,
    plane varchar,
    air_kerma_mgy double,
    kap_gycm2 double,
    ctdi_vol_mgy double,
    ctdi_phantom_cm integer,
    dlp_mgycm double,
    duration_s double,
    kvp double,
    ma double,
    body_region varchar,
    run_id varchar not null
);

-- one row per procedure and complication term ('none' is a term: a blank is not)
create table complication (
    procedure_id bigint not null,
    term varchar not null,
    grade varchar,
    scale varchar
);

-- one row per procedure, scale and timepoint
create table outcome (
    procedure_id bigint not null,
    scale varchar not null,             -- pain | odi | ndi
    timepoint varchar not null,         -- baseline | 15min | 1wk | 2wk | 1mo | 2mo | 3mo | 6mo
    value double not null,
    scale_max double not null
);

-- one row per unit-bearing field whose sent text is not its canonical value, and per value set aside
create table raw_value (
    procedure_id bigint not null,
    field varchar not null,
    text varchar not null,
    unit varchar,
    source varchar not null             -- log | report | part; with the file and line it came from
);

-- one row per row that was not loaded
create table rejected_row (
    run_id varchar not null,
    source_file_id integer not null,
    path varchar not null,
    line bigint,                        -- null: the whole file
    raw_text varchar not null,          -- the row as it stood, identifier columns pseudonymised
    reasons varchar[] not null,         -- "column: what is wrong: value: remedy"
    rules varchar[] not null,           -- short rule names, for counting
    site varchar,
    accession_number varchar,           -- so that a later load can resolve it
    resolved_by_run varchar
);

-- one row per procedure name that no synonym covers exactly
create table unmapped_name (
    name varchar not null,
    count bigint not null,
    suggestions varchar[] not null      -- procedure codes, best first
);

-- size within which doses are compared: from 16 years, or with no age, by BMI; below by weight.
-- The bands are those of analytics.dose.size_band; a test holds the two equal.
create macro size_band(age_years, weight_kg, bmi) as
    case
        when age_years < 16 then
            case
                when weight_kg is null then 'size unknown'
                when weight_kg < 5 then 'child < 5 kg'
                when weight_kg < 15 then 'child 5–15 kg'
                when weight_kg < 30 then 'child 15–30 kg'
                when weight_kg < 50 then 'child 30–50 kg'
                when weight_kg < 80 then 'child 50–80 kg'
                else 'child ≥ 80 kg'
            end
        when bmi is null then 'size unknown'
        when bmi < 18.5 then 'BMI < 18.5'
        when bmi < 25 then 'BMI 18.5–25'
        when bmi < 30 then 'BMI 25–30'
        else 'BMI ≥ 30'
    end;

-- one row per modality, procedure, size band and dose index: the scale of the last 12 months of
-- data, on which one case is judged; filled by marts/dose_scale.sql before each publication
create table dose_scale (
    modality varchar not null,
    procedure_key varchar not null,     -- code, else the name as sent: an unmapped name is its own kind
    size_band varchar not null,          -- or all sizes
    dose_index varchar not null,        -- column of procedure; ctdi_vol_<phantom>_mgy for CTDIvol
    baseline_from date not null,
    baseline_to date not null,
    n bigint not null,
    median_ln double not null,          -- of the natural logarithm
    mad_ln double not null,             -- median absolute deviation of the natural logarithm, unscaled
    p50 double not null,
    p75 double not null,
    p95 double not null
);

-- one row per site, field and value that the filter bar can offer (made anew by each refresh)
create table filter_value (
    site varchar not null,
    field varchar not null,             -- modality | procedure | room | operator
    value varchar not null,
    n bigint not null                   -- completed procedures, without test patients
);

-- one row per day, site, modality, status and test mark: what a view counts that no other filter narrows
create table daily (
    performed_on date not null,
    site varchar not null,
    modality varchar not null,
    status varchar not null,
    is_test boolean not null,
    n bigint not null,
    n_dose bigint not null              -- with any dose figure
);
