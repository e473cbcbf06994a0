# VerbAgg: De Boeck and Wilson (2004), Explanatory Item Response Models, Springer.
# Taken as it stands from the data set of the same name in the R package lme4.
# Run from the root of the package: Rscript data-raw/VerbAgg.R

VerbAgg <- lme4::VerbAgg
save(VerbAgg, file = "data/VerbAgg.rda", compress = "xz", version = 3)
