# grouseticks: Elston et al. (2001), Parasitology 122, 563-569.
# Taken as it stands from the data set of the same name in the R package lme4.
# Run from the root of the package: Rscript data-raw/grouseticks.R

grouseticks <- lme4::grouseticks
save(grouseticks, file = "data/grouseticks.rda", compress = "xz", version = 3)
