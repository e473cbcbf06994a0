# cbpp: Lesnoff et al. (2004), Preventive Veterinary Medicine 64, 27-40.
# Taken as it stands from the data set of the same name in the R package lme4.
# Run from the root of the package: Rscript data-raw/cbpp.R

cbpp <- lme4::cbpp
save(cbpp, file = "data/cbpp.rda", compress = "xz", version = 3)
