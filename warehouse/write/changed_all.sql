-- What the run wrote into an empty warehouse: everything.
create or replace temp view changed as from procedure;
