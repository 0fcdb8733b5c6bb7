-- Withdrawn rows are counted by day too, and what no page reads is not; the refresh counts all rows anew.
drop table daily;
create table daily (
    performed_on date not null,
    site varchar not null,
    modality varchar not null,
    status varchar not null,
    is_test boolean not null,
    n bigint not null,
    n_dose bigint not null              -- with any dose figure
);
