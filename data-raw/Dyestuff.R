# Dyestuff: Davies and Goldsmith (1972), Statistical Methods in Research and Production, section
# 6.4. Taken as it stands from the data set of the same name in the R package lme4. Run from the
# root of the package: Rscript data-raw/Dyestuff.R

Dyestuff <- lme4::Dyestuff
save(Dyestuff, file = "data/Dyestuff.rda", compress = "xz", version = 3)
