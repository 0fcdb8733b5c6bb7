-- dose_value: the value of the dose index that was asked for; CTDIvol only of one phantom.
        case $dose_index::varchar
            when 'kap_gycm2' then kap_gycm2
            when 'air_kerma_mgy' then air_kerma_mgy
            when 'fluoro_time_s' then fluoro_time_s
            when 'dlp_mgycm' then dlp_mgycm
            when 'ctdi_vol_16_mgy' then case when ctdi_phantom_cm = 16 then ctdi_vol_mgy end
            when 'ctdi_vol_32_mgy' then case when ctdi_phantom_cm = 32 then ctdi_vol_mgy end
            when 'ctdi_vol_unknown_mgy' then case when ctdi_phantom_cm is null then ctdi_vol_mgy end
        end
