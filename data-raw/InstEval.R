# InstEval: lecture evaluations by students at ETH Zurich, anonymized; published with lme4 by Martin
# Maechler. Taken as it stands from the data set of the same name in the R package lme4. Run from
# the root of the package: Rscript data-raw/InstEval.R

InstEval <- lme4::InstEval
save(InstEval, file = "data/InstEval.rda", compress = "xz", version = 3)
