-- Cases are judged on the scale of their own kind and size; the refresh fills the table.
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
create table dose_scale (
    modality varchar not null,
    procedure_key varchar not null,     -- code, else the name as sent: an unmapped name is its own kind
    size_band varchar not null,
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
