# Penicillin: Davies and Goldsmith (1972), Statistical Methods in Research and Production, section
# 6.6. Taken as it stands from the data set of the same name in the R package lme4. Run from the
# root of the package: Rscript data-raw/Penicillin.R

Penicillin <- lme4::Penicillin
save(Penicillin, file = "data/Penicillin.rda", compress = "xz", version = 3)
