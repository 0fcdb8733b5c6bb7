-- The natural keys of a patient's cases. Table own.
select distinct site, accession_number, performed_on, device, procedure_start_at, modality from own;
