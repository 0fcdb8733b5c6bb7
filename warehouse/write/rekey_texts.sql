-- Texts of rejected rows that name a patient by pseudonym. Parameters: none.
select distinct raw_text from rejected_row where contains(raw_text, 'pseudonym:');
