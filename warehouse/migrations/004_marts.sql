-- Small tables that the refresh makes anew each night, for the filter bar and for counts by day.
create table filter_value (
    site varchar not null,
    field varchar not null,             -- modality | procedure | room | operator
    value varchar not null,
    n bigint not null                   -- completed procedures, without test patients
);
create table daily (
    performed_on date not null,
    site varchar not null,
    modality varchar not null,
    status varchar not null,
    is_test boolean not null,
    n bigint not null,
    n_dose bigint not null,             -- with any dose figure
    n_duration bigint not null,
    n_complications bigint not null,    -- where complications are documented, 'none' included
    n_satisfaction bigint not null
);
