-- ruled_quantity: the value of the dose index that an outlier rule names; CTDIvol of any phantom.
        case $quantity::varchar
            when 'air_kerma_mgy' then air_kerma_mgy
            when 'kap_gycm2' then kap_gycm2
            when 'fluoro_time_s' then fluoro_time_s
            when 'ctdi_vol_mgy' then ctdi_vol_mgy
            when 'dlp_mgycm' then dlp_mgycm
            when 'ssde_mgy' then ssde_mgy
            when 'peak_skin_dose_mgy' then peak_skin_dose_mgy
        end
