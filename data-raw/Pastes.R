# Pastes: Davies and Goldsmith (1972), Statistical Methods in Research and Production, section 6.5.
# Taken as it stands from the data set of the same name in the R package lme4.
# Run from the root of the package: Rscript data-raw/Pastes.R

Pastes <- lme4::Pastes
save(Pastes, file = "data/Pastes.rda", compress = "xz", version = 3)
