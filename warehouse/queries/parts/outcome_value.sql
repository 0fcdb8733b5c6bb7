-- outcome_value: the outcome that was asked for ($outcome). Pain is on the scale 0 to 10, whatever
-- scale was used; a complication is 0 or 1. CTDIvol and DLP of the 16 cm phantom are left out: they
-- differ twofold from the 32 cm ones for the same beam. dose_of_modality is DLP (CT) or KAP
-- (fluoroscopy), from which effective dose is estimated.
    case $outcome::varchar
        when 'air_kerma_mgy' then air_kerma_mgy
        when 'kap_gycm2' then kap_gycm2
        when 'ctdi_vol_mgy' then case when ctdi_phantom_cm is distinct from 16 then ctdi_vol_mgy end
        when 'dlp_mgycm' then case when ctdi_phantom_cm is distinct from 16 then dlp_mgycm end
        when 'dose_of_modality' then case modality
            when 'CT' then dlp_mgycm when 'fluoroscopy' then kap_gycm2 end
        when 'ssde_mgy' then ssde_mgy
        when 'peak_skin_dose_mgy' then peak_skin_dose_mgy
        when 'duration_min' then duration_min
        when 'complication' then (complications <> 'none')::int::double
        when 'satisfaction' then satisfaction::double
        when 'satisfied' then (satisfaction >= 4)::int::double
        when 'pain_1mo' then pain_1mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_3mo' then pain_3mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_6mo' then pain_6mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_relief_1mo' then (pain_baseline - pain_1mo)
            / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'odi_1mo' then odi_1mo
        when 'odi_6mo' then odi_6mo
    end
