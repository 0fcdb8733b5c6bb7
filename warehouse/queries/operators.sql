-- The operators that the warehouse knows, and the secret behind their masks. Grain: operator.
-- No parameters. The secret is the fingerprint of the pseudonyms' key: no page shows it.
-- Roles: system.
select distinct
    operator, (select coalesce(key_fingerprint, '') from meta) as secret
from procedure
where operator is not null
order by operator
